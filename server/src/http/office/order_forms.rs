//! Forms that do something to an order. Each says first what will happen to money and tickets. Each carries a key of
//! its own: the same form sent twice does what it does once.

use super::event_form::{major, minor};
use super::order::{frame, opened, path};
use super::order_words::money;
use super::{OfficeFrame, Staff};
use crate::access::{Caller, may};
use crate::app::App;
use crate::http::api::ticket_number;
use crate::http::extract::{Form, SentByStaff};
use crate::http::idempotency::key_of;
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::mailing::Asked;
use crate::organiser::orders::{RefundPreview, reason_flaw};
use crate::text::{capital, counted};
use crate::writer::{CommandError, IdempotencyKey};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::Tender;
use boxoffice::{
    AddressFixed, Event, LineWish, Order, OrderState, RefundWish, Refusal, TicketState,
    check_email, check_name,
};
use std::sync::Arc;
use uuid::Uuid;

/// A key that a form carries.
pub(super) fn new_key(app: &App) -> String {
    Uuid::from_u128(app.ids.random()).to_string()
}

/// Whether it is a key of a form.
pub(super) fn is_key(key: &str) -> bool {
    Uuid::try_parse(key).is_ok()
}

/// The key of a form that was sent, bound to who sent it, to what it is sent to, and to what it says. A form without
/// one was not made here.
fn key(
    caller: &Caller,
    what: &str,
    order: &Order,
    form: &Form,
    says: &str,
) -> Result<IdempotencyKey, Problem> {
    key_of_form(caller, what, &order.id.0.to_be_bytes(), form, says)
}

/// The same of a form that is about this id.
pub(super) fn key_of_form(
    caller: &Caller,
    what: &str,
    of: &[u8],
    form: &Form,
    says: &str,
) -> Result<IdempotencyKey, Problem> {
    let key = form.get("key");
    if !is_key(key) {
        return Err(Problem::invalid(
            "This form is not whole. Please go back to the page before and open it again. Nothing was done.",
        ));
    }
    let who = caller.actor().to_string();
    let scope: [&[u8]; 4] = [b"office", what.as_bytes(), who.as_bytes(), of];
    Ok(key_of(&scope, key.as_bytes(), says.as_bytes()))
}

pub(super) fn to(order: &Order, query: &str) -> Response {
    Redirect::to(&format!("{}?{query}#done", path(order.id))).into_response()
}

/// A page with the status of a form that is not taken.
pub(super) fn refused(template: &impl Template) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, page(template)).into_response()
}

/// Why something was not done, for the top of a form. Other problems are pages of their own.
pub(super) fn in_words(no: CommandError) -> Result<String, Problem> {
    match no {
        CommandError::Refused(refusal) => Ok(Problem::from(CommandError::Refused(refusal)).detail),
        no => Err(no.into()),
    }
}

#[derive(Template)]
#[template(path = "office/order_refund.html")]
struct RefundPage {
    office: OfficeFrame,
    path: String,
    name: String,
    key: String,
    error: Option<String>,
    /// What is chosen: `all`, `some`, `amount` or `failed`.
    what: &'static str,
    /// The amount, as it was typed.
    amount: String,
    /// An amount as it can be typed, and the code of the currency; nothing if no amount can be refunded.
    example: Option<(String, String)>,
    /// Whether there are tickets to refund.
    tickets: bool,
    lines: Vec<RefundLine>,
    /// The price of all that is left.
    all: String,
    /// What is owed because a refund failed.
    failed: Option<String>,
    restock: bool,
    reason: String,
    /// Once it is checked: what will happen.
    confirm: Option<Vec<String>>,
    /// The words of the button that does it.
    button: String,
}

struct RefundLine {
    field: String,
    name: String,
    price: String,
    left: u32,
    chosen: String,
}

/// What a form of a refund says.
struct Chosen {
    what: &'static str,
    wish: RefundWish,
    restock: bool,
    reason: String,
}

impl Chosen {
    /// The error is for a person.
    fn read(form: &Form, order: &Order, event: &Event) -> Result<Chosen, String> {
        let restock = form.get("restock") == "yes";
        let reason = form.get("reason").to_owned();
        let (what, wish) = match form.get("what") {
            "all" => ("all", RefundWish::All),
            "failed" => ("failed", RefundWish::Failed),
            "some" => ("some", RefundWish::Lines(wishes(form, order, event)?)),
            "amount" => ("amount", RefundWish::Amount(amount(form.get("amount"), order)?)),
            _ => return Err("Please choose what to refund.".into()),
        };
        if let Some(why) = reason_flaw(&reason) {
            return Err(why);
        }
        if reason.is_empty() {
            return Err("Please say why: the log of the order keeps the reason.".into());
        }
        Ok(Chosen { what, wish, restock, reason })
    }

