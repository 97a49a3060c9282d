//! The query of an address: which parameters a route takes stands in the list of routes.
//!
//! Programs that send another parameter of the API are told, for it would filter nothing. Pages pass over
//! what they do not know: people share links to which others have added something.

use super::problem::Problem;
use super::site::Site;
use crate::text::cut;
use axum::extract::{FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The parameters of a request.
pub struct Query(Vec<(String, String)>);

impl FromRequestParts<Arc<Site>> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Site>) -> Result<Query, Infallible> {
        Ok(Query::read(parts.uri.query()))
    }
}

impl Query {
    fn read(query: Option<&str>) -> Query {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Query(pairs.into_owned().collect())
    }

    /// What a parameter says; `None` if it is not there, or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// The parameters that say something, but for these.
    pub fn others(&self, but: &[&str]) -> Vec<(&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, value)| !value.is_empty() && !but.contains(name)).collect()
    }

    /// What a parameter says that is a number in this range.
    pub fn number(&self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        number.map(Some).ok_or_else(|| {
            Problem::invalid(format!("{name} in the query is a number, {least} to {most}."))
        })
    }

    /// What a parameter says that is `true` or `false`; false if it is not there.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(format!("{name} in the query is true or false."))),
        }
    }
}

/// Why the query of a request is refused, if it is: a route of the API takes each parameter that it knows
/// once, and no other. `route` is the path with its parameters in braces.
pub(super) fn refusal(site: &Site, request: &Request, route: &str) -> Option<Problem> {
    let query = request.uri().query().filter(|query| !query.is_empty())?;
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let described = site.routes.one(route, method)?;
    route.starts_with("/api/").then(|| check(query, &described.query))?
}

fn check(query: &str, known: &[&str]) -> Option<Problem> {
    let names: Vec<String> = Query::read(Some(query)).0.into_iter().map(|(name, _)| name).collect();
    if let Some(other) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let takes = match known {
            [] => "This address takes none".into(),
            known => format!("This address takes {}", known.join(" and ")),
        };
        return Some(Problem::invalid(format!(
            "“{}” is no query parameter here. {takes}. Nothing was done.",
            cut(other)
        )));
    }
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    twice.map(|(_, name)| {
        Problem::invalid(format!("“{name}” is twice in the query. Nothing was done."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_route_does_not_take_is_refused_by_name() {
        let told = |query: &str, known: &[&str]| check(query, known).map(|p| p.detail);
        let list = ["after", "limit"];
        for fine in ["after=&limit=5", "limit=5", "after=x", "&", ""] {
            assert_eq!(told(fine, &list), None, "{fine}");
        }
        let email = told("limit=5&email=nobody%40example.org", &list).unwrap();
        assert_eq!(
            email,
            "“email” is no query parameter here. This address takes after and limit. Nothing was done."
        );
        for (query, words) in [
            ("limit=5&limit=6", "“limit” is twice"),
            ("Limit=5", "“Limit” is no"),
            ("=5", "“” is no"),
            ("state", "“state” is no"),
        ] {
            let told = told(query, &list).unwrap();
            assert!(told.contains(words), "{query}: {told}");
        }
        assert!(told("x=1", &[]).unwrap().contains("takes none"));
        assert!(told(&"x".repeat(9_000), &[]).unwrap().len() < 300);
    }

    #[test]
    fn an_empty_parameter_is_none_and_a_number_stays_in_its_range() {
        let query = Query::read(Some("after=&limit=500&over=true&bad=x&low=0"));
        assert_eq!((query.get("after"), query.get("none")), (None, None));
        assert_eq!(query.number("limit", 1..=500).ok(), Some(Some(500)));
        assert!(query.number("limit", 1..=499).is_err());
        assert!(query.number("low", 1..=9).is_err() && query.number("bad", 0..=9).is_err());
        assert_eq!(query.number("none", 1..=9).ok(), Some(None));
        assert_eq!((query.flag("over").ok(), query.flag("none").ok()), (Some(true), Some(false)));
        assert!(query.flag("bad").is_err());
    }
}
