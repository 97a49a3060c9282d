//! What pages of the office say of orders: states, mails, lines of the audit log. In English.

use crate::actor::Actor;
use crate::http::page::Moment;
use crate::http::view::takes_no_tickets;
use crate::language::Lang;
use crate::mailing::{MailStanding, MailState};
use crate::store::records::audit_log::{Action, AuditLine};
use boxoffice::Tender;
use boxoffice::{
    AttemptState, Money, Order, OrderState, Refund, RefundState, Ticket, TicketState, TimeMs,
};

/// Where an order stands, in one or two words.
pub fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Held => "Reserved",
        OrderState::Paying => "Being paid",
        OrderState::Canceling => "Being canceled",
        OrderState::Committed => "Payment accepted",
        OrderState::Paid => "Paid",
        OrderState::Refunding => "Being refunded",
        OrderState::Refunded => "Refunded",
        OrderState::Released => "Expired or canceled",
        OrderState::Void => "Payment void",
    }
}

/// Where an order stands, and what that means for money and tickets.
pub fn standing(order: &Order, now: TimeMs, zone: &str) -> String {
    let attempt = order.payment.as_ref().and_then(|p| p.attempts.last()).map(|a| &a.state);
    let until = || Lang::En.end(order.until_ms, now, zone);
    match order.state {
        OrderState::Held if order.over(now) => {
            "The time to pay is over; the places go back on sale in a moment. No money moved.".into()
        }
        OrderState::Held => format!("The places are kept until {}. No money moved.", until()),
        OrderState::Paying => match attempt {
            Some(AttemptState::Action) => {
                "The buyer must confirm the payment at the bank. No money was taken.".into()
            }
            Some(AttemptState::Declined(_)) => format!(
                "The last attempt to pay was declined. The buyer can try again until {}. No money was taken.",
                until()
            ),
            _ => "The buyer is paying, and the bank has not answered yet.".into(),
        },
        OrderState::Canceling => {
            "The payment is being stopped at the payment provider; then the places go back on sale.".into()
        }
        OrderState::Committed => {
            "The bank has accepted the payment, and the money is being taken. The tickets come then.".into()
        }
        OrderState::Paid if order.tender == Tender::Free => {
            "It was given away, and the tickets are valid.".into()
        }
        OrderState::Paid if order.tender.is_offline() && order.refunded().minor == 0 => {
            format!("It was paid {}, and the tickets are valid.", paid_how(order.tender))
        }
        OrderState::Paid if order.total().minor == 0 => "It costs nothing; the tickets are valid.".into(),
        OrderState::Paid if order.refunded().minor > 0 => {
            format!("Of the money {} went back or is on its way.", money(order.refunded().minor, order))
        }
        OrderState::Paid => "The money is taken, and the tickets are valid.".into(),
        OrderState::Refunding if takes_no_tickets(order) => {
            "Money is on its way back. The tickets that are valid stay valid.".into()
        }
        OrderState::Refunding => {
            "Tickets are not valid any more, and their money is on its way back.".into()
        }
        OrderState::Refunded => "No ticket of it is valid any more.".into(),
        OrderState::Released | OrderState::Void if !order.refunds.is_empty() => {
            "Money came when the places were gone. All of it goes back; there are no tickets.".into()
        }
        OrderState::Released => "It was not paid, and the places are on sale again.".into(),
        OrderState::Void => {
            "The payment ended before the money was taken. There are no tickets, and the places are on sale again."
                .into()
        }
    }
}

/// How an order was paid, or is to be.
pub fn paid_how(tender: Tender) -> &'static str {
    match tender {
        Tender::Online => "through the payment provider",
        Tender::Free => "not at all: it is given away",
        Tender::Cash => "in cash",
        Tender::Terminal => "by card, at your terminal",
    }
}

