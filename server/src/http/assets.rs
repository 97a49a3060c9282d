//! Style sheets, scripts and icons of the pages.

use crate::http::page::problem_for;
use crate::http::problem::Problem;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use nts_api::ProblemCode;

/// `GET /assets/{file}`
pub async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let (kind, bytes): (&str, &[u8]) = match file.as_str() {
        "nts.css" => ("text/css; charset=utf-8", include_bytes!("../../assets/nts.css")),
        "nts.js" => ("text/javascript; charset=utf-8", include_bytes!("../../assets/nts.js")),
        "pay.js" => ("text/javascript; charset=utf-8", include_bytes!("../../assets/pay.js")),
        "icon.svg" => ("image/svg+xml", include_bytes!("../../assets/icon.svg")),
        _ => {
            let p = Problem::new(ProblemCode::NotFound, "The address is wrong or incomplete.");
            return problem_for("/assets/", &headers, p);
        }
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], bytes)
        .into_response()
}
