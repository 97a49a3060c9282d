//! The page of one order: whose it is, what was bought, its money, its mails, what happened, and what can be done.

use super::answers::{AnswerRow, answer_rows, may_answer};
use super::order_words::{self, Happened, money, story};
use super::{OfficeFrame, Staff};
use crate::access::{Caller, Right, may};
use crate::app::App;
use crate::http::api::event_of;
use crate::http::api::organiser::known_order;
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::order_for;
use crate::language::Lang;
use crate::mailing::MailState;
use crate::text::counted;
use askama::Template;
use axum::extract::{Path, State};
use boxoffice::{Event, Order, OrderId, OrderState, Refund, RefundState, Tender, TicketState};
use std::sync::Arc;
use uuid::Uuid;

/// So many lines of the audit log are in the story of an order.
const LINES: usize = 200;

#[derive(Template)]
#[template(path = "office/order.html")]
struct OrderPage {
    office: OfficeFrame,
    /// The order's number.
    id: String,
    /// Its page in the office.
    path: String,
    /// What was just done, and whether that is good.
    done: Option<(String, bool)>,
    event: String,
    slug: String,
    name: String,
    email: String,
    erased: bool,
    language: &'static str,
    /// How it was paid, if the payment provider has nothing to do with it.
    paid: Option<String>,
    /// What the organiser has noted of it.
    note: String,
    state: &'static str,
    /// Where it stands, in a sentence or two.
    message: String,
    /// What a person should look at.
    trouble: Option<String>,
    lines: Vec<Line>,
    total: String,
    /// What went back, or is on its way, if anything.
    refunded: Option<String>,
    /// What is owed to the buyer because a refund failed.
    owed_back: Option<String>,
    tickets: Vec<Ticket>,
    answers: Vec<AnswerRow>,
    /// What programs keep with it: keys and values.
    metadata: Vec<(String, String)>,
    /// Whether money is taken for it, and how: the provider's id of the payment.
    intent: Option<String>,
    /// Whether no real money moves.
    test: bool,
    attempts: Vec<String>,
    dispute: Option<String>,
    refunds: Vec<String>,
    mails: Vec<Mail>,
    story: Vec<Happened>,
    /// Whether the log has more lines than are told here.
    more_log: bool,
    /// The page that the buyer has.
    buyers_page: Option<String>,
    /// Its tickets as a file to print.
    pdf: Option<String>,
    /// Where somebody goes on who has just sold it.
    sell_more: Option<String>,
    can: Can,
}

/// What can be done to the order now, by whoever looks.
struct Can {
    send: bool,
    address: bool,
    name: bool,
    guests: bool,
    answers: bool,
    refund: bool,
    cancel: bool,
}

impl Can {
    fn of(app: &App, caller: &Caller, order: &Order, event: &Event) -> Can {
        let change = caller.has(Right::ChangeOrders, Some(order.event));
        let has_tickets = matches!(order.state, OrderState::Paid | OrderState::Refunding);
        let valid = order.tickets.iter().any(|t| t.state == TicketState::Valid);
        let now = app.clock.now_ms();
        let named = change && !order.is_erased();
        let open = matches!(order.state, OrderState::Held | OrderState::Paying);
        let under_way = order.refunds.iter().any(|r| r.state == RefundState::Pending);
        let left = order.state == OrderState::Paid
            && order.lines.iter().any(|line| line.refunded < line.quantity);
        Can {
            send: named && has_tickets && valid && !order.buyer.email.is_empty(),
            address: named && has_tickets && !order.buyer.email.is_empty() && !event.is_over(now),
            name: named && has_tickets,
            guests: named && has_tickets && valid && now < event.spec.names_fixed_ms(),
            answers: change && may_answer(order, now) && !order.asked(event).is_empty(),
            refund: caller.has(Right::Refund, Some(order.event))
                && !under_way
                && (left || order.owed_back().minor > 0),
            cancel: change && open,
        }
    }
}

struct Line {
    name: String,
    price: String,
    quantity: u32,
    refunded: u32,
}

struct Ticket {
    number: u16,
    name: String,
    guest: Option<String>,
    code: String,
    state: &'static str,
    /// Whether its guest can be named.
    can_name: bool,
}

struct Mail {
    what: &'static str,
    to: String,
    became: String,
    bad: bool,
    at: String,
}

