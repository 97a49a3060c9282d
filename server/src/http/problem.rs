//! Every no that a person or a program can get: what happened, whether money moved, what to do.

use crate::metrics::code;
use crate::store::Fault;
use crate::when;
use crate::writer::NoReply;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::Refusal;

/// A problem as RFC 9457 tells it, and as our pages do.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, and what to do next.
    pub detail: String,
    /// Whether money moved: `no`, `yes` or `unknown`.
    pub money_moved: &'static str,
    /// Seconds after which to ask again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem by which no money moved.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: impl Into<String>,
        detail: impl Into<String>,
    ) -> Problem {
        let (title, detail) = (title.into(), detail.into());
        Problem { status, code, title, detail, money_moved: "no", retry_after: None }
    }

    /// Something in the request cannot be understood.
    pub fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "invalid", "This cannot be understood", detail)
    }

    /// There is no such event.
    pub fn unknown_event() -> Problem {
        Refusal::UnknownEvent.into()
    }

    /// There is no such order, or the secret is not its own: both look the same from outside.
    pub fn unknown_order() -> Problem {
        Refusal::UnknownOrder.into()
    }

    /// The organiser's key is missing or wrong.
    pub fn not_organiser() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "This is for the organiser",
            "Send the organiser's key: Authorization: Bearer <NTS_ORGANISER_KEY>.",
        )
    }

    /// The same request is being answered at this moment.
    pub fn still_running() -> Problem {
        let detail = "The request with this Idempotency-Key is still being answered. \
                      Ask again in a second with the same key.";
        let mut problem =
            Problem::new(StatusCode::CONFLICT, "request_running", "Still running", detail);
        problem.money_moved = "unknown";
        problem.retry_after = Some(1);
        problem
    }

    /// Too much is waiting; it may be tried again after so many seconds.
    pub fn busy(again_s: u32) -> Problem {
        let again = match again_s {
            1 => "a second".to_owned(),
            more => format!("{more} seconds"),
        };
        Problem::not_now(
            "Very many people are buying right now",
            format!("Nothing was done and nothing was charged. Please try again in {again}."),
            again_s,
        )
    }

    /// More come to look than can be served; the page asks again by itself after so many seconds.
    pub fn crowded(again_s: u32) -> Problem {
        Problem::not_now(
            "Very many people want to see this right now",
            format!(
                "You need not do anything: this page asks again by itself in {again_s} seconds. \
                 Those who have places can pay meanwhile."
            ),
            again_s,
        )
    }

    fn not_now(title: &'static str, detail: String, again_s: u32) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail);
        problem.retry_after = Some(again_s);
        problem
    }

    /// The body as JSON.
    pub fn json(&self) -> Vec<u8> {
        let body = serde_json::json!({
            "type": format!("about:blank#{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "money_moved": self.money_moved,
        });
        body.to_string().into_bytes()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/problem+json")], self.json())
                .into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<NoReply> for Problem {
    fn from(no: NoReply) -> Problem {
        let trouble = |code, title: &str, detail: &str| {
            let mut p = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail);
            p.retry_after = Some(1);
            p
        };
        match no {
            NoReply::Refused(refusal) => refusal.into(),
            NoReply::KeyReused => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key_reused",
                "This Idempotency-Key was used for something else",
                "The key belongs to another request. Nothing was done. Use a new key.",
            ),
            NoReply::Running => Problem::still_running(),
            NoReply::Busy | NoReply::Late => Problem::busy(1),
            NoReply::Unavailable => trouble(
                "unavailable",
                "We cannot record anything right now",
                "Nothing was done and nothing was charged. Please try again in a moment.",
            ),
            NoReply::InDoubt => {
                let mut p = trouble(
                    "in_doubt",
                    "We do not know yet whether this was recorded",
                    "Ask again with the same Idempotency-Key, or reload the order's page: \
                     you get the true answer as soon as we know it. It cannot be done twice.",
                );
                p.money_moved = "unknown";
                p
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        tracing::error!(%fault, "a question to the database failed");
        NoReply::Unavailable.into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let code = code(&refusal);
        let (status, title, detail) = words(refusal);
        let mut problem = Problem::new(status, code, title, detail);
        if matches!(code, "already_paid" | "not_paid" | "refund_under_way" | "nothing_to_refund") {
            problem.detail += " No money was moved by this request.";
        }
        problem
    }
}

/// A refusal in words.
fn words(refusal: Refusal) -> (StatusCode, &'static str, String) {
    use StatusCode as S;
    match refusal {
        Refusal::Invalid(what) => {
            (S::BAD_REQUEST, "This cannot be understood", format!("{}.", capital(&what)))
        }
        Refusal::UnknownEvent => (
            S::NOT_FOUND,
            "There is no such event",
            "Look at the list of events for what is on sale.".into(),
        ),
        Refusal::UnknownTicketType(id) => (
            S::NOT_FOUND,
            "There is no such ticket",
            format!("“{}” is not on offer here.", shorten(&id)),
        ),
        Refusal::UnknownOrder => (
            S::NOT_FOUND,
            "There is no such order",
            "The link is incomplete, or it is not yours. Open the link that you got when you ordered.".into(),
        ),
        Refusal::NotYetOnSale(opens) => (
            S::CONFLICT,
            "Not on sale yet",
            format!("The sale opens at {}.", when::rfc3339(opens)),
        ),
        Refusal::SaleClosed(closed) => (
            S::CONFLICT,
            "The sale is over",
            format!("It closed at {}.", when::rfc3339(closed)),
        ),
        Refusal::SoldOut { ticket_type, left: 0 } => (
            S::CONFLICT,
            "Sold out",
            format!(
                "No place is left for “{}” right now. Places that others hold and do not pay come back within minutes.",
                shorten(&ticket_type)
            ),
        ),
        Refusal::SoldOut { ticket_type, left } => (
            S::CONFLICT,
            "Not enough places",
            format!("Only {left} left for “{}”. Nothing was held; order fewer.", shorten(&ticket_type)),
        ),
        Refusal::LimitPerOrder(limit) => (
            S::CONFLICT,
            "Too many tickets",
            format!("One order has at most {limit} tickets here."),
        ),
        Refusal::LimitPerBuyer { limit, has, .. } => (
            S::CONFLICT,
            "Too many tickets",
            format!("One buyer gets at most {limit} here, and you have {has} already."),
        ),
        Refusal::HoldExpired => (
            S::GONE,
            "The time is over",
            "Your places went back on sale. Nothing was charged. You can order again.".into(),
        ),
        Refusal::PaymentUnderWay => (
            S::CONFLICT,
            "A payment is under way",
            "The first attempt is not decided yet; it was not tried again. Look at the order in a moment.".into(),
        ),
        Refusal::AlreadyPaid => (
            S::CONFLICT,
            "This is paid already",
            "The tickets are yours; look at the order's page.".into(),
        ),
        Refusal::Canceled(state) => (
            S::GONE,
            "This order is over",
            format!("It is {}. Nothing more will be charged. You can order again.", state.word()),
        ),
        Refusal::NotDue => (S::CONFLICT, "Not yet", "Its time is not over.".into()),
        Refusal::NotPaid(state) => (
            S::CONFLICT,
            "This order is not paid",
            format!("It is {}: there is nothing to refund.", state.word()),
        ),
        Refusal::RefundUnderWay => (
            S::CONFLICT,
            "A refund is under way",
            "Wait until it is done, then look at what is left to refund.".into(),
        ),
        Refusal::NothingToRefund => {
            (S::CONFLICT, "Nothing to refund", "All of it is refunded already.".into())
        }
        Refusal::RefundTooLarge { ticket_type, left } => (
            S::CONFLICT,
            "More than can be refunded",
            format!("Only {left} of “{}” can still be refunded.", shorten(&ticket_type)),
        ),
        Refusal::CapacityBelowTaken { pool, taken } => (
            S::CONFLICT,
            "The pool would be oversold",
            format!("{taken} places of “{}” are held or sold; its capacity cannot be less. Nothing was changed.", shorten(&pool)),
        ),
        Refusal::CurrencyFixed => (
            S::CONFLICT,
            "The currency cannot change now",
            "Places are held or sold in the old currency. Nothing was changed.".into(),
        ),
        Refusal::LimitTooLate { taken, most } => (
            S::CONFLICT,
            "The limit per buyer comes too late",
            format!("{taken} places are held or sold already, and a limit counts them all; on this database at most {most} can be counted while tickets are sold. Nothing was changed. Set the limit before the sale, or sell the rest as another event that has it."),
        ),
        Refusal::TagsFixed => (
            S::CONFLICT,
            "What counts as one buyer cannot change now",
            "Places are held or sold, and their buyers are counted as the event says now. Leave ignore_email_tags as it is. Nothing was changed.".into(),
        ),
        Refusal::PoolFixed(id) => (
            S::CONFLICT,
            "A ticket type cannot move to another pool",
            format!("“{}” draws on another pool. Give the new one an id of its own. Nothing was changed.", shorten(&id)),
        ),
        Refusal::TooManyParts => (
            S::CONFLICT,
            "Too many parts",
            "The event has had too many pools or ticket types in its life. Make a new event.".into(),
        ),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

/// What a client sent is repeated to it in short only.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(64).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
