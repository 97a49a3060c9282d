//! The tickets of an order as a PDF file.

use super::order::opened;
use crate::http::page::{Frame, Page, PageProblem};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::language::Lang;
use crate::pdf::{self, PdfError};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use nts_api::ProblemCode;
use std::sync::Arc;

/// `GET /orders/{id}/{secret}/tickets.pdf`
pub async fn tickets(
    State(app): State<Arc<Site>>,
    lang: Lang,
    Path((id, secret)): Path<(String, String)>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let back = |problem: Problem| {
        PageProblem::from(problem).back_to(app.links.order_path(id), lang.back_to_order())
    };
    // Whoever only wants to look comes after those who buy.
    if let Some(again_s) = app.admission.overload.sheds_read() {
        return Err(back(busy(lang, again_s)));
    }
    let test = Frame::of(&app).test_mode.is_some();
    let name = format!("{}-{}.pdf", event.spec.slug, lang.pdf_file());
    let codes = Arc::clone(&app.codes);
    let make = move || pdf::tickets(lang, &event, &order, &|ticket| codes.of(&order, ticket), test);
    let file = match app.printer.print(make).await {
        Ok(Ok(file)) => file,
        Ok(Err(PdfError::NoTickets)) => {
            let none = Problem::new(ProblemCode::NoTickets, lang.pdf_none_so());
            return Err(back(none.titled(lang.pdf_none())));
        }
        Ok(Err(PdfError::Failed(error))) => {
            tracing::error!(error, "a PDF of tickets could not be made");
            return Err(back(busy(lang, AGAIN_S)));
        }
        Err(pdf::Busy) => return Err(back(busy(lang, AGAIN_S))),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, file).into_response())
}

/// In so many seconds those are done that wait now.
const AGAIN_S: u32 = 10;

fn busy(lang: Lang, again_s: u32) -> Problem {
    let mut problem = Problem::new(ProblemCode::Busy, lang.pdf_busy_so()).titled(lang.pdf_busy());
    problem.retry_after = Some(again_s);
    problem
}
