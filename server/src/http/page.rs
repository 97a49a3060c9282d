//! The frame of every page, and problems as pages.

use crate::app::App;
use crate::http::assets::{script_name, style_path};
use crate::http::door::is_for_scripts;
use crate::http::problem::Problem;
use crate::http::shop::about::picture_path;
use crate::http::speaks::{here, query_in};
use crate::language::format::Style;
use crate::language::{Lang, Words};
use crate::text::capital;
use crate::when;
use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use boxoffice::{Event, EventSpec, TimeMs};
use serde::Serialize;

/// What the frame around every page must know.
pub struct Frame {
    /// The language of the page.
    pub lang: Lang,
    /// Says that no real money moves, if so.
    pub test_mode: Option<Words>,
    /// The address of this page in each language; none where there is no choice.
    pub languages: Vec<Choice>,
    /// What every page shows of the shop.
    pub shop: ShopFrame,
}

/// What every page shows of the shop.
#[derive(Clone, Default)]
pub struct ShopFrame {
    /// Its name; empty: none of its own.
    pub name: String,
    /// Its colour as `5a2a83`; empty: that of the pages.
    accent: String,
    /// The address of its logo, and what is told of it.
    pub logo: Option<(String, String)>,
    /// Whether it has these texts.
    pub imprint: bool,
    /// See there.
    pub terms: bool,
    /// See there.
    pub privacy: bool,
}

impl ShopFrame {
    fn of(app: &App) -> ShopFrame {
        let known = app.shop.known();
        let row = &known.row;
        let alt = if row.logo_alt.is_empty() { &row.name } else { &row.logo_alt };
        ShopFrame {
            name: row.name.clone(),
            accent: row.accent.clone(),
            logo: row.logo.map(|id| (picture_path(id), alt.clone())),
            imprint: !row.imprint.is_empty(),
            terms: !row.terms.is_empty(),
            privacy: !row.privacy.is_empty(),
        }
    }

    /// The style sheet of every page.
    pub fn style(&self) -> String {
        style_path(&self.accent)
    }
}

/// A language that can be chosen.
pub struct Choice {
    /// The language.
    pub lang: Lang,
    /// The address of the page in it.
    pub address: String,
    /// Whether the page is in it now.
    pub chosen: bool,
}

impl Frame {
    /// The frame of this server's pages, in the language of the request.
    pub fn of(app: &App) -> Frame {
        Frame::speaking(here(), app)
    }

    /// The frame of a page that is in English whatever the request says: scripts read it.
    pub fn english(app: &App) -> Frame {
        Frame { languages: Vec::new(), ..Frame::speaking(Lang::En, app) }
    }

    fn speaking(lang: Lang, app: &App) -> Frame {
        let test_mode = match (&app.sandbox, app.sales.is_live()) {
            (Some(_), _) => Some(lang.test_mode()),
            (None, false) => Some(lang.stripe_test_mode()),
            (None, true) => None,
        };
        let shop = ShopFrame::of(app);
        Frame { lang, test_mode, languages: choices(lang, query_in), shop }
    }

    /// The frame of the page at this path, whatever was sent to whom: of the answer to a form, and of a page that
    /// many get.
    pub fn at(mut self, path: &str) -> Frame {
        let address = |lang: Lang| Some(format!("{path}?lang={}", lang.tag()));
        self.languages = choices(self.lang, address);
        self
    }

    /// Whether the page is in English. What is in English on every page says so on the others.
    pub fn is_english(&self) -> bool {
        self.lang == Lang::En
    }

    /// The script of the page, which writes in its language.
    pub fn script(&self) -> String {
        format!("/assets/{}", script_name(self.lang))
    }

    /// A text as HTML, in which what stands in backticks is code, and what stands in asterisks is strong.
    pub fn rich(&self, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        let mut html = String::with_capacity(text.len() + 32);
        let mut open = [false; 2];
        for c in text.chars() {
            let Some(at) = ['`', '*'].iter().position(|mark| *mark == c) else {
                escape(c, &mut html);
                continue;
            };
            html.push_str(
                [["<code>", "</code>"], ["<strong>", "</strong>"]][at][usize::from(open[at])],
            );
            open[at] = !open[at];
        }
        html
    }
}

fn choices(now: Lang, address: impl Fn(Lang) -> Option<String>) -> Vec<Choice> {
    let choice = |lang: Lang| Some(Choice { lang, address: address(lang)?, chosen: lang == now });
    Lang::ALL.into_iter().filter_map(choice).collect()
}

/// Words of a script as JSON for an attribute in single quotation marks: those of JSON need no escapes in it.
pub fn attribute(words: &impl Serialize) -> String {
    let json = serde_json::to_string(words).expect("words are JSON");
    json.replace('&', "&amp;").replace('\'', "&#39;").replace('<', "&lt;")
}

/// A text as HTML.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| escape(c, &mut html));
    html
}

/// A character as HTML.
fn escape(c: char, html: &mut String) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        c => html.push(c),
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
    /// Whether the text names a day.
    day: bool,
}

/// Stands in a sentence where a time is put as HTML.
const TIME: &str = "\u{1}";

impl Moment {
    /// When an event is: with its end, if its organiser has named one.
    pub fn of(lang: Lang, spec: &EventSpec) -> Moment {
        let text = lang.event_time(spec.starts_ms, spec.ends_ms, &spec.zone);
        Moment::told(lang, spec.starts_ms, &spec.zone, text)
    }