    /// The same in one form, so that a key is bound to it.
    fn says(&self) -> String {
        format!("{} {:?} {} {}", self.what, self.wish, self.restock, self.reason)
    }
}

/// The ticket types of an order, each once: the number of its first line, which it is, how many can be refunded, and
/// their prices in the order in which they are: the last line first.
fn refundable(order: &Order) -> Vec<(usize, u16, u32, Vec<i64>)> {
    let mut types: Vec<(usize, u16, u32, Vec<i64>)> = Vec::new();
    for (at, line) in order.lines.iter().enumerate() {
        let left = line.quantity - line.refunded;
        let price = (left > 0).then_some(line.unit_minor);
        match types.iter_mut().find(|(_, ticket_type, ..)| *ticket_type == line.ticket_type) {
            Some((_, _, all, prices)) => {
                *all += left;
                prices.splice(0..0, price);
            }
            None => types.push((at, line.ticket_type, left, price.into_iter().collect())),
        }
    }
    types
}

/// The amount that was typed, in minor units.
fn amount(text: &str, order: &Order) -> Result<i64, String> {
    let read = minor(text, order.currency).ok().filter(|minor| *minor > 0);
    read.ok_or_else(|| {
        let example = major(1_250, order.currency);
        format!("Please write the amount in {} such as {example}.", order.currency.code())
    })
}

fn wishes(form: &Form, order: &Order, event: &Event) -> Result<Vec<LineWish>, String> {
    let mut wishes = Vec::new();
    for (at, ticket_type, left, _) in refundable(order) {
        let of = &event.ticket_types[usize::from(ticket_type)];
        // What is confirmed may have been sent twice: then fewer are left by now, and the first answer counts.
        let of_type = order.lines.iter().filter(|line| line.ticket_type == ticket_type);
        let bought: u32 = of_type.map(|line| line.quantity).sum();
        let left = if form.get("confirmed") == "yes" { bought } else { left };
        let quantity = match form.get(&format!("n{at}")) {
            "" | "0" => continue,
            number => number.parse::<u32>().ok().filter(|number| *number <= left),
        };
        let quantity = quantity.ok_or_else(|| {
            format!("Of “{}” a number from 0 to {left} can be refunded.", of.name)
        })?;
        wishes.push(LineWish { ticket_type: of.id.clone(), quantity: quantity.into() });
    }
    if wishes.is_empty() {
        return Err("Please say how many tickets to refund.".into());
    }
    Ok(wishes)
}

impl RefundPage {
    fn of(
        app: &App,
        caller: &Caller,
        order: &Order,
        event: &Event,
        form: Option<&Form>,
    ) -> RefundPage {
        let field = |name: &str| form.map(|form| form.get(name).to_owned()).unwrap_or_default();
        let lines = refundable(order).into_iter().map(|(at, ticket_type, left, prices)| {
            let prices = prices.iter().map(|minor| money(*minor, order));
            RefundLine {
                field: format!("n{at}"),
                name: event.ticket_types[usize::from(ticket_type)].name.clone(),
                price: prices.collect::<Vec<_>>().join(", then "),
                left,
                chosen: field(&format!("n{at}")),
            }
        });
        let lines: Vec<RefundLine> = lines.filter(|line| line.left > 0).collect();
        let paid = order.state == OrderState::Paid;
        let owed = order.owed_back().minor;
        let left_minor = order.kept().minor;
        let tickets = paid && !lines.is_empty();
        let sums = tickets && left_minor > 0 && owed == 0;
        let what = match &*field("what") {
            "some" => "some",
            "amount" => "amount",
            "failed" => "failed",
            _ if tickets => "all",
            _ => "failed",
        };
        RefundPage {
            office: frame(app, caller, event),
            path: path(order.id),
            name: order.buyer.name.clone(),
            key: form.map_or_else(|| new_key(app), |form| form.get("key").to_owned()),
            error: None,
            what,
            amount: field("amount"),
            example: sums.then(|| (major(1_250, order.currency), order.currency.code().to_owned())),
            tickets,
            lines,
            all: money(left_minor, order),
            failed: (owed > 0).then(|| money(owed, order)),
            restock: field("restock") == "yes",
            reason: field("reason"),
            confirm: None,
            button: String::new(),
        }
    }
}

