//! Every no that a person or a program can get: what happened, whether money moved, what to do.

use crate::admission::{Reason, Refused};
use crate::metrics::code;
use crate::store::Fault;
use crate::text::{begin, cut, end};
use crate::when;
use crate::writer::NoReply;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::{OrderState, Refusal, TimeMs};

/// How many bytes of an error that may quote a client are repeated to it.
const QUOTED: usize = 400;

/// The codes of what is answered to requests about an order that may have a payment.
const OF_AN_ORDER: [&str; 10] = [
    "already_paid",
    "canceled",
    "declined",
    "nothing_to_refund",
    "not_paid",
    "payment_under_way",
    "refund_too_large",
    "refund_under_way",
    "too_many_attempts",
    "unavailable",
];

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

    /// What was sent is no JSON, or not the JSON that is expected. The error may quote what was sent.
    pub fn malformed(what: &str, error: &serde_json::Error) -> Problem {
        let error = error.to_string();
        let error = if error.len() <= QUOTED {
            error
        } else {
            // What is wrong is said at the beginning, and where at the end.
            let (begin, end) = (begin(&error, QUOTED / 2), end(&error, QUOTED / 2));
            format!("{begin} … {end}")
        };
        Problem::invalid(format!("{what}: {error}."))
    }

    /// Webhooks are not taken, for anybody could send them.
    pub fn no_webhooks() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "Webhooks are not set up here",
            "Set NTS_STRIPE_WEBHOOK_SECRET to the secret of this endpoint (whsec_…) and start again. \
             Nothing was done; payments settle without webhooks as well.",
        )
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

    /// A page of another site made a browser send this.
    pub fn cross_site() -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "This came from another site",
            "Another site's page made your browser send this, so it was not done. If you wanted it, \
             open this box office's own page and do it there.",
        )
    }
    /// Old routes: who pays must show the secret that the form of the reservation carries. The same is
    /// said of every name, so that nobody learns from it who has reserved or paid.
    pub fn form_needed() -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "form_needed",
            "Paying needs the form that the reservation answered",
            "Post the form that /nts/v1/reserve answered, with all its fields: its secret shows that the \
             reservation is yours, which a name alone does not. Nothing was done and nothing was charged.",
        )
    }

    /// Old routes: the one attempt that a name alone has was declined.
    pub fn declined_once(reason: &str) -> Problem {
        let detail = format!(
            "{reason} Nothing was charged. Another attempt needs the form that the reservation answered, \
             with all its fields."
        );
        Problem::new(StatusCode::PAYMENT_REQUIRED, "declined", "The payment was declined", detail)
    }

    /// Old routes: the name's payment was declined, and who asks did not show the secret.
    pub fn declined_before(until_ms: TimeMs) -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "declined",
            "The payment for this name was declined",
            format!(
                "Nothing was charged, and the place is kept until {}. The form that the reservation \
                 answered can pay with another card.",
                when::rfc3339(until_ms)
            ),
        )
    }

    /// An idempotency key that somebody could guess.
    pub fn short_key(least: usize) -> Problem {
        Problem::invalid(format!(
            "An Idempotency-Key for an order has at least {least} characters here, because whoever sends \
             the same key and body gets the same order and its secret. Use a random one, such as a UUID. \
             Nothing was done."
        ))
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
            format!(
                "Nothing was done and nothing was charged by this request. Please try again in {again}."
            ),
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

    /// One network has more connections open than its share.
    pub fn too_many_connections() -> Problem {
        let mut problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_connections",
            "Too many connections from your network",
            "Nothing was done and nothing was charged. Close some of them, or try again in a moment.",
        );
        problem.retry_after = Some(5);
        problem
    }

    /// A request did not arrive in time.
    pub fn too_slow() -> Problem {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "The request did not arrive in time",
            "Nothing was done. Send it again.",
        )
    }

    /// The address of a request is longer than a head may be.
    pub fn address_too_long() -> Problem {
        Problem::new(
            StatusCode::URI_TOO_LONG,
            "too_large",
            "The address is too long",
            "Nothing was done. No address here is that long.",
        )
    }

    /// The head of a request is too large, or has too many fields.
    pub fn head_too_large() -> Problem {
        Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "too_large",
            "The head of the request is too large",
            "A request has at most 64 header fields and 16 kB of them here. Nothing was done.",
        )
    }

    /// A version of HTTP that is not spoken here.
    pub fn wrong_version() -> Problem {
        Problem::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "wrong_version",
            "This version of HTTP is not spoken here",
            "Send the request with HTTP/1.1. Nothing was done.",
        )
    }

    fn not_now(title: &'static str, detail: String, again_s: u32) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail);
        problem.retry_after = Some(again_s);
        problem
    }

    /// Whether money was moved, as our pages say it.
    pub fn money_words(&self) -> &'static str {
        match self.money_moved {
            // Of an order that may have been paid before, only the request can be told of.
            "no" if OF_AN_ORDER.contains(&self.code) => "No money was moved by this request.",
            "no" => "No money was moved.",
            "yes" => "The money was moved.",
            _ => "We do not know yet whether money was moved; it cannot be moved twice.",
        }
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
            NoReply::OverBudget(refused) => refused.into(),
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
                "Nothing was done and nothing was charged by this request. Please try again in a moment.",
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

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        const NETWORK: &str =
            "This limit is for a whole network: all who use your connection share it.";
        let Refused { reason, most, again_s } = refused;
        let again = in_time(again_s);
        let (title, detail) = match reason {
            Reason::Holds => (
                "Too many requests for places from your network",
                format!("Nothing was held by this request. Please try again in {again}. {NETWORK}"),
            ),
            Reason::Places => (
                "Your network holds too many unpaid places",
                format!(
                    "Nothing more was held. At most {most} places here can be unpaid at a time from one \
                     network: pay what you hold or give it back, or try again in {again}. {NETWORK}"
                ),
            ),
            Reason::EmailPlaces => (
                "This e-mail address holds too many unpaid places",
                format!(
                    "Nothing more was held. At most {most} places here can be unpaid at a time for one \
                     buyer: pay what you hold or give it back, or try again in {again}."
                ),
            ),
            Reason::Payments => (
                "Too many attempts to pay from your network",
                format!("This attempt was not begun. Please try again in {again}. {NETWORK}"),
            ),
            Reason::Declines => (
                "Too many payments from your network were declined",
                format!("This attempt was not begun. Please try again in {again}. {NETWORK}"),
            ),
            Reason::EmailDeclines => (
                "Too many payments of this buyer were declined",
                format!("This attempt was not begun. Please try again in {again}."),
            ),
            Reason::Paced => (
                "Please wait before you try to pay again",
                format!(
                    "Very many payments are being declined at the moment, and one of yours or of your \
                     network was. This attempt was not begun. Please try again in {again}."
                ),
            ),
            Reason::Lookups => (
                "Too many requests from your network",
                format!("Nothing was changed. Please try again in {again}. {NETWORK}"),
            ),
        };
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut problem = Problem::new(status, "too_many_requests", title, detail);
        problem.retry_after = Some(again_s);
        problem
    }
}

