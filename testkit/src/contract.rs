//! Holds answers of the API against its description, `docs/openapi.json`.
//!
//! A validator of what the description uses of JSON Schema, and stricter than that: a member that is not described
//! is an error, for a server may add members to its answers only together with their description.

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap());

/// Checks an answer of the API: its status is described for this operation, and so is its body. What is asked of
/// no operation is not looked at.
///
/// # Panics
///
/// If it is not as described.
pub fn check(method: &str, path: &str, status: u16, body: &[u8]) {
    let Some((route, operation)) = operation(method, path) else { return };
    // Addresses with a typing slip are led to the right one.
    if (300..400).contains(&status) {
        return;
    }
    let when = format!("{method} {route} answered {status}: {}", String::from_utf8_lossy(body));
    let answer = resolved(&operation["responses"][status.to_string()]);
    assert!(answer.is_object(), "docs/openapi.json has no such answer: {when}");
    let Some(content) = answer["content"].as_object() else {
        assert!(body.is_empty(), "docs/openapi.json says that there is no body: {when}");
        return;
    };
    let Some((_, json)) = content.iter().find(|(kind, _)| kind.ends_with("json")) else { return };
    let value: Value = serde_json::from_slice(body).unwrap_or_else(|why| panic!("{why}: {when}"));
    if let Err(flaw) = whole(&json["schema"], &value, "answer") {
        panic!("not as docs/openapi.json says: {flaw}. {when}");
    }
    let codes = answer["x-codes"].as_array();
    if codes.is_some_and(|codes| !codes.contains(&value["code"])) {
        panic!("docs/openapi.json has no such code: {when}");
    }
}

/// The operation of a request, with its route.
fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next()?;
    let method = method.to_ascii_lowercase();
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |route: &str| {
        let of_route: Vec<&str> = route.split('/').collect();
        of_route.len() == parts.len()
            && of_route
                .iter()
                .zip(&parts)
                .all(|(a, b)| a == b || a.starts_with('{') && !b.is_empty())
    };
    let routes = DESCRIPTION["paths"].as_object()?.iter();
    let fitting = routes.filter(|(route, of)| fits(route) && of.get(&method).is_some());
    let (route, of) = fitting.min_by_key(|(route, _)| route.matches('{').count())?;
    Some((route, &of[&method]))
}

fn resolved(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str().and_then(|to| to.strip_prefix('#')) {
        Some(to) => DESCRIPTION.pointer(to).unwrap_or_else(|| panic!("there is no {to}")),
        None => schema,
    }
}

/// The members that a schema describes, in all its parts.
fn members(schema: &'static Value, names: &mut BTreeSet<&'static str>) {
    let schema = resolved(schema);
    names.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).map(|n| &**n));
    schema["allOf"].as_array().into_iter().flatten().for_each(|part| members(part, names));
}

/// Whether a value is as a schema says, and has no other member.
fn whole(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(object) = value.as_object() {
        let mut known = BTreeSet::new();
        members(schema, &mut known);
        let other = object.keys().find(|name| !known.contains(name.as_str()));
        if let Some(other) = other.filter(|_| !known.is_empty()) {
            return Err(format!("{at} has the member {other}, which is not described"));
        }
    }
    part(schema, value, at)
}