/// `GET /office/orders/{id}/refund`
pub async fn refund_form(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::Refund>(order.event)?;
    Ok(page(&RefundPage::of(&app, &caller, &order, &event, None)))
}

/// `POST /office/orders/{id}/refund`: shows what will happen, and does it once that is confirmed.
pub async fn refund(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, sent) = sent;
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    let form = Form::read(&sent.headers, &sent.body)?;
    let shown = || RefundPage::of(&app, &caller, &order, &event, Some(&form));
    let chosen = match Chosen::read(&form, &order, &event) {
        Ok(chosen) => chosen,
        Err(why) => return Ok(refused(&RefundPage { error: Some(why), ..shown() })),
    };
    let request = key(&caller, "refund", &order, &form, &chosen.says())?;
    let wish = (chosen.wish, chosen.restock);
    if form.get("confirmed") != "yes" {
        return Ok(match app.organiser.preview_refund(&permit, order.id, &wish).await {
            Ok(preview) => {
                let (confirm, button) = told(&preview, &order, chosen.restock);
                page(&RefundPage { confirm: Some(confirm), button, ..shown() })
            }
            Err(no) => refused(&RefundPage { error: Some(in_words(no)?), ..shown() }),
        });
    }
    let reason = Some(chosen.reason);
    let done = app.organiser.refund_because(&permit, order.id, wish, Some(request), reason).await;
    match done {
        Ok((_, refund)) => Ok(to(&order, &format!("refund={}", Uuid::from_u128(refund.0)))),
        Err(no) => Ok(refused(&RefundPage { error: Some(in_words(no)?), ..shown() })),
    }
}

/// What a refund will do, and the words of its button.
fn told(preview: &RefundPreview, order: &Order, restock: bool) -> (Vec<String>, String) {
    let amount = money(preview.amount_minor, order);
    let mut lines = vec![match preview.amount_minor {
        0 => "No money goes back: nothing was paid, or all of it went back already.".into(),
        _ => match order.tender {
            Tender::Cash => {
                format!(
                    "Hand {amount} back to the buyer in cash: nts moves no money of this order."
                )
            }
            Tender::Terminal => {
                format!(
                    "Give {amount} back at your card terminal: nts moves no money of this order."
                )
            }
            Tender::Online | Tender::Free => {
                format!("{amount} goes back to the card that paid.")
            }
        },
    }];
    if preview.tickets > 0 {
        let (stop, are) = match preview.tickets {
            1 => ("stops", "it is"),
            _ => ("stop", "they are"),
        };
        lines.push(format!(
            "{} {stop} being valid at once. If the payment provider refuses the refund, {are} valid again.",
            counted(preview.tickets, "ticket")
        ));
        lines.push(if restock {
            "The places go back on sale once the money is back.".into()
        } else {
            "The places do not go back on sale.".into()
        });
    } else if order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid) {
        lines.push("The tickets that are valid stay valid.".into());
    }
    if !order.buyer.email.is_empty() {
        lines.push("The buyer gets a mail about it.".into());
    }
    let button = match preview.amount_minor {
        0 => format!("Take back {}", counted(preview.tickets, "ticket")),
        _ => format!("Refund {amount}"),
    };
    (lines, button)
}

#[derive(Template)]
#[template(path = "office/order_confirm.html")]
struct ConfirmPage {
    office: OfficeFrame,
    path: String,
    name: String,
    key: String,
    title: &'static str,
    /// What will happen.
    lines: Vec<String>,
    /// Where the form goes, and the words of its button.
    action: String,
    button: &'static str,
    error: Option<String>,
    field: Option<Field>,
}

/// The one field of a form.
struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    email: bool,
}

/// What one of these forms does.
struct Doing {
    title: &'static str,
    /// What will happen.
    lines: Vec<String>,
    /// The last part of its address, below that of the order.
    to: String,
    button: &'static str,
    /// What is typed, with what it is now.
    field: Option<Field>,
}

