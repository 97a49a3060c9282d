//! The rules of ticket types and the codes of events in their columns: JSON, and an empty text where there
//! are none.

use super::records::{Field, Kind, Value};
use boxoffice::{CodeSpec, CounterKind, Discount, PhaseSpec, TypeRules};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opens_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closes_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    phases: Vec<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vat: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    name: String,
    price_minor: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
    uses: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    opens: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("numbers and texts are JSON")
}

/// The rules of a ticket type as they are stored.
pub(super) fn rules_text(rules: &TypeRules) -> String {
    if *rules == TypeRules::default() {
        return String::new();
    }
    let phase = |phase: &PhaseSpec| Phase {
        name: phase.name.clone(),
        price_minor: phase.price_minor,
        until_ms: phase.until_ms,
        capacity: phase.capacity,
    };
    json(&Rules {
        hidden: rules.hidden,
        opens_ms: rules.sale_opens_ms,
        closes_ms: rules.sale_closes_ms,
        capacity: rules.capacity,
        phases: rules.phases.iter().map(phase).collect(),
        vat: rules.vat,
    })
}

/// The rules again; `None` if these are none.
pub(super) fn rules_of(text: &str) -> Option<TypeRules> {
    if text.is_empty() {
        return Some(TypeRules::default());
    }
    let rules: Rules = serde_json::from_str(text).ok()?;
    let phase = |phase: Phase| PhaseSpec {
        name: phase.name,
        price_minor: phase.price_minor,
        until_ms: phase.until_ms,
        capacity: phase.capacity,
    };
    Some(TypeRules {
        hidden: rules.hidden,
        sale_opens_ms: rules.opens_ms,
        sale_closes_ms: rules.closes_ms,
        capacity: rules.capacity,
        phases: rules.phases.into_iter().map(phase).collect(),
        vat: rules.vat,
    })
}

impl Field for Vec<CodeSpec> {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        if self.is_empty() {
            return Value::Text(String::new());
        }
        let codes = self.iter().map(|code| Code {
            code: code.code.clone(),
            uses: code.uses,
            opens: code.opens.clone(),
            percent: match code.discount {
                Some(Discount::Percent(percent)) => Some(percent),
                _ => None,
            },
            minor: match code.discount {
                Some(Discount::Minor(minor)) => Some(minor),
                _ => None,
            },
            types: code.ticket_types.clone(),
            from_ms: code.valid_from_ms,
            until_ms: code.valid_until_ms,
        });
        Value::Text(json(&codes.collect::<Vec<_>>()))
    }

    fn read(value: Value) -> Option<Vec<CodeSpec>> {
        let text = String::read(value)?;
        if text.is_empty() {
            return Some(Vec::new());
        }
        let codes: Vec<Code> = serde_json::from_str(&text).ok()?;
        let code = |code: Code| {
            let discount = match (code.percent, code.minor) {
                (None, None) => None,
                (Some(percent), None) => Some(Discount::Percent(percent)),
                (None, Some(minor)) => Some(Discount::Minor(minor)),
                (Some(_), Some(_)) => return None,
            };
            Some(CodeSpec {
                code: code.code,
                uses: code.uses,
                opens: code.opens,
                discount,
                ticket_types: code.types,
                valid_from_ms: code.from_ms,
                valid_until_ms: code.until_ms,
            })
        };
        codes.into_iter().map(code).collect()
    }
}

/// What a row of the table `pools` counts, as a number; 0 is a pool.
pub(super) fn kind_number(kind: CounterKind) -> i64 {
    let at = CounterKind::ALL.iter().position(|known| *known == kind);
    at.expect("a kind is one of them") as i64 + 1
}

/// A kind again; `Some(None)` is a pool.
pub(super) fn kind_of(number: i64) -> Option<Option<CounterKind>> {
    match usize::try_from(number).ok()? {
        0 => Some(None),
        n => CounterKind::ALL.get(n - 1).map(|kind| Some(*kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_an_empty_text() {
        assert_eq!(rules_text(&TypeRules::default()), "");
        let phase = PhaseSpec {
            name: "Early".into(),
            price_minor: 5,
            until_ms: Some(-3),
            capacity: Some(50),
        };
        let rules = TypeRules {
            hidden: true,
            sale_opens_ms: Some(1),
            sale_closes_ms: Some(i64::MAX),
            capacity: Some(0),
            phases: vec![phase.clone(), PhaseSpec { until_ms: None, ..phase }],
            vat: Some(0),
        };
        assert_eq!(rules_of(&rules_text(&rules)), Some(rules));
        assert_eq!(rules_of("{"), None);
        assert_eq!(rules_of(r#"{"more":1}"#), None, "of a newer version");

        let code = |discount| CodeSpec {
            code: "A-1_B".into(),
            uses: 7,
            opens: vec!["x \"y\"".into()],
            discount,
            ticket_types: vec![],
            valid_from_ms: None,
            valid_until_ms: Some(9),
        };
        let discounts = [None, Some(Discount::Percent(100)), Some(Discount::Minor(1))];
        let codes: Vec<CodeSpec> = discounts.map(code).into();
        assert_eq!(Field::read(codes.value()), Some(codes));
        assert_eq!(Vec::<CodeSpec>::new().value(), Value::Text(String::new()));
        assert_eq!(<Vec<CodeSpec> as Field>::read(Value::Text("x".into())), None);

        for kind in CounterKind::ALL {
            assert_eq!(kind_of(kind_number(kind)), Some(Some(kind)));
        }
        assert_eq!((kind_of(0), kind_of(4), kind_of(-1)), (Some(None), None, None));
    }
}
