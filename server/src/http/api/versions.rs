//! Versions of what is read: `ETag`, and the conditions of requests that name it (RFC 9110, section 13).
//!
//! The tag of an event has two parts, with a full stop between: the version of what its organiser says of it, and a
//! digest of what is shown of it, counts included. The first is what `If-Match` compares, so a sale is in nobody's way;
//! the whole is what `If-None-Match` compares, so whoever reads hears of each sale.

use crate::app::App;
use crate::event_body;
use crate::http::page::is_known;
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::view::{self, Viewer};
use crate::ids::digest;
use crate::sales::SaleError;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::{Event, EventSpec, Refusal, TimeMs};
use bytes::Bytes;
use nts_api as wire;
use std::sync::Arc;
use tokio::time::Duration;

/// How long what another process may just have committed is waited for.
pub(in crate::http) const FRESH: Duration = Duration::from_secs(2);

/// What was made of something for those who read it, with its tag.
pub struct Tagged {
    json: Bytes,
    tag: HeaderValue,
}

impl Tagged {
    /// This answer, whose version does not change with the moment `as_of`. `first` is the first part of its tag.
    pub fn of(answer: &impl serde::Serialize, as_of: &str, first: Option<&str>) -> Tagged {
        let json = view::json(answer);
        let text = std::str::from_utf8(&json).unwrap_or_default();
        let rest = match as_of {
            "" => vec![text.as_bytes()],
            as_of => text.split(as_of).map(str::as_bytes).collect(),
        };
        let rest = digest(&rest);
        let tag = match first {
            Some(first) => format!("\"{first}.{rest:032x}\""),
            None => format!("\"{rest:032x}\""),
        };
        let tag = HeaderValue::from_str(&tag).expect("digests in quotation marks");
        Tagged { json, tag }
    }

    /// The answer to a request with these headers: itself, or that it is known already.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = (header::ETAG, self.tag.clone());
        if is_known(headers, self.tag.to_str().unwrap_or_default()) {
            return (StatusCode::NOT_MODIFIED, [tag], Body::empty()).into_response();
        }
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ([kind, tag], Bytes::clone(&self.json)).into_response()
    }
}

/// An event as it is told, with its tag.
pub(in crate::http) fn event(app: &App, event: &Event, told: &wire::Event<'_>) -> Tagged {
    Tagged::of(told, &told.as_of, Some(&event_body::version(&app.secrets, &event.spec)))
}

/// The tag of an event as its organiser sees it.
pub(in crate::http) fn etag(app: &App, event: &Event, now: TimeMs) -> (HeaderName, HeaderValue) {
    let told = view::event(event, Viewer::Organiser, now, now);
    (header::ETAG, self::event(app, event, &told).tag)
}

/// Under which condition an event is to be made or changed.
pub(in crate::http) enum Condition {
    /// Under none.
    None,
    /// It is not there yet: `If-None-Match: *`.
    New,
    /// It is as it was seen: `If-Match`.
    Seen(Versions),
}

/// Versions that somebody has seen.
pub(in crate::http) enum Versions {
    /// Whichever: it is there.
    Any,
    /// One of these.
    Some(Vec<String>),
}

impl Versions {
    fn matches(&self, version: &str) -> bool {
        match self {
            Versions::Any => true,
            Versions::Some(seen) => seen.iter().any(|seen| seen == version),
        }
    }
}

impl Condition {
    /// RFC 9110, sections 13.1.1 and 13.1.2, as far as they are of use here.
    pub fn read(headers: &HeaderMap) -> Result<Condition, Problem> {
        let list = |name| -> Option<Vec<&str>> {
            let values = headers.get_all(name).iter();
            let lists = values.map(|value| value.to_str().unwrap_or_default());
            let all: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
            (!all.is_empty()).then_some(all)
        };
        match (list(header::IF_MATCH), list(header::IF_NONE_MATCH)) {
            (None, None) => Ok(Condition::None),
            (Some(seen), None) if seen == ["*"] => Ok(Condition::Seen(Versions::Any)),
            (Some(seen), None) => {
                let version = |tag: &&str| {
                    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
                    Some(tag.split('.').next().unwrap_or_default().to_owned())
                };
                Ok(Condition::Seen(Versions::Some(seen.iter().filter_map(version).collect())))
            }
            (None, Some(none)) if none == ["*"] => Ok(Condition::New),
            _ => Err(Problem::invalid(
                "Send If-Match with the ETag that GET of the event has told, or If-None-Match: * to make a new \
                 event. Nothing was changed.",
            )),
        }
    }