impl Doing {
    fn cancel(order: &Order) -> Doing {
        let places: u32 = order.lines.iter().map(|line| line.quantity).sum();
        let go = if places == 1 { "goes" } else { "go" };
        let paying = match order.state {
            OrderState::Paying => {
                "The buyer is paying. The payment is stopped at the payment provider first; if it was faster, the order \
                 stays paid."
            }
            _ => "No money has moved, and none will.",
        };
        Doing {
            title: "Cancel the reservation",
            lines: vec![
                format!("{} {go} back on sale.", counted(places, "place")),
                paying.into(),
                "The buyer is not told by mail.".into(),
            ],
            to: "cancel".into(),
            button: "Cancel the reservation",
            field: None,
        }
    }

    fn send_again(order: &Order) -> Doing {
        Doing {
            title: "Send the tickets again",
            lines: vec![
                format!("A mail with the tickets goes to {}.", order.buyer.email),
                "The codes of the tickets stay the same. No money moves.".into(),
            ],
            to: "resend".into(),
            button: "Send the tickets again",
            field: None,
        }
    }

    fn correct_address(order: &Order) -> Doing {
        Doing {
            title: "Correct the address",
            lines: vec![
                "The tickets go to the new address at once.".into(),
                "The address of before gets a mail that says so, and keeps no access to what is mailed later.".into(),
                "No money moves.".into(),
            ],
            to: "address".into(),
            button: "Save the address",
            field: Some(Field {
                name: "email",
                label: "E-mail address",
                hint: "",
                value: order.buyer.email.clone(),
                email: true,
            }),
        }
    }

    /// Of a ticket that is not valid, nothing is corrected.
    fn correct_guest(order: &Order, number: u16) -> Result<Doing, Problem> {
        let ticket = order.ticket(number).filter(|ticket| ticket.state == TicketState::Valid);
        let ticket = ticket.ok_or_else(|| {
            Problem::invalid("The order has no valid ticket of this number. Nothing was changed.")
        })?;
        Ok(Doing {
            title: "Correct the name on a ticket",
            lines: vec![
                "A ticket that had a name gets another code: the one of before lets nobody in any more.".into(),
                "Nobody is told by mail. Send the tickets again if the guest needs the new code. No money moves.".into(),
            ],
            to: format!("tickets/{number}"),
            button: "Save the name",
            field: Some(Field {
                name: "name",
                label: "Name of the guest",
                hint: "The person who comes with this ticket.",
                value: ticket.guest.clone().unwrap_or_default(),
                email: false,
            }),
        })
    }

    fn correct_name(order: &Order) -> Doing {
        Doing {
            title: "Correct the name of the buyer",
            lines: vec![
                "The codes of the tickets and the names of guests stay as they are.".into(),
                "Nobody is told by mail. No money moves.".into(),
            ],
            to: "name".into(),
            button: "Save the name",
            field: Some(Field {
                name: "name",
                label: "Name of the buyer",
                hint: "",
                value: order.buyer.name.clone(),
                email: false,
            }),
        }
    }

    /// The form as it is opened.
    fn form(self, app: &App, caller: &Caller, order: &Order, event: &Event) -> ConfirmPage {
        ConfirmPage {
            office: frame(app, caller, event),
            path: path(order.id),
            name: order.buyer.name.clone(),
            key: new_key(app),
            title: self.title,
            lines: self.lines,
            action: format!("{}/{}", path(order.id), self.to),
            button: self.button,
            error: None,
            field: self.field,
        }
    }
}

impl ConfirmPage {
    /// The form as it was sent, with why nothing was done.
    fn again(mut self, sent: &Form, why: String) -> Response {
        sent.get("key").clone_into(&mut self.key);
        if let Some(field) = &mut self.field {
            sent.get(field.name).clone_into(&mut field.value);
        }
        refused(&ConfirmPage { error: Some(why), ..self })
    }
}

/// `GET /office/orders/{id}/cancel`
pub async fn cancel_form(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::ChangeOrders>(order.event)?;
    Ok(page(&Doing::cancel(&order).form(&app, &caller, &order, &event)))
}

/// `POST /office/orders/{id}/cancel`
pub async fn cancel(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, sent) = sent;
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    let form = Form::read(&sent.headers, &sent.body)?;
    let request = key(&caller, "cancel", &order, &form, "")?;
    match app.organiser.cancel_order(&permit, order.id, Some(request)).await {
        Ok(_) => Ok(to(&order, "done=canceled")),
        Err(no) => {
            let shown = Doing::cancel(&order).form(&app, &caller, &order, &event);
            Ok(shown.again(&form, in_words(no)?))
        }
    }
}

