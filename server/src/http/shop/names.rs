//! Names on the tickets of an order: who hands a ticket on says who comes with it.

use super::order::{opened, order_page};
use crate::actor::Actor;
use crate::codes::TicketCode;
use crate::http::api::ticket_number;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Page, PageProblem, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::language::{Lang, Words};
use crate::writer::CommandError;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use boxoffice::{Event, Order, Refusal, TicketState, TimeMs, check_name};
use std::sync::Arc;

/// The forms, one for each ticket that can get a name.
pub(in crate::http) struct Names {
    pub(super) lang: Lang,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) number: u16,
    pub(super) ticket_type: String,
    /// The code that people type, to tell tickets of one type apart.
    pub(super) code: String,
    /// The ticket's own page.
    pub(super) path: String,
    /// What stands in the field.
    pub(super) value: String,
    pub(super) error: Option<Words>,
}

impl Names {
    /// The ticket whose name was not taken, and why.
    pub(super) fn wrong(&self) -> Option<(u16, &Words)> {
        self.rows.iter().find_map(|row| Some((row.number, row.error.as_ref()?)))
    }

    /// Of the tickets with these codes; none if they take no names.
    pub(super) fn of(
        codes: &[TicketCode],
        order: &Order,
        event: &Event,
        lang: Lang,
        now: TimeMs,
    ) -> Names {
        let fixed = order.is_erased() || now >= event.spec.names_fixed_ms();
        let tickets = order.tickets.iter().zip(codes).zip(1..);
        let rows = tickets.filter(|((t, _), _)| !fixed && t.state == TicketState::Valid);
        let rows = rows.map(|((ticket, code), number)| {
            let line = &order.lines[usize::from(ticket.line)];
            Row {
                number,
                ticket_type: event.ticket_types[usize::from(line.ticket_type)].name.clone(),
                code: code.short.clone(),
                path: code.path(),
                value: ticket.guest.clone().unwrap_or_default(),
                error: None,
            }
        });
        Names { lang, rows: rows.collect() }
    }
}

/// `POST /orders/{id}/{secret}/tickets/{number}`
pub async fn name(
    State(app): State<Arc<Site>>,
    lang: Lang,
    Path((id, secret, number)): Path<(String, String, String)>,
    sent: Result<Sent, Problem>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let Sent { headers, body } = sent?;
    let number = ticket_number(&number)?;
    let form = Form::read(&headers, &body)?;
    let name = form.get("name");
    let back = format!("{}#t{number}", app.links.order_path(id));
    let error = match app.tickets.name(Actor::Buyer, id, number, name).await {
        Ok(_) => return Ok(Redirect::to(&back).into_response()),
        Err(CommandError::Refused(Refusal::Invalid(_))) => wrong(name, lang),
        Err(no) => {
            let order = app.sales.find(id).await?;
            let event = app.sales.event_of(&order).await?;
            let no = PageProblem::from(Problem::from(no)).in_zone(&event.spec.zone);
            return Err(no.back_to(app.links.order_path(id), lang.back_to_order()));
        }
    };
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let mut shown = order_page(&app, &order, &event);
    if let Some(row) = shown.names.rows.iter_mut().find(|row| row.number == number) {
        (row.value, row.error) = (name.chars().take(300).collect(), Some(error));
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&shown)).into_response())
}

/// What is wrong with a name.
fn wrong(name: &str, lang: Lang) -> Words {
    match check_name(name) {
        _ if name.is_empty() => lang.names_missing(),
        Err(_) if name.chars().count() > 200 => lang.names_long(),
        _ => lang.names_unseen(),
    }
}