/// Whether a value is as one part of a schema says.
fn part(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolved(schema);
    for one in schema["allOf"].as_array().into_iter().flatten() {
        part(one, value, at)?;
    }
    for either in ["oneOf", "anyOf"].iter().filter_map(|name| schema[name].as_array()) {
        let tried: Vec<_> = either.iter().map(|one| whole(one, value, at)).collect();
        if tried.iter().all(Result::is_err) {
            let why: Vec<String> = tried.into_iter().filter_map(Result::err).collect();
            return Err(why.join("; or "));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|one| is_a(one, value)) {
        return Err(format!("{at} is {value} and no {}", types.join(" or ")));
    }
    if schema["enum"].as_array().is_some_and(|words| !value.is_null() && !words.contains(value)) {
        return Err(format!("{at} is {value} and none of {}", schema["enum"]));
    }
    if let Some(number) = value.as_f64() {
        let less = schema["minimum"].as_f64().is_some_and(|least| number < least);
        let more = schema["maximum"].as_f64().is_some_and(|most| number > most);
        if less || more {
            return Err(format!("{at} is {value} and out of its range"));
        }
    }
    if let Some(object) = value.as_object() {
        let mut required = schema["required"].as_array().into_iter().flatten();
        let missing = required.find(|name| !object.contains_key(name.as_str().unwrap_or_default()));
        if let Some(missing) = missing {
            return Err(format!("{at} has no {missing}"));
        }
        for (name, described) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(member) = object.get(name) {
                whole(described, member, &format!("{at}.{name}"))?;
            }
        }
    }
    if let (Some(object), Some(of)) = (value.as_object(), schema.get("additionalProperties"))
        && of.is_object()
    {
        let described = schema["properties"].as_object();
        let others =
            object.iter().filter(|(name, _)| described.is_none_or(|d| !d.contains_key(*name)));
        for (name, member) in others {
            whole(of, member, &format!("{at}.{name}"))?;
        }
    }
    if let (Some(items), Some(of)) = (value.as_array(), schema.get("items")) {
        for (number, item) in items.iter().enumerate() {
            whole(of, item, &format!("{at}[{number}]"))?;
        }
    }
    Ok(())
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("a type that is not known here: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flaw(name: &str, value: &Value) -> Option<String> {
        let schema = &DESCRIPTION["components"]["schemas"][name];
        assert!(schema.is_object(), "{name}");
        whole(schema, value, "it").err()
    }

    #[test]
    fn what_is_not_described_is_found() {
        let money = json!({"amount": 5, "currency": "GBP"});
        assert_eq!(flaw("Money", &money), None);
        for (wrong, why) in [
            (json!({"amount": 5}), "has no \"currency\""),
            (json!({"amount": "5", "currency": "GBP"}), "no integer"),
            (json!({"amount": 5, "currency": null}), "no string"),
            (json!({"amount": 5, "currency": "GBP", "more": 1}), "which is not described"),
            (json!([]), "no object"),
        ] {
            let flaw = flaw("Money", &wrong).unwrap_or_default();
            assert!(flaw.contains(why), "{wrong}: {flaw}");
        }
        let attempt = json!({"number": 1, "state": "slept"});
        assert!(flaw("Attempt", &attempt).unwrap().contains("none of"));
        let refund = json!({"refund": null});
        assert!(flaw("RefundAnswer", &refund).unwrap().contains("has no \"order\""));
    }

    #[test]
    fn a_request_is_of_the_operation_with_the_nearest_path() {
        let route = |method, path| operation(method, path).map(|(route, _)| route);
        assert_eq!(route("GET", "/api/v1/orders?limit=5"), Some("/api/v1/orders"));
        assert_eq!(route("POST", "/api/v1/orders/1/pay"), Some("/api/v1/orders/{id}/pay"));
        assert_eq!(route("PATCH", "/api/v1/orders"), None);
        assert_eq!(route("GET", "/api/v1/orders/"), None);
        assert_eq!(route("GET", "/orders/1/2"), None);
    }

    #[test]
    #[should_panic(expected = "has no such answer")]
    fn an_answer_that_is_not_described_is_found() {
        check("GET", "/api/v1/events", 418, b"{}");
    }

    #[test]
    #[should_panic(expected = "no such code")]
    fn a_code_that_is_not_described_is_found() {
        let problem = json!({
            "code": "sold_out", "detail": "", "money_moved": "no", "status": 400, "title": "",
            "type": "/problems/sold_out",
        });
        check("GET", "/api/v1/events", 400, problem.to_string().as_bytes());
    }
}