/// `GET /office/orders/{id}/resend`
pub async fn resend_form(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::ChangeOrders>(order.event)?;
    Ok(page(&Doing::send_again(&order).form(&app, &caller, &order, &event)))
}

/// `POST /office/orders/{id}/resend`
pub async fn resend(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, _) = sent;
    let (order, _) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    match app.organiser.send_again(&permit, &app.mailing, order.id).await? {
        Asked::Owed => Ok(to(&order, "done=sent")),
        Asked::NotBefore(_) => Ok(to(&order, "done=lately")),
        Asked::Nothing => Err(Problem::nothing_to_send().into()),
    }
}

/// `GET /office/orders/{id}/address`
pub async fn address_form(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::ChangeOrders>(order.event)?;
    Ok(page(&Doing::correct_address(&order).form(&app, &caller, &order, &event)))
}

/// `POST /office/orders/{id}/address`
pub async fn address(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, sent) = sent;
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    let form = Form::read(&sent.headers, &sent.body)?;
    let email = form.get("email");
    let request = key(&caller, "address", &order, &form, email)?;
    let shown = || Doing::correct_address(&order).form(&app, &caller, &order, &event);
    let again = |why| shown().again(&form, why);
    if email.is_empty() {
        return Ok(again("Please type an e-mail address.".into()));
    }
    if let Err(why) = check_email(email) {
        return Ok(again(format!("{}.", capital(&why))));
    }
    match app.organiser.correct_address(&permit, order.id, email, Some(request)).await {
        Ok(_) => Ok(to(&order, "done=address")),
        Err(CommandError::Refused(Refusal::AddressFixed(AddressFixed::Newest))) => Ok(again(
            "The buyer has other orders of this event under the same address. Change the newest one first.".into(),
        )),
        Err(no) => Ok(again(in_words(no)?)),
    }
}

/// `GET /office/orders/{id}/tickets/{number}`
pub async fn guest_form(
    State(app): State<Arc<Site>>,
    Path((id, number)): Path<(String, String)>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::ChangeOrders>(order.event)?;
    let doing = Doing::correct_guest(&order, ticket_number(&number)?)?;
    Ok(page(&doing.form(&app, &caller, &order, &event)))
}

/// `POST /office/orders/{id}/tickets/{number}`
pub async fn guest(
    State(app): State<Arc<Site>>,
    Path((id, number)): Path<(String, String)>,
    sent: SentByStaff,
) -> Page {
    let SentByStaff(caller, sent) = sent;
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    let number = ticket_number(&number)?;
    let form = Form::read(&sent.headers, &sent.body)?;
    let name = form.get("name");
    let request = key(&caller, "guest", &order, &form, &format!("{number} {name}"))?;
    let again = |why| -> Result<Response, Problem> {
        let doing = Doing::correct_guest(&order, number)?;
        Ok(doing.form(&app, &caller, &order, &event).again(&form, why))
    };
    if let Err(why) = check_name(name) {
        return Ok(again(format!("{}.", capital(&why)))?);
    }
    match app.organiser.correct_guest(&permit, order.id, number, name, Some(request)).await {
        Ok(_) => Ok(to(&order, "done=guest")),
        Err(no) => Ok(again(in_words(no)?)?),
    }
}

/// `GET /office/orders/{id}/name`
pub async fn name_form(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    caller.permit::<may::ChangeOrders>(order.event)?;
    Ok(page(&Doing::correct_name(&order).form(&app, &caller, &order, &event)))
}

/// `POST /office/orders/{id}/name`
pub async fn name(State(app): State<Arc<Site>>, Path(id): Path<String>, sent: SentByStaff) -> Page {
    let SentByStaff(caller, sent) = sent;
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit(order.event)?;
    let form = Form::read(&sent.headers, &sent.body)?;
    let name = form.get("name");
    let request = key(&caller, "name", &order, &form, name)?;
    let shown = || Doing::correct_name(&order).form(&app, &caller, &order, &event);
    if let Err(why) = check_name(name) {
        return Ok(shown().again(&form, format!("{}.", capital(&why))));
    }
    match app.organiser.correct_name(&permit, order.id, name, Some(request)).await {
        Ok(_) => Ok(to(&order, "done=name")),
        Err(no) => Ok(shown().again(&form, in_words(no)?)),
    }
}