    /// The versions that an event which is there must have; `None`: it may have any.
    pub fn of_known(headers: &HeaderMap) -> Result<Option<Versions>, Problem> {
        match Condition::read(headers)? {
            Condition::None => Ok(None),
            Condition::Seen(versions) => Ok(Some(versions)),
            Condition::New => Err(Problem::invalid(
                "If-None-Match: * is for an event that is not there yet. Send If-Match, or neither. Nothing was \
                 changed.",
            )),
        }
    }
}

/// What is known of an event that has one of these versions: what is decided on it, the writer compares once more. An
/// event that another process has just changed is looked for.
pub(in crate::http) async fn seen(
    app: &Site,
    event: &Arc<Event>,
    versions: &Versions,
) -> Result<EventSpec, SaleError> {
    let fits = |event: &Event| versions.matches(&event_body::version(&app.secrets, &event.spec));
    if fits(event) {
        return Ok(event.spec.clone());
    }
    if app.catalogue.is_shared() {
        Box::pin(app.catalogue.fresh(FRESH)).await;
        if let Some(event) = app.catalogue.event_by_id(event.id).filter(|event| fits(event)) {
            return Ok(event.spec.clone());
        }
    }
    Err(SaleError::Refused(Refusal::EventDiffers))
}

/// What an event must still be that is to be changed, if the request names a version.
pub(in crate::http) async fn condition(
    app: &Site,
    event: &Arc<Event>,
    headers: &HeaderMap,
) -> Result<Option<EventSpec>, Problem> {
    match Condition::of_known(headers)? {
        None => Ok(None),
        Some(versions) => Ok(Some(seen(app, event, &versions).await?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(answer: &serde_json::Value, as_of: &str, first: Option<&str>) -> String {
        Tagged::of(answer, as_of, first).tag.to_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_tag_follows_what_is_shown_and_not_the_moment() {
        let told = |as_of: &str, left: u32| serde_json::json!({"as_of": as_of, "left": left});
        let first = tag(&told("2030-01-01T00:00:00Z", 5), "2030-01-01T00:00:00Z", Some("v"));
        let later = tag(&told("2030-01-01T00:00:01.5Z", 5), "2030-01-01T00:00:01.5Z", Some("v"));
        assert_eq!(first, later);
        assert!(first.starts_with("\"v.") && first.ends_with('"'), "{first}");
        assert_ne!(first, tag(&told("2030-01-01T00:00:00Z", 4), "2030-01-01T00:00:00Z", Some("v")));
        assert_ne!(first, tag(&told("2030-01-01T00:00:00Z", 5), "2030-01-01T00:00:00Z", None));
    }

    #[test]
    fn a_condition_names_versions_and_not_what_is_sold() {
        let read = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).expect("a header");
            Condition::read(&HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
        };
        let seen = |value: &str, version: &str| match read("if-match", value) {
            Ok(Condition::Seen(versions)) => versions.matches(version),
            _ => panic!("{value}"),
        };
        for (value, version, fits) in [
            ("\"v1.aa\"", "v1", true),
            ("\"v1.bb\"", "v1", true),
            ("\"v1\"", "v1", true),
            ("\"v0.aa\", \"v1.aa\"", "v1", true),
            ("*", "v1", true),
            ("\"v2.aa\"", "v1", false),
            // A weak tag is never the same (RFC 9110, 8.8.3.2).
            ("W/\"v1.aa\"", "v1", false),
            ("v1", "v1", false),
            ("\"\"", "v1", false),
        ] {
            assert_eq!(seen(value, version), fits, "{value}");
        }
        assert!(matches!(read("if-none-match", "*"), Ok(Condition::New)));
        assert!(read("if-none-match", "\"v1\"").is_err());
    }
}