/// Who did something. The name of an account is put in its place where it is known.
pub fn who(actor: Actor) -> String {
    match actor {
        Actor::Buyer => "the buyer".into(),
        Actor::Staff(id) => format!("staff {}", short(id)),
        Actor::ApiKey(id) => format!("API key {}", short(id)),
        Actor::Device(id) => format!("device {}", short(id)),
        Actor::System => "the box office".into(),
    }
}

/// Enough of an id to tell it from others in a list.
fn short(id: u128) -> String {
    let digits = format!("{id:x}");
    digits[digits.len().saturating_sub(8)..].to_owned()
}

/// A sum of money as people write it.
pub fn money(minor: i64, order: &Order) -> String {
    Lang::En.money(Money { minor, currency: order.currency })
}

/// What an attempt to pay came to.
pub fn attempt(state: &AttemptState) -> String {
    match state {
        AttemptState::Pending => "is being made; the bank has not answered yet".into(),
        AttemptState::Action => "waits for the buyer to confirm it at the bank".into(),
        AttemptState::Declined(why) => format!("was declined: {why}"),
        AttemptState::Authorised => "was accepted by the bank".into(),
        AttemptState::Abandoned => "was given up for another card, or with the order".into(),
    }
}

/// Where a refund stands, and whether money moved.
pub fn refund(refund: &Refund, tender: Tender) -> String {
    let made = if refund.by_hand { "made at the payment provider" } else { "made here" };
    match &refund.state {
        RefundState::Pending => format!("on its way ({made})"),
        RefundState::Succeeded(_) if refund.amount_minor == 0 => {
            format!("done; there was no money to give back ({made})")
        }
        RefundState::Succeeded(_) => match tender {
            Tender::Cash => "to be handed back in cash by you".into(),
            Tender::Terminal => "to be given back at your card terminal by you".into(),
            Tender::Online | Tender::Free => format!("the money went back ({made})"),
        },
        RefundState::Failed(why) => format!("failed, no money went back: {why} ({made})"),
    }
}

/// Whether a ticket lets somebody in.
pub fn ticket(ticket: &Ticket) -> &'static str {
    match ticket.state {
        TicketState::Valid => "valid",
        TicketState::Revoked => "not valid any more",
    }
}

/// What a mail tells.
pub fn letter(subject: &str) -> &'static str {
    match subject {
        "tickets" => "The tickets",
        "again" => "The tickets again",
        "refunded" => "The refund",
        "void" => "Payment void",
        "moved" => "The event has changed",
        "event_canceled" => "The event is canceled",
        "address_changed" => "Another address, to the one before",
        _ => "A mail",
    }
}

/// What became of a mail, and whether somebody should do something about it.
pub fn mail(mail: &MailState) -> (String, bool) {
    let why = mail.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    match mail.standing {
        MailStanding::Waiting if why.is_empty() => ("is about to be sent".into(), false),
        MailStanding::Waiting => (format!("is tried again{why}"), false),
        MailStanding::NoRelay => ("waits: no mail server is set up (NTS_SMTP)".into(), true),
        MailStanding::Sent => ("was taken by the mail server".into(), false),
        MailStanding::SentPerhaps => {
            ("was handed over twice; the mail server gave no answer".into(), false)
        }
        MailStanding::Refused => (format!("was refused by the mail server{why}"), true),
        MailStanding::GivenUp => (format!("was tried for a day, in vain{why}"), true),
        MailStanding::TooOld => ("was not sent while it was of use".into(), true),
        MailStanding::Needless => {
            ("was not sent: there was nothing to tell any more".into(), false)
        }
    }
}

