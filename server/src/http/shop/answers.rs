//! The questions of an event, asked between the hold and the payment: a page of the order, before the payment
//! page. The payment page itself asks nothing: Stripe's script runs there, and answers are personal.

use super::order::{opened, order_page};
use super::pay;
use crate::actor::Actor;
use crate::admission::client::Client;
use crate::app::App;
use crate::http::extract::{Form, Sent, receive};
use crate::http::page::{Frame, Moment, Page, PageProblem, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::language::{Lang, Words};
use crate::text::begin;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use boxoffice::{
    AnswerWish, Asked, Event, FlawedAnswer, MOST_LINE, MOST_LINES_OF_TEXT, Order, OrderState,
    QuestionKind, Refusal, TimeMs, YES_NO,
};
use std::sync::Arc;

/// How large a body with answers may be: more than the answers of an order can be, however they are written.
pub(in crate::http) const ANSWERS_BODY: usize = 256 * 1024;

/// The answers on the order's page.
pub(in crate::http) struct Answers {
    pub(super) rows: Vec<AnswerRow>,
    /// Whether something must be answered before it is paid.
    pub(in crate::http) missing: bool,
    /// Whether something is asked and can be answered now.
    pub(super) open: bool,
}

/// An answer on the order's page.
pub(super) struct AnswerRow {
    pub(super) question: String,
    /// For which ticket; empty: for the order.
    pub(super) ticket: String,
    /// The lines of the answer.
    pub(super) lines: Vec<String>,
}

/// A group of questions: those of the order, or those of a ticket.
struct Group {
    legend: Words,
    fields: Vec<Field>,
}

struct Field {
    /// The name of the field, and its id in the page.
    name: String,
    text: String,
    required: bool,
    value: String,
    error: Option<Words>,
    kind: Kind,
}

enum Kind {
    Line,
    Lines,
    /// What is sent, what is shown, and whether it is chosen.
    Choice(Vec<(String, String, bool)>),
}

#[derive(Template)]
#[template(path = "answers.html")]
struct AnswersPage {
    frame: Frame,
    path: String,
    event_name: String,
    starts: Moment,
    /// What is said above the questions.
    intro: Words,
    until: Option<super::order::Until>,
    groups: Vec<Group>,
    button: Words,
    most_line: usize,
    most_lines: usize,
    can_cancel: bool,
}

impl AnswersPage {
    /// What is wrong, each with the id of its field.
    fn wrong(&self) -> impl Iterator<Item = (&str, &str, &Words)> {
        let fields = self.groups.iter().flat_map(|group| &group.fields);
        fields.filter_map(|f| Some((f.name.as_str(), f.text.as_str(), f.error.as_ref()?)))
    }

    fn is_wrong(&self) -> bool {
        self.wrong().next().is_some()
    }
}

/// The path of the page with an order's questions.
pub(in crate::http) fn answers_path(app: &App, order: &Order) -> String {
    format!("{}/answers", app.links.order_path(order.id))
}

/// Whether something must be answered before this order is paid. Who has begun to pay goes on.
pub(in crate::http) fn must_answer(order: &Order, event: &Event, now: TimeMs) -> bool {
    let held = order.state == OrderState::Held && !order.over(now);
    held && order.unanswered(event).is_some()
}

/// Whether its buyer can answer now: see `boxoffice::Command::Answer`.
fn may_answer(order: &Order, event: &Event, now: TimeMs) -> bool {
    match order.state {
        _ if order.is_erased() => false,
        OrderState::Held => !order.over(now),
        OrderState::Paying => true,
        OrderState::Committed | OrderState::Paid | OrderState::Refunding => {
            now < event.spec.names_fixed_ms()
        }
        _ => false,
    }
}

impl Answers {
    /// Of an order as its page shows it.
    pub(super) fn of(order: &Order, event: &Event, lang: Lang, now: TimeMs) -> Answers {
        let asked = order.asked(event);
        let rows = order.answers.iter().map(|answer| {
            let question = event.spec.question(&answer.question);
            let yes_no = question.is_some_and(|q| q.kind == QuestionKind::YesNo);
            let shown = if yes_no { yes_or_no(&answer.value, lang) } else { answer.value.clone() };
            AnswerRow {
                question: answer.text.clone(),
                ticket: answer
                    .ticket
                    .map(|n| ticket_legend(order, event, n, lang))
                    .unwrap_or_default(),
                lines: shown.lines().map(str::to_owned).collect(),
            }
        });
        Answers {
            rows: rows.collect(),
            missing: must_answer(order, event, now),
            open: !asked.is_empty() && may_answer(order, event, now),
        }
    }
}

/// An answer to a question of yes or no, in words.
pub(in crate::http) fn yes_or_no(value: &str, lang: Lang) -> String {
    match YES_NO.iter().position(|known| *known == value) {
        Some(0) => lang.answer_yes().into_owned(),
        Some(_) => lang.answer_no().into_owned(),
        None => value.to_owned(),
    }
}

/// What is said of the ticket that a question is asked for.
pub(in crate::http) fn ticket_legend(
    order: &Order,
    event: &Event,
    number: u16,
    lang: Lang,
) -> String {
    let line = order.line_of_place(number).map(|at| usize::from(order.lines[at].ticket_type));
    let name = line.and_then(|at| event.ticket_types.get(at)).map_or("", |t| t.name.as_str());
    lang.questions_of_ticket(number, name).into_owned()
}

/// The name of the field of a question: no question's id has a point in it.
pub(in crate::http) fn field_name(question: &str, ticket: Option<u16>) -> String {
    match ticket {
        None => format!("a.{question}"),
        Some(number) => format!("a.{question}.{number}"),
    }
}

/// What a form of ours answers to what is asked.
pub(in crate::http) fn filled(form: &Form, asked: &[Asked<'_>]) -> Vec<AnswerWish> {
    let wish = |asked: &Asked<'_>| AnswerWish {
        question: asked.question.id.clone(),
        ticket: asked.ticket,
        value: form.get(&field_name(&asked.question.id, asked.ticket)).replace("\r\n", "\n"),
    };
    asked.iter().map(wish).collect()
}

/// The page: filled in as it was sent, or with what was answered before.
fn shown(
    app: &App,
    order: &Order,
    event: &Event,
    sent: Option<&[AnswerWish]>,
    flaws: &[FlawedAnswer],
) -> AnswersPage {
    let (frame, now) = (Frame::of(app), app.clock.now_ms());
    let lang = frame.lang;
    let mut groups: Vec<(Option<u16>, Group)> = Vec::new();
    for Asked { question, ticket } in order.asked(event) {
        let answered = || order.answer(&question.id, ticket).map(|answer| answer.value.clone());
        let typed = |all: &[AnswerWish]| {
            let this =
                all.iter().find(|wish| wish.question == question.id && wish.ticket == ticket);
            // What is far too long is not sent back whole.
            this.map(|wish| begin(&wish.value, 4 * MOST_LINES_OF_TEXT).to_owned())
        };
        let value = sent.map_or_else(answered, typed).unwrap_or_default();
        let flaw = flaws.iter().find(|f| f.question == question.id && f.ticket == ticket);
        let choice = |sent: &str, shown: &str| (sent.to_owned(), shown.to_owned(), sent == value);
        let none = if question.required { lang.answer_choose() } else { lang.answer_none() };
        let kind = match &question.kind {
            QuestionKind::Line => Kind::Line,
            QuestionKind::Lines => Kind::Lines,
            QuestionKind::Choice(choices) => {
                let all = choices.iter().map(|one| choice(one, one));
                Kind::Choice([choice("", &none)].into_iter().chain(all).collect())
            }
            QuestionKind::YesNo => Kind::Choice(vec![
                choice("", &none),
                choice(YES_NO[0], &lang.answer_yes()),
                choice(YES_NO[1], &lang.answer_no()),
            ]),
        };
        let field = Field {
            name: field_name(&question.id, ticket),
            text: question.text.clone(),
            required: question.required,
            value,
            error: flaw.map(|flawed| lang.answer_flaw(&flawed.flaw)),
            kind,
        };
        match groups.iter_mut().find(|(of, _)| *of == ticket) {
            Some((_, group)) => group.fields.push(field),
            None => {
                let legend = match ticket {
                    None => lang.questions_of_order(),
                    Some(number) => ticket_legend(order, event, number, lang).into(),
                };
                groups.push((ticket, Group { legend, fields: vec![field] }));
            }
        }
    }
    let before = matches!(order.state, OrderState::Held | OrderState::Paying);
    let free = order.total().minor == 0;
    AnswersPage {
        path: app.links.order_path(order.id),
        event_name: event.spec.name.clone(),
        starts: Moment::short(lang, event.spec.starts_ms, &event.spec.zone).capital(),
        intro: match before {
            true if free => lang.questions_before_tickets(),
            true => lang.questions_before_payment(),
            false => lang.questions_after_payment(),
        },
        until: super::order::until(order, event, now, lang),
        groups: groups.into_iter().map(|(_, group)| group).collect(),
        button: match before {
            true if free => lang.get_my_tickets(),
            true => lang.questions_go_on_to_payment(),
            false => lang.questions_save(),
        },
        most_line: MOST_LINE,
        most_lines: MOST_LINES_OF_TEXT,
        can_cancel: before,
        frame,
    }
}

/// `GET /orders/{id}/{secret}/answers`. Where nothing can be answered now, the order's page tells why.
pub async fn show(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    if order.asked(&event).is_empty() || !may_answer(&order, &event, app.clock.now_ms()) {
        return Ok(Redirect::to(&app.links.order_path(id)).into_response());
    }
    Ok(page(&shown(&app, &order, &event, None, &[])))
}

/// `POST /orders/{id}/{secret}/answers`: saves the answers and leads to what is next.
pub async fn save(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    client: Client,
    lang: Lang,
    request: Request,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let limit = ANSWERS_BODY.min(app.config.body_bytes as usize);
    let Sent { headers, body } = receive(request, &app, limit).await?;
    let form = Form::read(&headers, &body)?;
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let home = app.links.order_path(id);
    let wishes = filled(&form, &order.asked(&event));
    let flaws = order.check_answers(&event, &wishes, true);
    if !flaws.is_empty() && may_answer(&order, &event, app.clock.now_ms()) {
        let shown = shown(&app, &order, &event, Some(&wishes), &flaws);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&shown)).into_response());
    }
    let order = match app.sales.answer(Actor::Buyer, id, wishes.clone()).await {
        Ok(order) => order,
        // The questions were changed meanwhile: they are shown as they are now.
        Err(CommandError::Refused(Refusal::AnswerInvalid(flawed))) => {
            let event = app.sales.event_of(&order).await?;
            let shown = shown(&app, &order, &event, Some(&wishes), &[flawed]);
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&shown)).into_response());
        }
        // The time is over, or it is cancelled: the order's page tells what is true.
        Err(CommandError::Refused(Refusal::HoldExpired | Refusal::Canceled(_))) => {
            return Ok(Redirect::to(&home).into_response());
        }
        Err(no) => {
            let no = PageProblem::from(Problem::from(no)).in_zone(&event.spec.zone);
            return Err(no.back_to(home, lang.back_to_order()));
        }
    };
    if order.state == OrderState::Held && order.total().minor == 0 {
        return pay::take_free(&app, client, id, &home).await;
    }
    let shown = order_page(&app, &order, &event);
    let next = if shown.can_pay && !shown.free { format!("{home}/pay") } else { home };
    Ok(Redirect::to(&next).into_response())
}