    /// `Sat 5 June 2027, 20:00 in London`.
    pub fn short(lang: Lang, ms: TimeMs, zone: &str) -> Moment {
        Moment::told(lang, ms, zone, lang.moment(ms, zone, Style::Short))
    }

    /// The same at the begin of a line.
    pub fn capital(self) -> Moment {
        Moment { text: capital(&self.text), ..self }
    }

    /// What ends soon: `20:15 in London`.
    pub fn end(lang: Lang, ms: TimeMs, now: TimeMs, zone: &str) -> Moment {
        let text = lang.end(ms, now, zone);
        let day = text != lang.moment(ms, zone, Style::Clock);
        Moment { near: true, day, ..Moment::told(lang, ms, zone, text) }
    }

    /// When something was read: `20:15:02 in London`.
    pub fn clock(lang: Lang, ms: TimeMs, zone: &str) -> Moment {
        let text = lang.moment(ms, zone, Style::ClockSeconds);
        Moment { near: true, day: false, ..Moment::told(lang, ms, zone, text) }
    }

    fn told(lang: Lang, ms: TimeMs, zone: &str, text: String) -> Moment {
        let place = lang.place_of_zone(ms, zone);
        let rfc = when::rfc3339(ms);
        Moment { rfc, text, zone: zone.to_owned(), place, near: false, day: true }
    }

    /// The same as plain text.
    pub fn in_words(&self) -> String {
        format!("{} {}", self.text, self.place)
    }

    /// Whether its text names a day, and not only a time of day.
    pub fn has_day(&self) -> bool {
        self.day
    }

    /// A sentence with this time in it, as HTML.
    pub fn within(&self, sentence: impl FnOnce(&str) -> Words) -> String {
        let sentence = sentence(TIME);
        let mut html = String::with_capacity(sentence.len() + 160);
        for c in sentence.chars() {
            if TIME.starts_with(c) {
                html.push_str(&self.to_string());
            } else {
                escape(c, &mut html);
            }
        }
        html
    }
}

/// A text with the times in it as people write them: problems tell programs a time as RFC 3339 writes it,
/// in UTC, and people read it in this zone.
pub(in crate::http) fn times_in_words(lang: Lang, text: &str, now: TimeMs, zone: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, word) in text.split(' ').enumerate() {
        out.push_str(if at > 0 { " " } else { "" });
        let (begin, word) = word.split_at(word.len() - word.trim_start_matches('(').len());
        out.push_str(begin);
        let bare = word.trim_end_matches(['.', ',', ';', ':', ')', '⟧', '\u{a0}']);
        let time = bare.ends_with('Z').then(|| when::parse(bare).ok()).flatten();
        let Some(ms) = time else {
            out.push_str(word);
            continue;
        };
        let told = Moment::end(lang, ms, now, zone);
        // A day is not `at`. The other languages have sentences in which both fit.
        if told.day && out.ends_with(" at ") {
            out.truncate(out.len() - "at ".len());
            out.push_str("on ");
        }
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
    back: Option<Box<(String, Words)>>,
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
    money: Option<Words>,
    back: Option<(String, Words)>,
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
        let name = self.problem.lang.back_to_event(&event.spec.name);
        self.back = Some(Box::new((format!("/events/{}", event.spec.slug), name)));
        self.zone.clone_from(&event.spec.zone);
        self
    }

    /// The same with its times told in this zone.
    pub(in crate::http) fn in_zone(mut self, zone: &str) -> PageProblem {
        zone.clone_into(&mut self.zone);
        self
    }

    /// The same with the way back to this page.
    pub(in crate::http) fn back_to(mut self, path: String, name: Words) -> PageProblem {
        self.back = Some(Box::new((path, name)));
        self
    }

    /// The page; `refresh`: in so many seconds it asks again by itself.
    pub(in crate::http) fn page(self, refresh: Option<u32>) -> Response {
        let PageProblem { problem, zone, back } = self;
        let money = problem.money_words();
        let lang = problem.lang;
        let detail = &times_in_words(lang, &problem.detail, 0, &zone);
        let title = &problem.title;
        let html = page(&ProblemPage {
            frame: Frame {
                lang,
                test_mode: None,
                languages: choices(lang, query_in),
                shop: ShopFrame::default(),
            },
            title,
            detail,
            money,
            back: back.map(|back| *back),
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

/// Whether a client says that it knows what has this tag (RFC 9110, 13.1.2): weak or not does not matter to whoever
/// reads.
pub(in crate::http) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let strong = tag.trim_start_matches("W/");
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let mut list = value.to_str().unwrap_or_default().split(',').map(str::trim);
        list.any(|one| one == "*" || one.trim_start_matches("W/") == strong)
    })
}

/// Whether a path is one for programs.
pub fn for_programs(path: &str, headers: &HeaderMap) -> bool {
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    path.starts_with("/api/")
        || is_for_scripts(path)
        || (!wants_page && path.starts_with("/metrics"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_version_is_known_by_its_tag() {
        let known = |value: &'static str, tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, tag)
        };
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert!(known(value, "\"abc\"") && known(value, "W/\"abc\""), "{value}");
        }
        assert!(!known("\"abcd\"", "\"abc\"") && !known("abc", "\"abc\""));
        assert!(!is_known(&HeaderMap::new(), "\"abc\""));
    }

    #[test]
    fn times_in_a_text_are_told_in_the_zone_of_the_event() {
        let now = when::parse("2026-11-29T02:00:00Z").unwrap();
        let told = |text: &str| times_in_words(Lang::En, text, now, "Asia/Tokyo");
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
