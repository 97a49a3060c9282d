//! The page of an order.

use super::event::event_page;
use super::order_mail::{self, OrderMail};
use super::{answers, names, own_orders, pay};
use crate::actor::Actor;
use crate::app::App;
use crate::http::api::order_id;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Frame, Moment, Page, PageProblem, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::view;
use crate::http::view::Action;
use crate::language::{Lang, Words};
use crate::markdown;
use crate::qr;
use crate::when;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect};
use boxoffice::{
    AttemptState, Event, Money, Order, OrderId, OrderState, Refusal, TicketState, TimeMs,
};
use std::sync::Arc;

/// The id of the order in the address, if the secret beside it is its own.
pub(in crate::http) fn opened(app: &App, id: &str, secret: &str) -> Result<OrderId, Problem> {
    let id = order_id(id)?;
    if app.secrets.opens(id, secret) { Ok(id) } else { Err(Problem::unknown_order()) }
}

/// The end of a hold.
pub(in crate::http) struct Until {
    pub(in crate::http) label: Words,
    pub(in crate::http) rfc: String,
    pub(in crate::http) clock: Moment,
    pub(in crate::http) now: String,
}

struct TicketRow {
    name: String,
    /// Its own page, and the words that lead there.
    path: String,
    open: Words,
    guest: String,
    code: String,
    valid: bool,
    qr: String,
}

struct LineRow {
    name: String,
    /// What the code took off the price of each.
    discount: Option<Words>,
    quantity: u32,
    refunded: u32,
    price: String,
}

#[derive(Template)]
#[template(path = "order.html")]
pub(in crate::http) struct OrderPage {
    frame: Frame,
    pub(in crate::http) path: String,
    pub(in crate::http) headline: Words,
    message: Words,
    state: &'static str,
    pub(in crate::http) declined: Option<String>,
    pub(in crate::http) refresh: Option<u64>,
    pub(in crate::http) until: Option<Until>,
    pub(in crate::http) event_name: String,
    event_starts: Moment,
    /// The same in words alone, for the tickets.
    starts_in_words: String,
    /// The description of the event as HTML.
    about: String,
    place: String,
    slug: String,
    guest: String,
    erased: bool,
    email: String,
    /// Whether there is something to put into a calendar.
    calendar: bool,
    tickets: Vec<TicketRow>,
    pub(super) names: names::Names,
    pub(in crate::http) answers: answers::Answers,
    lines: Vec<LineRow>,
    pub(in crate::http) total: String,
    /// The VAT in it, by rate, in words.
    vat: Vec<String>,
    refunded: Option<String>,
    pub(in crate::http) action: Option<String>,
    pub(in crate::http) can_pay: bool,
    pub(in crate::http) free: bool,
    can_cancel: bool,
    /// Whether it can be given back with no payment begun, and made anew.
    can_change: bool,
    over: bool,
    /// When it was read, as HTML.
    updated: String,
    /// Whether this address is the only way back to the order: the browser keeps no cookie.
    keep_this: bool,
    /// What became of its mails.
    pub(super) mail: Option<OrderMail>,
    /// Where its organiser answers questions; may be empty.
    contact: String,
}

impl OrderPage {
    /// The same with what became of its mails, and what the query says was just done. It can be the answer to a
    /// form: the page in another language is at its own address.
    pub(super) async fn with_mail(
        mut self,
        app: &App,
        order: &Order,
        event: &Event,
        query: Option<&str>,
    ) -> OrderPage {
        self.mail = order_mail::of(app, order, event, self.frame.lang, query).await;
        if self.frame.languages.is_empty() {
            self.frame = self.frame.at(&self.path);
        }
        self
    }
}

/// The query behind an order's address with which a hold is answered. A browser that kept the cookie of the
/// hold goes on to the payment page from there, for it finds back; another one stays on the order's own page,
/// so that nobody pays without having seen the address at which the tickets will be.
pub(in crate::http) const JUST_MADE: &str = "new";