/// Where a buyer goes who has just reserved, and is asked something: to the questions. Only a browser that keeps
/// the order's cookie, for the others must see the address at which the tickets will be.
pub(super) fn leads_there(app: &App, order: &Order, event: &Event) -> Option<String> {
    let asks = !order.asked(event).is_empty() && may_answer(order, event, app.clock.now_ms());
    asks.then(|| answers_path(app, order))
}

/// From the payment page to the questions, if they must be answered first and this browser was shown the order.
pub(super) fn first(
    app: &App,
    order: &Order,
    event: &Event,
    remembers: bool,
) -> Option<axum::response::Response> {
    let must = must_answer(order, event, app.clock.now_ms());
    (must && remembers).then(|| Redirect::to(&answers_path(app, order)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::AnswerFlaw;

    #[test]
    fn the_field_of_a_question_is_no_other_question_s() {
        let names = [
            field_name("a", None),
            field_name("a", Some(1)),
            field_name("a", Some(11)),
            field_name("a-1", None),
            field_name("a_1", Some(1)),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert_eq!(names[1], "a.a.1");
    }

    #[test]
    fn each_flaw_has_words() {
        for flaw in [
            AnswerFlaw::Missing,
            AnswerFlaw::TooLong(200),
            AnswerFlaw::NotAChoice,
            AnswerFlaw::Unreadable("the answer has …".into()),
        ] {
            for lang in Lang::ALL {
                assert!(lang.answer_flaw(&flaw).ends_with('.'), "{flaw:?}");
            }
        }
    }
}
