//! The answers of an order to the questions of its event: on its page, and the form that corrects them.

use super::form::Faults;
use super::order::{frame, opened, path};
use super::order_forms::{in_words, refused, to};
use super::{OfficeFrame, Staff};
use crate::access::{Caller, may};
use crate::app::App;
use crate::http::extract::{Form, SentByStaff};
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::shop::answers::{field_name, filled, ticket_legend, yes_or_no};
use crate::http::site::Site;
use crate::ids::digest;
use crate::language::Lang;
use crate::text::begin;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use boxoffice::{
    AnswerWish, Asked, Event, FlawedAnswer, MOST_LINE, MOST_LINES_OF_TEXT, Order, OrderState,
    QuestionKind, Refusal, TimeMs, YES_NO,
};
use std::sync::Arc;

/// A question on the page of an order.
pub(super) struct AnswerRow {
    pub(super) question: String,
    /// For which ticket; empty: for the order.
    pub(super) ticket: String,
    /// The lines of the answer; none: it is not answered.
    pub(super) lines: Vec<String>,
    /// Whether buyers must answer it.
    pub(super) required: bool,
}

/// What is asked with an order, and what was answered; also to what is not asked any more.
pub(super) fn answer_rows(order: &Order, event: &Event) -> Vec<AnswerRow> {
    let asked = order.asked(event);
    let row = |text: &str, ticket: Option<u16>, value: &str, required| AnswerRow {
        question: text.to_owned(),
        ticket: ticket.map(|n| ticket_legend(order, event, n, Lang::En)).unwrap_or_default(),
        lines: value.lines().map(str::to_owned).collect(),
        required,
    };
    let shown = |question: &str, value: &str| {
        let known = event.spec.question(question);
        let yes_no = known.is_some_and(|question| question.kind == QuestionKind::YesNo);
        if yes_no { yes_or_no(value, Lang::En) } else { value.to_owned() }
    };
    let mut rows: Vec<AnswerRow> = Vec::new();
    for Asked { question, ticket } in &asked {
        let answer = order.answer(&question.id, *ticket);
        let text = answer.map_or(&question.text, |answer| &answer.text);
        let value = answer.map(|answer| shown(&question.id, &answer.value)).unwrap_or_default();
        rows.push(row(text, *ticket, &value, question.required));
    }
    let is_asked = |question: &str, ticket: Option<u16>| {
        asked.iter().any(|one| one.question.id == question && one.ticket == ticket)
    };
    for answer in order.answers.iter().filter(|a| !is_asked(&a.question, a.ticket)) {
        rows.push(row(&answer.text, answer.ticket, &shown(&answer.question, &answer.value), false));
    }
    rows
}

/// Whether staff can correct the answers now: see `boxoffice::Command::Answer`.
pub(super) fn may_answer(order: &Order, now: TimeMs) -> bool {
    match order.state {
        _ if order.is_erased() => false,
        OrderState::Held => !order.over(now),
        OrderState::Paying | OrderState::Committed | OrderState::Paid | OrderState::Refunding => {
            true
        }
        _ => false,
    }
}

#[derive(Template)]
#[template(path = "office/answers.html")]
struct AnswersPage {
    office: OfficeFrame,
    path: String,
    name: String,
    faults: Faults,
    /// Which answers the form was made from.
    seen: String,
    groups: Vec<Group>,
    most_line: usize,
    most_lines: usize,
}

/// What is asked for the order, or for one of its tickets.
struct Group {
    ticket: Option<u16>,
    legend: String,
    fields: Vec<Field>,
}

struct Field {
    id: String,
    label: String,
    hint: &'static str,
    value: String,
    /// `line`, `lines` or `choice`.
    kind: &'static str,
    /// What can be chosen: what is sent, what is shown, and whether it is chosen.
    choices: Vec<(String, String, bool)>,
}

/// Tells these answers apart from others; empty: there are none.
fn version(order: &Order) -> String {
    if order.answers.is_empty() {
        return String::new();
    }
    let told = format!("{:?}", order.answers);
    format!("{:032x}", digest(&[b"answers", told.as_bytes()]))
}

