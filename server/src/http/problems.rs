//! The page that tells what the problem codes mean: where the `type` of a problem leads.

use super::not_found;
use super::page::{Frame, page};
use super::site::Site;
use crate::language::Words;
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
    /// What programs get, as HTML.
    told: String,
    title: Words,
    /// All codes with their titles, in the order of their texts.
    all: Vec<(ProblemCode, Words)>,
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
    let frame = Frame::of(&site);
    let statuses: Vec<String> = code.statuses().iter().map(u16::to_string).collect();
    let statuses = statuses.join(&*frame.lang.or());
    let told = frame.rich(frame.lang.programs_get(code.as_str(), &statuses));
    let with_title = |code| (code, frame.lang.problem_title(code));
    let (all, title) = (all.into_iter().map(with_title).collect(), with_title(code).1);
    page(&ProblemsPage { frame, code, told, title, all })
}
