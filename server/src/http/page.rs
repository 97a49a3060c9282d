//! The frame of every page, and problems as pages.

use crate::app::App;
use crate::http::problem::Problem;
use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// What the frame around every page must know.
pub struct Frame {
    /// Says that no real money moves, if so.
    pub rehearsal: Option<&'static str>,
}

impl Frame {
    /// The frame of this server's pages.
    pub fn of(app: &App) -> Frame {
        let rehearsal = match (&app.sandbox, app.sales.is_live()) {
            (Some(_), _) => Some("Test mode: no real money moves."),
            (None, false) => Some("Stripe in test mode: no real money moves."),
            (None, true) => None,
        };
        Frame { rehearsal }
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

/// A problem told as a page.
pub struct PageProblem(pub Problem);

impl<P: Into<Problem>> From<P> for PageProblem {
    fn from(problem: P) -> PageProblem {
        PageProblem(problem.into())
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    money: &'a str,
    back: Option<&'a str>,
    /// In how many seconds the page asks again by itself.
    refresh: Option<u32>,
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        self.page(None)
    }
}

impl PageProblem {
    pub(in crate::http) fn page(self, refresh: Option<u32>) -> Response {
        let PageProblem(problem) = self;
        let money = problem.money_words();
        let (title, detail) = (&problem.title, &problem.detail);
        let html = page(&ProblemPage {
            frame: Frame { rehearsal: None },
            title,
            detail,
            money,
            back: None,
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
        PageProblem(problem).into_response()
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