/// A number of seconds in words.
fn in_time(seconds: u32) -> String {
    match (seconds / 60, seconds % 60) {
        (0, 1) => "a second".into(),
        (0, seconds) => format!("{seconds} seconds"),
        (1, 0) => "a minute".into(),
        (minutes, 0) => format!("{minutes} minutes"),
        (minutes, _) => format!("{} minutes", minutes + 1),
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
        let is_being_canceled =
            matches!(refusal, Refusal::PaymentExpired | Refusal::Canceled(OrderState::Canceling));
        let (status, title, detail) = words(refusal);
        let mut problem = Problem::new(status, code, title, detail);
        if matches!(code, "already_paid" | "not_paid" | "refund_under_way" | "nothing_to_refund") {
            problem.detail += " No money was moved by this request.";
        }
        if is_being_canceled {
            problem.money_moved = "unknown";
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
        Refusal::SoldOut { ticket_type, left: 0, held: 0 } => (
            S::CONFLICT,
            "Sold out",
            format!("“{}” is sold out. Nothing was held.", shorten(&ticket_type)),
        ),
        Refusal::SoldOut { ticket_type, left: 0, held } => (
            S::CONFLICT,
            "Sold out",
            format!(
                "No place is left for “{}” right now. {}",
                shorten(&ticket_type),
                may_come_back(held)
            ),
        ),
        Refusal::SoldOut { ticket_type, left, held } => {
            let mut detail = format!(
                "Only {left} left for “{}”. Nothing was held; order fewer.",
                shorten(&ticket_type)
            );
            if held > 0 {
                detail = format!("{detail} {}", may_come_back(held));
            }
            (S::CONFLICT, "Not enough places", detail)
        }
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
        Refusal::PaymentExpired => (
            S::GONE,
            "The time is over",
            format!("{BEING_CANCELED} You can order again."),
        ),
        Refusal::PaymentUnderWay => (
            S::CONFLICT,
            "A payment is under way",
            "The attempt before is not decided yet; nothing was tried now. Look at the order in a moment.".into(),
        ),
        Refusal::TooManyAttempts { most, until_ms } => (
            S::CONFLICT,
            "Too many attempts to pay",
            format!(
                "{most} cards were tried for this order, and it takes no more. Give its places back, or \
                 leave them until {}, when they go back by themselves; then you can order again.",
                when::rfc3339(until_ms)
            ),
        ),
        Refusal::AlreadyPaid => (
            S::CONFLICT,
            "No more is to be paid",
            "The payment of this order is approved or done; it was not tried again. The order's page \
             tells how it stands."
                .into(),
        ),
        Refusal::Canceled(state) => {
            let what = match state {
                OrderState::Canceling => BEING_CANCELED,
                OrderState::Refunded => "It was refunded.",
                OrderState::Void => "Its places went back on sale.",
                _ => "It is released: its places went back on sale.",
            };
            let detail = format!(
                "{what} Nothing was tried now. The order's page tells what became of its money, if any \
                 was moved. You can order again."
            );
            (S::GONE, "This order is over", detail)
        }
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

/// What is said of a payment that is given up while it may still be approved.
pub const BEING_CANCELED: &str = "The payment that was begun is being cancelled. If your bank shows a \
                                  reservation of the amount, it is released. Should the money have been \
                                  taken already, the order's page says what became of it.";

fn may_come_back(held: u32) -> String {
    let places = if held == 1 { "1 place is".into() } else { format!("{held} places are") };
    format!("{places} held by others; what they do not pay comes back within minutes.")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

/// What a client sent is repeated to it in short only.
fn shorten(text: &str) -> String {
    let short = cut(text);
    if short.len() < text.len() { format!("{short}…") } else { short.to_owned() }
}