/// The order of a page, and its event, if it is of one whose orders the caller may see.
pub(super) async fn opened(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<(Arc<Order>, Arc<Event>), Problem> {
    let id: OrderId = known_order(id)?;
    let order = order_for(app, caller, id).await?;
    caller.permit::<may::SeeOrders>(order.event)?;
    let event = event_of(app, &order).await?;
    Ok((order, event))
}

/// The frame of the pages of an order.
pub(super) fn frame(app: &App, caller: &Caller, event: &Event) -> OfficeFrame {
    OfficeFrame::of_event(app, caller, (event.id, &event.spec.slug), "orders")
}

/// The address of an order's page.
pub(super) fn path(order: OrderId) -> String {
    format!("/office/orders/{}", Uuid::from_u128(order.0))
}

/// `GET /office/orders/{id}`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
    query: Query,
) -> Page {
    let (order, event) = opened(&app, &caller, &id).await?;
    let permit = caller.permit::<may::SeeOrders>(order.event)?;
    let mails = app.mailing.of_order(order.id).await?;
    let log = app.organiser.log_of_order(&permit, order.id, None, LINES).await?;
    let zone = &event.spec.zone;
    let can = Can::of(&app, &caller, &order, &event);
    let lang = Lang::En;
    let story = story(&order, &mails, &log.lines, zone);
    let kind = |line: &boxoffice::Line| &event.ticket_types[usize::from(line.ticket_type)];
    let lines = order.lines.iter().map(|line| Line {
        name: kind(line).name.clone(),
        price: money(line.unit_minor, &order),
        quantity: line.quantity,
        refunded: line.refunded,
    });
    let tickets = order.tickets.iter().zip(1u16..).map(|(ticket, number)| Ticket {
        number,
        name: kind(&order.lines[usize::from(ticket.line)]).name.clone(),
        guest: ticket.guest.clone(),
        code: app.codes.of(&order, ticket).short,
        state: order_words::ticket(ticket),
        can_name: can.guests && ticket.state == TicketState::Valid,
    });
    let payment = order.payment.as_ref();
    let attempts = payment.iter().flat_map(|payment| &payment.attempts);
    let attempts = attempts
        .map(|tried| format!("Attempt {} {}.", tried.number, order_words::attempt(&tried.state)));
    let dispute = payment.and_then(|payment| payment.dispute.as_ref()).map(|dispute| {
        format!(
            "The cardholder disputes {}. The payment provider says: {}.",
            money(dispute.amount_minor, &order),
            dispute.status.replace('_', " ")
        )
    });
    let said = |minor: i64| (minor > 0).then(|| money(minor, &order));
    let shows_page = caller.has(Right::ChangeOrders, Some(order.event));
    let paid = order.tender.is_offline().then(|| match order.tender {
        Tender::Free => "It was given away: nothing was paid.".to_owned(),
        tender => format!(
            "{} was paid to you {}. nts moved no money.",
            lang.money(order.total()),
            order_words::paid_how(tender)
        ),
    });
    let part = if order.tender == Tender::Free { "give" } else { "sell" };
    let sells =
        query.get("done") == Some("sold") && caller.has(Right::SellTickets, Some(order.event));
    let printable = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    let buyers_page = shows_page.then(|| app.links.order_path(order.id));
    Ok(page(&OrderPage {
        office: frame(&app, &caller, &event),
        id: Uuid::from_u128(order.id.0).to_string(),
        path: path(order.id),
        done: done(&query, &order),
        event: event.spec.name.clone(),
        slug: event.spec.slug.clone(),
        name: order.buyer.name.clone(),
        email: order.buyer.email.clone(),
        erased: order.is_erased(),
        language: language(order.buyer.language.code()),
        paid,
        note: order.reference.clone(),
        answers: answer_rows(&order, &event),
        metadata: order.metadata.iter().map(|(key, value)| (key.into(), value.into())).collect(),
        state: order_words::state(order.state),
        message: order_words::standing(&order, app.clock.now_ms(), zone),
        trouble: order.trouble.clone(),
        lines: lines.collect(),
        total: lang.money(order.total()),
        refunded: said(order.refunded().minor),
        owed_back: said(order.owed_back().minor),
        tickets: tickets.collect(),
        intent: payment.and_then(|payment| payment.intent.clone()),
        test: payment.is_some_and(|payment| !payment.live),
        attempts: attempts.collect(),
        dispute,
        refunds: order.refunds.iter().map(|refund| told(&order, &event, refund)).collect(),
        mails: mails.iter().map(|mail| told_mail(mail, zone)).collect(),
        story,
        more_log: log.next.is_some(),
        pdf: buyers_page.as_ref().filter(|_| printable).map(|page| format!("{page}/tickets.pdf")),
        sell_more: sells.then(|| format!("/office/events/{}/{part}", event.spec.slug)),
        buyers_page,
        can,
    }))
}

fn language(code: &str) -> &'static str {
    match code {
        "de" => "German",
        "fr" => "French",
        "es" => "Spanish",
        _ => "English",
    }
}

