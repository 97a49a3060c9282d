//! The page on which the sandbox's bank asks whether it is you.

use crate::http::extract::{Form, Sent};
use crate::http::page::{Frame, PageProblem, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::IntentStatus;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "authenticate.html")]
struct BankPage {
    frame: Frame,
    waiting: bool,
    /// What is asked, as HTML.
    question: String,
    path: Option<String>,
}

/// `GET /sandbox/authenticate/{intent}`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(intent): Path<String>,
) -> Result<Response, PageProblem> {
    let sandbox = app.sandbox.as_ref().ok_or_else(Problem::unknown_order)?;
    let intent = sandbox.look(&intent).map_err(trouble)?.ok_or_else(Problem::unknown_order)?;
    let frame = Frame::of(&app);
    let amount = frame.lang.money(intent.amount);
    Ok(page(&BankPage {
        question: frame.rich(frame.lang.want_to_pay(&amount)),
        frame,
        waiting: intent.status == IntentStatus::RequiresAction,
        path: intent.order.map(|id| app.links.way_back(id)),
    }))
}

/// `POST /sandbox/authenticate/{intent}`: yes or no; then back to the order.
pub async fn answer(
    State(app): State<Arc<Site>>,
    Path(intent): Path<String>,
    sent: Result<Sent, Problem>,
) -> Result<Response, PageProblem> {
    let Sent { headers, body } = sent?;
    let approve = match Form::read(&headers, &body)?.get("answer") {
        "yes" => true,
        "no" => false,
        _ => return Err(Problem::invalid("Answer yes or no.").into()),
    };
    let sandbox = app.sandbox.as_ref().ok_or_else(Problem::unknown_order)?;
    let order = sandbox.authenticate(&intent, approve).map_err(trouble)?;
    let order = order.ok_or_else(Problem::unknown_order)?;
    Ok(Redirect::to(&app.links.way_back(order)).into_response())
}

fn trouble(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "the sandbox's own database failed");
    crate::writer::CommandError::Unavailable.into()
}
