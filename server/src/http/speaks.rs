//! The language of a request: `?lang=`, else what the browser remembers, else what it asks for
//! (`Accept-Language`), else English.
//!
//! Handlers take [`Lang`] as an extractor and pass it on. A refusal becomes a problem in conversions that take
//! no argument, so those find the language by [`here`]: it is a value of the task that answers the request.

use super::auth::is_office;
use super::cookies;
use super::site::Site;
use crate::app::App;
use crate::language::Lang;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use std::convert::Infallible;
use std::sync::Arc;

/// The cookie that remembers what was chosen.
const COOKIE: &str = "nts_lang";

/// For so long, in seconds: a year.
const REMEMBERED_S: i64 = 31_536_000;

/// So much of `Accept-Language` is looked at, in bytes. Browsers send less than a hundred.
const LOOKED_AT: usize = 1_000;

/// What a task that answers a request knows of it.
struct Here {
    lang: Lang,
    /// The address of the page, if it is one that can be opened again.
    address: Option<Uri>,
}

tokio::task_local! {
    static HERE: Here;
}

/// The language of the request that is being answered; English where none is.
pub(super) fn here() -> Lang {
    HERE.try_with(|here| here.lang).unwrap_or_default()
}

/// The query that asks for the page that is being answered in another language, the rest of its query as it is.
/// `None` for what cannot be opened again: the answer to a form.
pub(super) fn query_in(lang: Lang) -> Option<String> {
    let query = HERE.try_with(|here| Some(here.address.as_ref()?.query().unwrap_or("").to_owned()));
    let query = query.ok().flatten()?;
    let others = query.split('&').filter(|one| !one.is_empty() && !one.starts_with("lang="));
    let mut all: Vec<&str> = others.collect();
    let chosen = format!("lang={}", lang.tag());
    all.push(&chosen);
    Some(format!("?{}", all.join("&")))
}

/// Answers a request in the language that it asks for.
pub(super) async fn speaking<F: Future>(
    asked: Asked,
    address: Option<Uri>,
    answer: F,
) -> F::Output {
    HERE.scope(Here { lang: asked.lang, address }, answer).await
}

impl FromRequestParts<Arc<Site>> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &Arc<Site>) -> Result<Lang, Infallible> {
        Ok(here())
    }
}

/// In which language a request is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    /// The language.
    pub lang: Lang,
    /// Whether the address says so, of a page that somebody opens: then the browser remembers it.
    pub chosen: bool,
}

impl Asked {
    /// Programs say it with `Accept-Language` alone. The old routes are in English, for scripts read their pages, and
    /// so is the office.
    pub(super) fn of(app: &App, request: &Request) -> Asked {
        let tests = app.sandbox.is_some();
        let (path, headers) = (request.uri().path(), request.headers());
        if path.starts_with("/nts/") || is_office(path) {
            return Asked { lang: Lang::En, chosen: false };
        }
        if !path.starts_with("/api/") {
            if let Some(lang) = named(request.uri().query(), tests) {
                return Asked { lang, chosen: request.method() == Method::GET };
            }
            if let Some(lang) = cookies::values(headers, COOKIE).find_map(|tag| known(tag, tests)) {
                return Asked { lang, chosen: false };
            }
        }
        Asked { lang: accepted(headers, tests).unwrap_or_default(), chosen: false }
    }

    /// Says in which language a page is and on what that depends, and has the browser remember what was chosen.
    pub(super) fn tell(self, app: &App, response: &mut Response) {
        let headers = response.headers_mut();
        let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if kind.starts_with(b"text/html") {
            let lang = HeaderValue::from_static(self.lang.tag());
            headers.insert(header::CONTENT_LANGUAGE, lang);
            let on = HeaderValue::from_static("accept-language, cookie");
            headers.entry(header::VARY).or_insert(on);
        }
        if self.chosen {
            cookies::set(app, response, (COOKIE, self.lang.tag(), "/"), REMEMBERED_S);
        }
    }
}

/// `tests`: the language of the tests counts as one.
fn known(tag: &str, tests: bool) -> Option<Lang> {
    let pseudo = tests && tag.eq_ignore_ascii_case(Lang::Pseudo.tag());
    if pseudo { Some(Lang::Pseudo) } else { Lang::parse(tag) }
}