/// What a line of the audit log says was done.
pub fn action(action: Action) -> &'static str {
    match action {
        Action::EventCreated => "Event made",
        Action::EventChanged => "Event changed",
        Action::EventDeleted => "Event deleted",
        Action::RefundRequested => "Refund asked for",
        Action::RefundRecorded => "Refund recorded",
        Action::RefundAnswered => "Refund answered by the payment provider",
        Action::BuyersErased => "Buyer erased",
        Action::SalePaused => "Sale paused",
        Action::SaleResumed => "Sale resumed",
        Action::EventCanceled => "Event cancelled",
        Action::ShopChanged => "Shop, picture or texts changed",
        Action::Invited => "Invited to the office",
        Action::AccountMade => "Account made",
        Action::AccountRemoved => "Account removed",
        Action::RoleGiven => "Role given",
        Action::RoleTaken => "Role taken away",
        Action::SignedIn => "Signed in",
        Action::SignInDenied => "Could not sign in",
        Action::SessionEnded => "Session ended",
        Action::PasswordChanged => "Password changed",
        Action::SecondStepChanged => "Authenticator or recovery codes changed",
        Action::KeyMade => "API key made",
        Action::KeyEnded => "API key ended",
        Action::OrderSold => "Sold at the box office, or given away",
        Action::NameCorrected => "Name corrected",
        Action::AnswersChanged => "Answers changed",
        Action::OrderCanceled => "Order canceled",
        Action::OrderChanged => "Order changed",
        Action::TicketsSentAgain => "Tickets sent again",
        Action::TestOrdersMoved => "Test orders moved out of the database",
        Action::DoorChanged => "How the door works was changed",
        Action::DoorConflict => "Let in although the records say no",
        Action::ScanUndone => "A check-in was undone",
        Action::WebhookChanged => "Webhook made, changed or removed",
        Action::WebhookOff => "Webhook switched off",
        Action::Alarm => "Needs attention",
    }
}

/// Something that happened, as a page tells it.
#[derive(Clone)]
pub struct Happened {
    /// When, in milliseconds since 1970.
    pub at_ms: TimeMs,
    /// The same for people.
    pub at: Moment,
    /// What.
    pub what: String,
    /// More about it.
    pub detail: String,
    /// Who did it.
    pub who: String,
}

impl Happened {
    /// Something that happened then, in this zone.
    pub fn at(at_ms: TimeMs, zone: &str, what: impl Into<String>, who: String) -> Happened {
        let at = Moment::short(Lang::En, at_ms, zone);
        Happened { at_ms, at, what: what.into(), detail: String::new(), who }
    }

    /// A line of the audit log.
    pub fn logged(line: &AuditLine, zone: &str) -> Happened {
        let told = Happened::at(line.at_ms, zone, action(line.action), who(line.actor));
        Happened { detail: line.detail.clone(), ..told }
    }
}

/// The story of an order, the oldest first: from its own times, its mails and the audit log.
pub fn story(order: &Order, mails: &[MailState], log: &[AuditLine], zone: &str) -> Vec<Happened> {
    let buyer = || who(Actor::Buyer);
    let system = || who(Actor::System);
    // What the organiser sells stands in the log, with whoever sold it.
    let placed = (!order.tender.is_offline())
        .then(|| Happened::at(order.placed_ms, zone, "Order placed", buyer()));
    let mut story: Vec<Happened> = placed.into_iter().collect();
    for tried in order.payment.iter().flat_map(|payment| &payment.attempts) {
        // Before it was written down, it was unknown.
        if tried.begun_ms > 0 {
            let what = format!("Attempt {} to pay", tried.number);
            let told = Happened::at(tried.begun_ms, zone, what, buyer());
            story.push(Happened { detail: format!("It {}", attempt(&tried.state)), ..told });
        }
    }
    for mail in mails.iter().rev() {
        let what = format!("Mail: {}", letter(&mail.subject));
        let told = Happened::at(mail.ended_ms.unwrap_or(mail.owed_ms), zone, what, system());
        story.push(Happened { detail: format!("It {}", self::mail(mail).0), ..told });
    }
    // Both come with the newest first; what happened at one moment stays in its order.
    story.extend(log.iter().rev().map(|line| Happened::logged(line, zone)));
    story.sort_by_key(|happened| happened.at_ms);
    story
}
