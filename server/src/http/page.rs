//! The frame of every page, and problems as pages.

use crate::app::App;
use crate::http::problem::Problem;
use crate::http::speaks::here;
use crate::language::Lang;
use crate::when;
use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use boxoffice::{Event, EventSpec, TimeMs};

/// What the frame around every page must know.
pub struct Frame {
    /// The language of the page.
    pub lang: Lang,
    /// Says that no real money moves, if so.
    pub test_mode: Option<&'static str>,
}

impl Frame {
    /// The frame of this server's pages, in the language of the request.
    pub fn of(app: &App) -> Frame {
        let lang = here();
        let test_mode = match (&app.sandbox, app.sales.is_live()) {
            (Some(_), _) => Some("Test mode: no real money moves."),
            (None, false) => Some("Stripe in test mode: no real money moves."),
            (None, true) => None,
        };
        Frame { lang, test_mode }
    }
}

/// A page from a template.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A time in the zone of the event. The zone is named, and `nts.js` takes its name away where it is the
/// reader's own.
#[derive(Template)]
#[template(
    source = "<time datetime=\"{{ rfc }}\"{% if near %} data-near{% endif %}>{{ text }}</time><span data-zone=\"{{ zone }}\"> {{ place }}</span>",
    ext = "html"
)]
#[derive(Clone)]
pub struct Moment {
    rfc: String,
    text: String,
    zone: String,
    place: String,
    /// Whether it is about now: then `nts.js` tells it by the reader's own clock.
    near: bool,
}

impl Moment {
    /// When an event is: with its end, if its organiser has named one.
    pub fn of(spec: &EventSpec) -> Moment {
        let text = match spec.ends_ms {
            Some(ends_ms) => when::span(spec.starts_ms, ends_ms, &spec.zone),
            None => when::long(spec.starts_ms, &spec.zone),
        };
        Moment::told(spec.starts_ms, &spec.zone, text)
    }

    /// `Sat 5 June 2027, 20:00 in London`.
    pub fn short(ms: TimeMs, zone: &str) -> Moment {
        Moment::told(ms, zone, when::short(ms, zone))
    }

    /// What ends soon: `20:15 in London`.
    pub fn end(ms: TimeMs, now: TimeMs, zone: &str) -> Moment {
        Moment { near: true, ..Moment::told(ms, zone, when::end(ms, now, zone)) }
    }

    /// When something was read: `20:15:02 in London`.
    pub fn clock(ms: TimeMs, zone: &str) -> Moment {
        Moment { near: true, ..Moment::told(ms, zone, when::clock(ms, zone)) }
    }

    fn told(ms: TimeMs, zone: &str, text: String) -> Moment {
        let place = when::place_of_zone(ms, zone);
        Moment { rfc: when::rfc3339(ms), text, zone: zone.to_owned(), place, near: false }
    }

    /// The same as plain text.
    pub fn in_words(&self) -> String {
        format!("{} {}", self.text, self.place)
    }
}

/// The paragraphs of a text, each with its lines.
pub fn paragraphs(text: &str) -> Vec<Vec<String>> {
    let lines = |paragraph: &str| paragraph.lines().map(|line| line.trim().to_owned()).collect();
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs.map(|paragraph| lines(paragraph.trim_matches('\n'))).collect()
}

/// A text with the times in it as people write them: problems tell programs a time as RFC 3339 writes it,
/// in UTC, and people read it in this zone.
pub(in crate::http) fn times_in_words(text: &str, now: TimeMs, zone: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, word) in text.split(' ').enumerate() {
        let bare = word.trim_end_matches(['.', ',', ';', ':', ')']);
        let time = bare.ends_with('Z').then(|| when::parse(bare).ok()).flatten();
        let Some(ms) = time else {
            out.push_str(if at > 0 { " " } else { "" });
            out.push_str(word);
            continue;
        };
        let told = Moment::end(ms, now, zone);
        // A day is not `at`.
        if told.text.contains(' ') && out.ends_with(" at") {
            out.truncate(out.len() - "at".len());
            out.push_str("on");
        }
        out.push_str(if at > 0 { " " } else { "" });
        out.push_str(&told.in_words());
        out.push_str(&word[bare.len()..]);
    }
    out
}