/// What the query of an address chooses. What is no language of ours is passed over.
fn named(query: Option<&str>, tests: bool) -> Option<Lang> {
    let query = query.filter(|query| query.contains("lang="))?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, tag)| known(&tag, tests).filter(|_| name == "lang"))
}

/// The language that somebody prefers who is not asked, or that is filled in before somebody chooses another.
pub(super) fn preferred(headers: &HeaderMap) -> Lang {
    accepted(headers, false).unwrap_or_default()
}

/// What somebody prefers of that which nts speaks: the highest weight, and of equals the first (RFC 9110,
/// section 12.5.4). A language of a region counts as the language (RFC 4647, section 3.4).
fn accepted(headers: &HeaderMap, tests: bool) -> Option<Lang> {
    let mut best: Option<(u16, Lang)> = None;
    let values = headers.get_all(header::ACCEPT_LANGUAGE).iter();
    for range in values.filter_map(text).flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let language = tag.split('-').next().unwrap_or_default();
        let lang = known(tag, tests).or_else(|| Lang::parse(language));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let (Some(lang), Some(weight)) = (lang, weight.map_or(Some(1_000), thousandths)) else {
            continue;
        };
        if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, lang));
        }
    }
    best.map(|(_, lang)| lang)
}

/// The beginning of a header that is text.
fn text(value: &HeaderValue) -> Option<&str> {
    let value = value.to_str().ok()?;
    // Visible ASCII: every byte is a character.
    Some(&value[..value.len().min(LOOKED_AT)])
}

/// A weight in thousandths: `1`, `0.5`, `0.333`. `None` if it is none (RFC 9110, section 12.4.2).
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = decimals.bytes().all(|b| b.is_ascii_digit()) && decimals.len() <= 3;
    if !digits || !matches!(whole, "0" | "1") {
        return None;
    }
    let padded = decimals.bytes().chain([b'0'; 3]).take(3);
    let decimals = padded.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(decimals),
        _ => (decimals == 0).then_some(1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(value: &str) -> Option<Lang> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
        accepted(&headers, false)
    }

    #[test]
    fn the_highest_weight_of_what_is_spoken_wins() {
        for (value, lang) in [
            ("de", Some(Lang::De)),
            ("DE-at", Some(Lang::De)),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Some(Lang::Fr)),
            ("nl, de;q=0.5, es;q=0.51", Some(Lang::Es)),
            ("en;q=0, fr;q=0.001", Some(Lang::Fr)),
            ("es;q=0.5,de;q=0.5", Some(Lang::Es)),
            ("de;q=0", None),
            ("de ; q=0.3 , fr ; Q=0.2", Some(Lang::De)),
            ("zh-Hant-TW", None),
            ("*", None),
            ("", None),
            (",;,;q=,de;q=2,fr;q=0.1234,es;q=x,en;q=1.5", None),
            ("\u{e4}\u{f6}, de", None),
            ("en-XA", Some(Lang::En)),
        ] {
            assert_eq!(accepts(value), lang, "{value}");
        }
    }

    #[test]
    fn a_very_long_header_is_looked_at_as_far_as_browsers_write_it() {
        assert_eq!(accepts(&format!("fr;q=0.1,{}de", "xx,".repeat(100_000))), Some(Lang::Fr));
        assert_eq!(accepts(&"-".repeat(100_000)), None);
        assert_eq!(accepts(&"q".repeat(100_000)), None);
    }

    #[test]
    fn the_address_names_a_language_that_is_spoken_or_none() {
        for (query, lang) in [
            ("lang=de", Some(Lang::De)),
            ("new&lang=FR&x=1", Some(Lang::Fr)),
            ("lang=xx&lang=es", Some(Lang::Es)),
            ("lang=", None),
            ("lang", None),
            ("xlang=de", None),
            ("lang=en-XA", None),
            ("lang=%64%65", Some(Lang::De)),
            ("lang=%ff%00", None),
        ] {
            assert_eq!(named(Some(query), false), lang, "{query}");
        }
        assert_eq!(named(None, true), None);
        assert_eq!(named(Some("lang=en-xa"), true), Some(Lang::Pseudo));
    }
}