/// A refund in a sentence.
fn told(order: &Order, event: &Event, refund: &Refund) -> String {
    let of = order.lines.iter().zip(&refund.quantities).filter(|(_, quantity)| **quantity > 0);
    let of: Vec<String> = of
        .map(|(line, quantity)| {
            format!("{quantity} × {}", event.ticket_types[usize::from(line.ticket_type)].name)
        })
        .collect();
    let of = match (of.is_empty(), refund.of_amount) {
        (false, _) => format!(" for {}", of.join(", ")),
        (true, true) => " as an amount".into(),
        (true, false) => String::new(),
    };
    let back = if refund.restock { "; the places are put back on sale" } else { "" };
    format!(
        "{}{of}: {}{back}.",
        money(refund.amount_minor, order),
        order_words::refund(refund, order.tender)
    )
}

fn told_mail(mail: &MailState, zone: &str) -> Mail {
    let (became, bad) = order_words::mail(mail);
    let at_ms = mail.ended_ms.unwrap_or(mail.owed_ms);
    let at = crate::http::page::Moment::short(Lang::En, at_ms, zone).to_string();
    Mail { what: order_words::letter(&mail.subject), to: mail.to.clone(), became, bad, at }
}

/// What was just done, as the address of the page says it, and whether that is good.
fn done(query: &Query, order: &Order) -> Option<(String, bool)> {
    let said = |text: &str| Some((text.to_owned(), true));
    if let Some(id) = query.get("refund").and_then(|id| Uuid::try_parse(id).ok()) {
        let refund = order.refunds.iter().find(|refund| refund.id.0 == id.as_u128())?;
        let amount = money(refund.amount_minor, order);
        let stay = refund.quantities.iter().all(|quantity| *quantity == 0);
        let tickets = match stay {
            true => "The tickets that are valid stay valid.",
            false => "The tickets are not valid any more.",
        };
        return Some(match &refund.state {
            RefundState::Succeeded(_) if refund.amount_minor == 0 => (
                "The tickets are not valid any more. There was no money to give back.".into(),
                true,
            ),
            RefundState::Succeeded(_) => (
                match order.tender {
                    Tender::Cash => format!(
                        "{tickets} Hand {amount} back to the buyer in cash: nts moved no \
                         money."
                    ),
                    Tender::Terminal => format!(
                        "{tickets} Give {amount} back at your card terminal: nts moved no \
                         money."
                    ),
                    Tender::Online | Tender::Free => format!(
                        "{amount} went back. It takes some days until the buyer's bank shows it."
                    ),
                },
                true,
            ),
            RefundState::Pending => (
                format!("{tickets} {amount} is on its way back. This page says when it is done."),
                true,
            ),
            RefundState::Failed(why) => {
                let tickets = match refund.failed_later() {
                    _ if stay => tickets,
                    true => "The tickets are not valid.",
                    false => "The tickets are valid again.",
                };
                let text = format!(
                    "No money went back: {why}. {tickets} You can refund the order again, or pay the buyer in another \
                     way."
                );
                (text, false)
            }
        });
    }
    match query.get("done")? {
        "sent" => said("The tickets are on their way once more. No money moved."),
        "lately" => Some((
            "The tickets are on their way already, or were sent a moment ago. Nothing was sent now.".into(),
            false,
        )),
        "address" => said("The address is changed. The tickets go to it now. No money moved."),
        "sold" if order.state == OrderState::Paid => {
            let what = match order.tender {
                Tender::Free => "The tickets are given away.".to_owned(),
                tender => format!(
                    "The sale is recorded: {}, paid {}.",
                    Lang::En.money(order.total()),
                    order_words::paid_how(tender)
                ),
            };
            let mailed = match order.buyer.email.is_empty() {
                true => "Nothing is mailed: print the tickets, or show their codes.".to_owned(),
                false => format!("They are on their way to {}.", order.buyer.email),
            };
            said(&format!("{what} {} {mailed}", counted_tickets(order)))
        }
        "name" => said("The name of the buyer is corrected. No money moved."),
        "answers" => said("The answers are saved. No money moved."),
        "guest" => {
            said("The name is on the ticket. A ticket that was passed on has another code. No money moved.")
        }
        "canceled" => said(match order.state {
            OrderState::Released => {
                "The reservation is canceled. Its places are on sale again. No money moved."
            }
            _ => {
                "The reservation is being canceled: its payment is stopped at the payment provider first. Its places \
                 come back then."
            }
        }),
        _ => None,
    }
}

/// How many tickets it has, in a sentence.
fn counted_tickets(order: &Order) -> String {
    let are = if order.places() == 1 { "is" } else { "are" };
    format!("{} {are} valid now.", counted(order.places(), "ticket"))
}
