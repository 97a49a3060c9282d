//! Names on the tickets of an order: who hands a ticket on says who comes with it.

use super::order::{opened, order_page};
use crate::actor::Actor;
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

/// The query with which the order's page says which ticket just got a name.
const NAMED: &str = "named";

/// The forms, one for each ticket that can get a name.
pub(in crate::http) struct Names {
    pub(super) lang: Lang,
    pub(super) rows: Vec<Row>,
    /// The ticket whose name was just saved.
    pub(super) saved: Option<usize>,
}

pub(super) struct Row {
    pub(super) number: u16,
    /// What stands in the field.
    pub(super) value: String,
    pub(super) error: Option<Words>,
}

impl Names {
    /// The form of the ticket with this number, if it can get a name.
    pub(super) fn row(&self, number: &usize) -> Option<&Row> {
        self.rows.iter().find(|row| usize::from(row.number) == *number)
    }

    /// The ticket whose name was just saved, as the query of the order's page says.
    pub(super) fn saved(query: Option<&str>) -> Option<usize> {
        let mut all = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        all.find_map(|(name, number)| (name == NAMED).then(|| number.parse().ok())?)
    }

    /// The ticket whose name was not taken, and why.
    pub(super) fn wrong(&self) -> Option<(u16, &Words)> {
        self.rows.iter().find_map(|row| Some((row.number, row.error.as_ref()?)))
    }

    /// Of the tickets of an order; none if they take no names.
    pub(super) fn of(order: &Order, event: &Event, lang: Lang, now: TimeMs) -> Names {
        let fixed = order.is_erased() || now >= event.spec.names_fixed_ms();
        let tickets = order.tickets.iter().zip(1..);
        let rows = tickets.filter(|(t, _)| !fixed && t.state == TicketState::Valid);
        let rows = rows.map(|(ticket, number)| Row {
            number,
            value: ticket.guest.clone().unwrap_or_default(),
            error: None,
        });
        Names { lang, rows: rows.collect(), saved: None }
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
    let path = app.links.order_path(id);
    let back = format!("{path}?{NAMED}={number}#t{number}");
    let error = match app.tickets.name(Actor::Buyer, id, number, name).await {
        Ok(_) => return Ok(Redirect::to(&back).into_response()),
        Err(CommandError::Refused(Refusal::Invalid(_))) => wrong(name, lang),
        Err(no) => {
            let order = app.sales.find(id).await?;
            let event = app.sales.event_of(&order).await?;
            let no = PageProblem::from(Problem::from(no)).in_zone(&event.spec.zone);
            return Err(no.back_to(path, lang.back_to_order()));
        }
    };
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let mut shown = order_page(&app, &order, &event).with_mail(&app, &order, &event, None).await;
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