/// `GET /orders/{id}/{secret}`
pub async fn order(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let mut order = app.sales.find(id).await?;
    if a_bank_may_have_paid(&order) {
        // The browser may just be back from the bank: read what it says, now.
        app.sales.refresh(&order).await;
        order = app.sales.find(id).await?;
    }
    let event = app.sales.event_of(&order).await?;
    let mut shown = order_page(&app, &order, &event);
    let just_made = has_parameter(query.as_deref(), JUST_MADE) && order.state == OrderState::Held;
    let asks = answers::leads_there(&app, &order, &event);
    if just_made && shown.can_pay && (!shown.free || asks.is_some()) {
        if own_orders::known(&app, &headers).contains(&id) {
            let next = asks.unwrap_or_else(|| app.links.pay_path(id));
            return Ok(Redirect::to(&next).into_response());
        }
        shown.keep_this = true;
    }
    shown.names.saved = names::Names::saved(query.as_deref());
    let shown = shown.with_mail(&app, &order, &event, query.as_deref()).await;
    let leads_to_the_bank = shown.action.is_some();
    let response = page(&shown);
    Ok(if leads_to_the_bank { pay::remember(&app, id, response) } else { response })
}

/// Whether what a bank shows the buyer may have decided the payment since it was last read: its page, or
/// that of a card which another one has replaced, whatever became of that.
pub(in crate::http) fn a_bank_may_have_paid(order: &Order) -> bool {
    let replaces = order.payment.as_ref().is_some_and(boxoffice::Payment::replaces);
    view::bank_asks(order) || (order.state == OrderState::Paying && replaces)
}

pub(in crate::http) fn last_attempt(order: &Order) -> Option<&AttemptState> {
    order.payment.as_ref()?.attempts.last().map(|a| &a.state)
}

pub(in crate::http) fn order_page(app: &App, order: &Order, event: &Event) -> OrderPage {
    let now = app.clock.now_ms();
    let attempt = last_attempt(order);
    let undecided = matches!(attempt, Some(AttemptState::Pending | AttemptState::Action));
    let bank_asks = view::bank_asks(order);
    // A card network that has it cannot be asked to give it back; a bank's page can be left.
    let may_try = !undecided || bank_asks;
    let may_try = may_try && order.payment.as_ref().is_none_or(|p| p.has_attempts_left());
    let paying = order.state == OrderState::Paying;
    let frame = Frame::of(app);
    let lang = frame.lang;
    let money = |minor| lang.money(Money { minor, currency: order.currency });
    let codes: Vec<_> = order.tickets.iter().map(|t| app.codes.of(order, t)).collect();
    let tickets = order.tickets.iter().zip(&codes).map(|(t, code)| {
        let line = &order.lines[usize::from(t.line)];
        TicketRow {
            name: event.ticket_types[usize::from(line.ticket_type)].name.clone(),
            qr: qr::svg(&code.url, &lang.qr_code_of(&code.short)),
            path: code.path(),
            open: lang.ticket_open(),
            guest: match order.is_erased() {
                true => lang.erased_name().into_owned(),
                false => t.guest.clone().unwrap_or_else(|| order.buyer.name.clone()),
            },
            code: code.short.clone(),
            valid: t.state == TicketState::Valid,
        }
    });
    let lines = order.lines.iter().map(|l| LineRow {
        name: event.ticket_types[usize::from(l.ticket_type)].name.clone(),
        discount: Some(l.extra.discount_minor)
            .filter(|minor| *minor > 0)
            .map(|minor| lang.code_took(&money(minor))),
        quantity: l.quantity,
        refunded: l.refunded,
        price: money(l.price_minor()),
    });
    let declined = match attempt {
        Some(AttemptState::Declined(reason)) if paying && !order.over(now) => {
            Some(format!("{} {}", lang.decline_reason(reason), view::after_decline(order, lang)))
        }
        _ => None,
    };
    OrderPage {
        frame,
        path: app.links.order_path(order.id),
        headline: headline(order, now, lang),
        message: view::message(app, order, lang),
        state: order.state.word(),
        refresh: view::poll_after_s(app, order).map(|seconds| seconds.max(2)),
        until: until(order, event, now, lang),
        event_name: event.spec.name.clone(),
        event_starts: Moment::of(lang, &event.spec),
        starts_in_words: Moment::of(lang, &event.spec).in_words(),
        about: markdown::html(&event.spec.description),
        place: event.spec.place.clone(),
        slug: event.spec.slug.clone(),
        guest: match order.is_erased() {
            true => lang.erased_name().into_owned(),
            false => order.buyer.name.clone(),
        },
        erased: order.is_erased(),
        email: order.buyer.email.clone(),
        calendar: order.tickets.iter().any(|t| t.state == TicketState::Valid),
        tickets: tickets.collect(),
        names: names::Names::of(order, event, lang, now),
        answers: answers::Answers::of(order, event, lang, now),
        lines: lines.collect(),
        total: money(order.total().minor),
        vat: order.vat().iter().map(|vat| lang.vat_of(vat)).collect(),
        refunded: (order.refunded().minor > 0).then(|| money(order.refunded().minor)),
        action: view::action(order).map(|action| match action {
            Action::Redirect(url) => url.to_owned(),
            Action::Secret(_) => format!("{}/pay", app.links.order_path(order.id)),
        }),
        can_pay: (order.state == OrderState::Held || (paying && may_try)) && !order.over(now),
        free: order.total().minor == 0,
        can_cancel: matches!(order.state, OrderState::Held | OrderState::Paying),
        can_change: order.state == OrderState::Held && !order.over(now) && !order.is_erased(),
        over: matches!(order.state, OrderState::Released | OrderState::Void | OrderState::Refunded),
        updated: Moment::clock(lang, now, &event.spec.zone).within(|at| lang.updated_at(at)),
        declined,
        keep_this: false,
        mail: None,
        contact: event.spec.contact.clone(),
    }
}