fn shown(
    app: &App,
    caller: &Caller,
    (order, event): (&Order, &Event),
    sent: Option<&[AnswerWish]>,
    faults: Faults,
) -> AnswersPage {
    let mut groups: Vec<Group> = Vec::new();
    for Asked { question, ticket } in order.asked(event) {
        let answered = || order.answer(&question.id, ticket).map(|answer| answer.value.clone());
        let typed = |all: &[AnswerWish]| {
            let this =
                all.iter().find(|wish| wish.question == question.id && wish.ticket == ticket);
            // What is far too long is not sent back whole.
            this.map(|wish| begin(&wish.value, 4 * MOST_LINES_OF_TEXT).to_owned())
        };
        let value = sent.map_or_else(answered, typed).unwrap_or_default();
        let choice = |sent: &str, shown: &str| (sent.to_owned(), shown.to_owned(), sent == value);
        let none = || choice("", "No answer");
        let (kind, choices) = match &question.kind {
            QuestionKind::Line => ("line", Vec::new()),
            QuestionKind::Lines => ("lines", Vec::new()),
            QuestionKind::Choice(choices) => {
                let mut all: Vec<_> = [none()]
                    .into_iter()
                    .chain(choices.iter().map(|one| choice(one, one)))
                    .collect();
                // An answer that cannot be chosen any more is not lost without a word when another one is corrected.
                if !value.is_empty() && !choices.contains(&value) {
                    all.push((value.clone(), format!("{value} (not a choice any more)"), true));
                }
                ("choice", all)
            }
            QuestionKind::YesNo => {
                ("choice", vec![none(), choice(YES_NO[0], "Yes"), choice(YES_NO[1], "No")])
            }
        };
        let field = Field {
            id: field_name(&question.id, ticket),
            label: question.text.clone(),
            hint: if question.required {
                "Buyers must answer it; you may leave it empty."
            } else {
                ""
            },
            value,
            kind,
            choices,
        };
        match groups.iter_mut().find(|group| group.ticket == ticket) {
            Some(group) => group.fields.push(field),
            None => {
                let legend = match ticket {
                    None => "For the order".to_owned(),
                    Some(number) => ticket_legend(order, event, number, Lang::En),
                };
                groups.push(Group { ticket, legend, fields: vec![field] });
            }
        }
    }
    AnswersPage {
        office: frame(app, caller, event),
        path: path(order.id),
        name: order.buyer.name.clone(),
        faults,
        seen: version(order),
        groups,
        most_line: MOST_LINE,
        most_lines: MOST_LINES_OF_TEXT,
    }
}

fn faults_of(flaws: &[FlawedAnswer], order: &Order, event: &Event) -> Faults {
    let mut faults = Faults::none();
    let asked = order.asked(event);
    for flawed in flaws {
        let this = asked
            .iter()
            .find(|one| one.question.id == flawed.question && one.ticket == flawed.ticket);
        let text = Lang::En.answer_flaw(&flawed.flaw);
        match this {
            Some(one) => faults.add(
                field_name(&flawed.question, flawed.ticket),
                format!("{}: {text}", one.question.text.trim_end_matches('?')),
            ),
            None => faults.add_whole(
                "The questions were changed meanwhile. Nothing was saved. Look at them once more.",
            ),
        }
    }
    faults
}

/// What is told where nothing can be answered.
fn nothing() -> Problem {
    Problem::invalid("This order has no answers that could be corrected now. Nothing was changed.")
}

/// `GET /office/orders/{id}/answers`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::ChangeOrders>(order.event)?;
    if order.asked(&event).is_empty() || !may_answer(&order, app.clock.now_ms()) {
        return Err(nothing().into());
    }
    Ok(page(&shown(&app, &caller, (&order, &event), None, Faults::none())))
}

/// `POST /office/orders/{id}/answers`. It needs no key: the same answers again change nothing.
pub async fn save(State(app): State<Arc<Site>>, Path(id): Path<String>, sent: SentByStaff) -> Page {
    let SentByStaff(caller, sent) = sent;
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    let form = Form::read(&sent.headers, &sent.body)?;
    let asked = order.asked(&event);
    if asked.is_empty() {
        return Err(nothing().into());
    }
    let wishes = filled(&form, &asked);
    let flaws = order.check_answers(&event, &wishes, false);
    let again = |faults| shown(&app, &caller, (&order, &event), Some(&wishes), faults);
    if !flaws.is_empty() {
        return Ok(refused(&again(faults_of(&flaws, &order, &event))));
    }
    let same = asked.iter().zip(&wishes).all(|(one, wish)| {
        let answer = order.answer(&one.question.id, one.ticket);
        answer.map_or("", |answer| &answer.value) == wish.value.trim()
    });
    if form.get("seen") != version(&order) && !same {
        let faults = Faults::of_all(
            "Somebody has changed the answers meanwhile. Nothing of yours is saved yet. Below stands what you typed; \
             look at the order in another window, and save again to replace theirs.",
        );
        return Ok((StatusCode::CONFLICT, page(&again(faults))).into_response());
    }
    match app.organiser.correct_answers(&permit, order.id, wishes.clone()).await {
        Ok(_) => Ok(to(&order, "done=answers")),
        // The questions were changed in between.
        Err(CommandError::Refused(Refusal::AnswerInvalid(flawed))) => {
            Ok(refused(&again(faults_of(&[flawed], &order, &event))))
        }
        Err(no) => Ok(refused(&again(Faults::of_all(in_words(no)?)))),
    }
}