/// A problem told as a page.
pub struct PageProblem {
    problem: Problem,
    /// The zone in which its times are told.
    zone: String,
    /// Where to go on: an address, and what is there.
    back: Option<(String, String)>,
}

impl<P: Into<Problem>> From<P> for PageProblem {
    fn from(problem: P) -> PageProblem {
        PageProblem { problem: problem.into(), zone: "UTC".into(), back: None }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    /// Whether money moved, where that is the question.
    money: Option<&'static str>,
    back: Option<(String, String)>,
    /// In how many seconds the page asks again by itself.
    refresh: Option<u32>,
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        self.page(None)
    }
}

impl PageProblem {
    /// The same with the way back to the page of this event.
    pub(in crate::http) fn back_to_event(mut self, event: &Event) -> PageProblem {
        let name = format!("Back to {}", event.spec.name);
        self.back = Some((format!("/events/{}", event.spec.slug), name));
        self.zone.clone_from(&event.spec.zone);
        self
    }

    /// The same with its times told in this zone.
    pub(in crate::http) fn in_zone(mut self, zone: &str) -> PageProblem {
        zone.clone_into(&mut self.zone);
        self
    }

    /// The same with the way back to this page.
    pub(in crate::http) fn back_to(mut self, path: String, name: &str) -> PageProblem {
        self.back = Some((path, name.to_owned()));
        self
    }

    /// The page; `refresh`: in so many seconds it asks again by itself.
    pub(in crate::http) fn page(self, refresh: Option<u32>) -> Response {
        let PageProblem { problem, zone, back } = self;
        let money = problem.money_words();
        let detail = &times_in_words(&problem.detail, 0, &zone);
        let title = &problem.title;
        let html = page(&ProblemPage {
            frame: Frame { lang: here(), test_mode: None },
            title,
            detail,
            money,
            back,
            refresh,
        });
        // The status and the headers are those that a program gets.
        let (mut parts, _) = problem.into_response().into_parts();
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::WWW_AUTHENTICATE);
        let (html_parts, body) = html.into_parts();
        parts.headers.extend(html_parts.headers);
        Response::from_parts(parts, body)
    }
}

/// A problem as JSON or as a page, whichever fits who asks.
pub fn problem_for(path: &str, headers: &HeaderMap, problem: Problem) -> Response {
    if for_programs(path, headers) {
        problem.into_response()
    } else {
        PageProblem::from(problem).into_response()
    }
}

/// A page, or a problem told as one.
pub(in crate::http) type Page = Result<Response, PageProblem>;

/// Whether a path is one for programs.
pub fn for_programs(path: &str, headers: &HeaderMap) -> bool {
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    path.starts_with("/api/") || (!wants_page && path.starts_with("/metrics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_a_text_are_told_in_the_zone_of_the_event() {
        let now = when::parse("2026-11-29T02:00:00Z").unwrap();
        let told = |text: &str| times_in_words(text, now, "Asia/Tokyo");
        for (text, words) in [
            ("It closed at 2026-11-29T02:55:35Z.", "It closed at 11:55 in Tokyo."),
            ("Until 2026-11-29T03:06:12.559Z, or so", "Until 12:06 in Tokyo, or so"),
            (
                "It opens at 2026-11-30T02:55:35Z.",
                "It opens on Mon 30 November 2026, 11:55 in Tokyo.",
            ),
            ("2026-11-29T15:00:00Z", "Mon 30 November 2026, 00:00 in Tokyo"),
            ("No time  here, Z. and at", "No time  here, Z. and at"),
            ("", ""),
        ] {
            assert_eq!(told(text), words);
        }
    }
}
