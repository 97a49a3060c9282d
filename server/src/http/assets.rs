//! Style sheets, scripts and icons of the pages.

use crate::colour::Colour;
use crate::http::page::problem_for;
use crate::http::problem::Problem;
use crate::http::shop::event::TakesGzip;
use crate::language::{Lang, Words};
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The file of the pages' script in this language: `nts.js` in English, else `nts-de.js` and so on.
pub(in crate::http) fn script_name(lang: Lang) -> String {
    match lang {
        Lang::En => "nts.js".into(),
        other => format!("nts-{}.js", other.tag()),
    }
}

/// The style sheet of pages with this accent, `5a2a83`; empty: their own. One file, so that a page waits for one.
pub(in crate::http) fn style_path(accent: &str) -> String {
    match Colour::parse(accent) {
        Some(colour) => format!("/assets/nts-{}.css", colour.hex()),
        None => "/assets/nts.css".into(),
    }
}

/// The style sheet with the accent that its name says.
fn coloured(file: &str) -> Option<String> {
    let hex = file.strip_prefix("nts-")?.strip_suffix(".css")?;
    let colour = Colour::parse(hex).filter(|colour| colour.hex() == hex)?;
    Some(format!("{}{}", include_str!("../../assets/nts.css"), colour.style()))
}

/// The pages' script with the words that it writes.
fn script(lang: Lang) -> String {
    let words = serde_json::to_string(&script_words(lang)).expect("words are JSON");
    include_str!("../../assets/nts.js").replacen(
        "const words = {};",
        &format!("const words = {words};"),
        1,
    )
}

/// The words that `nts.js` writes. It puts values in the place of `{0}` and so on.
#[derive(Serialize)]
struct ScriptWords {
    after_clock: Words,
    again: Words,
    all_reserved: Words,
    before: Words,
    costs: Words,
    free: Words,
    /// For one, and for more.
    left: [Words; 2],
    minute: Words,
    now: Words,
    other: Words,
    over: Words,
    sold_out: Words,
    there_are: Words,
    until: Words,
}

fn script_words(lang: Lang) -> ScriptWords {
    ScriptWords {
        after_clock: lang.after_clock().into(),
        again: lang.load_again(),
        all_reserved: lang.all_reserved(),
        before: lang.updated_before(),
        costs: lang.costs_now("{0}", "{1}", "{2}"),
        free: lang.free(),
        left: [lang.left(1, "{0}"), lang.left(2, "{0}")],
        minute: lang.one_minute_left(),
        now: lang.updated_now(),
        other: lang.other_tickets(),
        over: lang.time_is_over(),
        sold_out: lang.sold_out(),
        there_are: lang.tickets_again(),
        until: lang.all_reserved_until("{0}", false),
    }
}

/// `GET /assets/{file}`
pub async fn asset(
    Path(file): Path<String>,
    TakesGzip(packed): TakesGzip,
    headers: HeaderMap,
) -> Response {
    static SCRIPTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
        let all = Lang::ALL.into_iter().chain([Lang::Pseudo]);
        all.map(|lang| (script_name(lang), script(lang))).collect()
    });
    let (name, kind, bytes): (&'static str, &str, &'static [u8]) = match file.as_str() {
        "nts.css" => ("nts.css", "text/css; charset=utf-8", include_bytes!("../../assets/nts.css")),
        "door.css" => {
            ("door.css", "text/css; charset=utf-8", include_bytes!("../../assets/door.css"))
        }
        "door.js" => ("door.js", JAVASCRIPT, include_bytes!("../../assets/door.js")),
        "door-list.js" => ("door-list.js", JAVASCRIPT, include_bytes!("../../assets/door-list.js")),
        "scan.js" => ("scan.js", JAVASCRIPT, include_bytes!("../../assets/scan.js")),
        "office.js" => ("office.js", JAVASCRIPT, include_bytes!("../../assets/office.js")),
        "event-form.js" => {
            ("event-form.js", JAVASCRIPT, include_bytes!("../../assets/event-form.js"))
        }
        "pay.js" => ("pay.js", JAVASCRIPT, include_bytes!("../../assets/pay.js")),
        "icon.svg" => ("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
        other => match SCRIPTS.get_key_value(other) {
            Some((name, script)) => (name, JAVASCRIPT, script.as_bytes()),
            None => match coloured(&file) {
                Some(style) => return coloured_style(style, packed),
                None => return problem_for("/assets/", &headers, Problem::no_page()),
            },
        },
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::VARY, "accept-encoding"),
    ];
    if !packed {
        return (headers, bytes).into_response();
    }
    static PACKED: Mutex<BTreeMap<&'static str, Bytes>> = Mutex::new(BTreeMap::new());
    let mut known = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let body = known.entry(name).or_insert_with(|| gzip(bytes)).clone();
    ([(header::CONTENT_ENCODING, "gzip")], headers, body).into_response()
}

/// `GET /door/worker.js`: what serves the page of the door without a network. A browser lets it serve what is below
/// its own address, so it is not with the others.
pub async fn door_worker() -> Response {
    let headers = [(header::CONTENT_TYPE, JAVASCRIPT), (header::CACHE_CONTROL, "no-cache")];
    (headers, include_str!("../../assets/door-worker.js")).into_response()
}

/// A style sheet with a colour of its own. It is not kept: a browser keeps it, and whoever asks for ever other
/// colours fills no memory.
fn coloured_style(style: String, packed: bool) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::VARY, "accept-encoding"),
    ];
    if !packed {
        return (headers, style).into_response();
    }
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    let written = out.write_all(style.as_bytes()).and_then(|()| out.finish());
    let body: Bytes = written.expect("memory takes it").into();
    ([(header::CONTENT_ENCODING, "gzip")], headers, body).into_response()
}

/// Made once for each file.
fn gzip(bytes: &[u8]) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let written = packed.write_all(bytes).and_then(|()| packed.finish());
    written.expect("memory takes it").into()
}
