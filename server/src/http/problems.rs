//! The page that tells what the problem codes mean: where the `type` of a problem leads.

use super::not_found;
use super::page::{Frame, page};
use super::site::Site;
use askama::Template;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use nts_api::ProblemCode;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    frame: Frame,
    code: ProblemCode,
    /// All codes, in the order of their texts.
    all: Vec<ProblemCode>,
}

/// `GET /problems/{code}`
pub async fn show(
    State(site): State<Arc<Site>>,
    Path(code): Path<String>,
    request: Request,
) -> Response {
    let Some(code) = ProblemCode::parse(&code) else { return not_found(request).await };
    let mut all = ProblemCode::ALL.to_vec();
    all.sort_unstable_by_key(|code| code.as_str());
    page(&ProblemsPage { frame: Frame::of(&site), code, all })
}
