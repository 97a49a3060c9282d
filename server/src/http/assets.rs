//! Style sheets, scripts and icons of the pages.

use crate::http::page::problem_for;
use crate::http::problem::Problem;
use crate::http::shop::event::TakesGzip;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// `GET /assets/{file}`
pub async fn asset(
    Path(file): Path<String>,
    TakesGzip(packed): TakesGzip,
    headers: HeaderMap,
) -> Response {
    let (name, kind, bytes): (&str, &str, &[u8]) = match file.as_str() {
        "nts.css" => ("nts.css", "text/css; charset=utf-8", include_bytes!("../../assets/nts.css")),
        "nts.js" => {
            ("nts.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/nts.js"))
        }
        "pay.js" => {
            ("pay.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/pay.js"))
        }
        "icon.svg" => ("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
        _ => {
            let p = Problem::no_page();
            return problem_for("/assets/", &headers, p);
        }
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

/// Made once for each file.
fn gzip(bytes: &[u8]) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let written = packed.write_all(bytes).and_then(|()| packed.finish());
    written.expect("memory takes it").into()
}