fn headline(order: &Order, now: TimeMs, lang: Lang) -> Words {
    match (order.state, last_attempt(order)) {
        (OrderState::Held, _) => lang.reserved_for_you(),
        (OrderState::Paying, Some(AttemptState::Declined(_))) => {
            let again = order.payment.as_ref().is_some_and(|p| p.has_attempts_left());
            if again { lang.payment_declined() } else { lang.no_more_cards() }
        }
        (OrderState::Paying, _) if view::bank_asks(order) => lang.bank_must_confirm(),
        (OrderState::Paying, _) => lang.payment_being_made(),
        (OrderState::Canceling, _) => lang.being_cancelled(),
        (OrderState::Committed, _) => lang.tickets_on_their_way(),
        (OrderState::Paid, _) => lang.your_tickets(),
        (OrderState::Refunding, _) => lang.refund_on_its_way(),
        (OrderState::Refunded, _) => lang.refunded(),
        (OrderState::Released, None) if order.until_ms > now => lang.reservation_cancelled(),
        (OrderState::Released, None) => lang.reservation_expired(),
        (OrderState::Released | OrderState::Void, _) => lang.order_not_completed(),
    }
}

pub(super) fn until(order: &Order, event: &Event, now: TimeMs, lang: Lang) -> Option<Until> {
    match (order.state, last_attempt(order)) {
        (OrderState::Held, _) | (OrderState::Paying, Some(AttemptState::Declined(_))) => {}
        (OrderState::Paying, _) if view::bank_asks(order) => {}
        _ => return None,
    }
    let clock = Moment::end(lang, order.until_ms, now, &event.spec.zone);
    Some(Until {
        label: lang.reserved_until(clock.has_day()),
        rfc: when::rfc3339(order.until_ms),
        clock,
        now: when::rfc3339(now),
    })
}

/// Whether a query has a parameter of this name.
pub(in crate::http) fn has_parameter(query: Option<&str>, name: &str) -> bool {
    let mut all = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    all.any(|(known, _)| known == name)
}

/// `POST /orders/{id}/{secret}/cancel`
pub async fn cancel(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    lang: Lang,
    headers: HeaderMap,
    sent: Result<Sent, Problem>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    // Who wants to change the order gets the form again, as it was filled in.
    let sent = sent?;
    let form = Form::read(&sent.headers, &sent.body).ok();
    let change = form.is_some_and(|form| !form.get("change").is_empty());
    match app.sales.cancel(Actor::Buyer, id, None).await {
        Ok(_) if change => {
            let order = app.sales.find(id).await?;
            if !matches!(order.state, OrderState::Released | OrderState::Void) {
                return Ok(Redirect::to(&app.links.order_path(id)).into_response());
            }
            let event = app.sales.event_of(&order).await?;
            let now = app.clock.now_ms();
            let own = own_orders::to_show(&app, &headers, lang).await;
            let own = own.into_iter().filter(|order| order.event == event.id).collect();
            // With the code with which it was ordered, if that is still valid.
            let code = order.lines.iter().find_map(|line| event.stock(line.extra.code?));
            let code = code.and_then(|counter| event.code(&counter.name, now).ok());
            let shown = event_page(&app, &event, code, now, app.catalogue.as_of(now));
            Ok(page(&shown.filled_again(&order, &event).with_own_orders(own)))
        }
        Ok(_) | Err(CommandError::Refused(Refusal::AlreadyPaid)) => {
            Ok(Redirect::to(&app.links.order_path(id)).into_response())
        }
        Err(no) => {
            let no = PageProblem::from(Problem::from(no));
            Err(no.back_to(app.links.order_path(id), lang.back_to_order()))
        }
    }
}
