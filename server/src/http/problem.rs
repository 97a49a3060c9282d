//! Every no that a person or a program can get: what happened, whether money moved, what to do.

use crate::admission::{Reason, Refused};
use crate::language::Lang;
use crate::problem_code;
use crate::text::{begin, counted, cut, end};
use crate::when;
use crate::writer::CommandError;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::{AddressFixed, OrderState, Refusal, TimeMs};
use nts_api::{MoneyMoved, ProblemCode};

/// How many bytes of an error that may quote a client are repeated to it.
const QUOTED: usize = 400;

/// The codes of what is answered to requests about an order that may have a payment.
const OF_AN_ORDER: [ProblemCode; 10] = [
    ProblemCode::AlreadyPaid,
    ProblemCode::Canceled,
    ProblemCode::Declined,
    ProblemCode::NothingToRefund,
    ProblemCode::NotPaid,
    ProblemCode::PaymentUnderWay,
    ProblemCode::RefundTooLarge,
    ProblemCode::RefundUnderWay,
    ProblemCode::TooManyAttempts,
    ProblemCode::Unavailable,
];

/// The other codes of answers to somebody who wanted to pay.
const ABOUT_MONEY: [ProblemCode; 3] =
    [ProblemCode::FormNeeded, ProblemCode::NoReservation, ProblemCode::HoldExpired];

/// A problem as RFC 9457 tells it, and as our pages do.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Why, for programs.
    pub code: ProblemCode,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, and what to do next.
    pub detail: String,
    /// Whether money moved.
    pub money_moved: MoneyMoved,
    /// Seconds after which to ask again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem by which no money moved, with the usual title and status of its code.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Problem {
        Problem {
            status: StatusCode::from_u16(code.status()).expect("a status of HTTP"),
            code,
            title: code.title().into(),
            detail: detail.into(),
            money_moved: MoneyMoved::No,
            retry_after: None,
        }
    }

    /// The same with a more exact title.
    pub fn titled(mut self, title: &str) -> Problem {
        self.title = title.into();
        self
    }

    /// The same with another status of its code.
    fn with_status(mut self, status: StatusCode) -> Problem {
        assert!(self.code.statuses().contains(&status.as_u16()), "{} with {status}", self.code);
        self.status = status;
        self
    }

    /// Something in the request cannot be understood.
    pub fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(ProblemCode::Invalid, detail)
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
        Problem::new(ProblemCode::NotFound, "Set NTS_STRIPE_WEBHOOK_SECRET to the secret of this endpoint (whsec_…) and start again. \
             Nothing was done; payments settle without webhooks as well.").titled("Webhooks are not set up here")
    }

    /// There is no such order, or the secret is not its own: both look the same from outside.
    pub fn unknown_order() -> Problem {
        Refusal::UnknownOrder.into()
    }

    /// The organiser's key is missing or wrong.
    pub fn not_organiser() -> Problem {
        Problem::new(
            ProblemCode::Unauthorized,
            "Send the organiser's key: Authorization: Bearer <NTS_ORGANISER_KEY>.",
        )
        .titled("This is for the organiser")
    }

    /// The tickets can be sent again then, and not now.
    pub fn mailed_lately(at_ms: TimeMs, now: TimeMs) -> Problem {
        let at = when::rfc3339(at_ms);
        let detail = format!("Nothing was sent now. They can be sent again at {at}.");
        let mut problem = Problem::new(ProblemCode::MailedLately, detail);
        let seconds = at_ms.saturating_sub(now).max(0).unsigned_abs().div_ceil(1_000).max(1);
        problem.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        problem
    }

    /// There are no tickets to send, or nowhere to send them.
    pub fn nothing_to_send() -> Problem {
        let detail = "The order has no valid tickets, or no e-mail address. Nothing was sent.";
        Problem::new(ProblemCode::NothingToSend, detail)
    }

    /// Another key than the organiser's was sent.
    pub fn wrong_key() -> Problem {
        Problem::new(
            ProblemCode::Unauthorized,
            "What was sent as the bearer token is not the organiser's key of this server. It is what \
             NTS_ORGANISER_KEY says there, or what its first start printed. Nothing was done.",
        )
        .titled("The organiser's key is wrong")
    }

    /// A page of another site made a browser send this.
    pub fn cross_site() -> Problem {
        Problem::new(
            ProblemCode::CrossSite,
            "Another site's page made your browser send this, so it was not done. If you wanted it, \
             open this box office's own page and do it there.",
        )
    }
    /// Old routes: who pays must show the secret that the form of the reservation carries. The same is
    /// said of every name, so that nobody learns from it who has reserved or paid.
    pub fn form_needed() -> Problem {
        Problem::new(
            ProblemCode::FormNeeded,
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
        Problem::new(ProblemCode::Declined, detail)
    }

    /// Old routes: the name's payment was declined, and who asks did not show the secret.
    pub fn declined_before(until_ms: TimeMs) -> Problem {
        Problem::new(ProblemCode::Declined, format!(
                "Nothing was charged, and the place is kept until {}. The form that the reservation \
                 answered can pay with another card.",
                when::rfc3339(until_ms)
            )).titled("The payment for this name was declined").with_status(StatusCode::CONFLICT)
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
        let mut problem = Problem::new(ProblemCode::RequestRunning, detail);
        problem.money_moved = MoneyMoved::Unknown;
        problem.retry_after = Some(1);
        problem
    }

    /// Too much is waiting; it may be tried again after so many seconds.
    pub fn busy(again_s: u32) -> Problem {
        let again = match again_s {
            1 => "a second".to_owned(),
            more => counted(more, "second"),
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
                "You need not do anything: this page asks again by itself in {}. \
                 Those who have places can pay meanwhile.",
                counted(again_s, "second")
            ),
            again_s,
        )
    }

    /// One network has more connections open than its share.
    pub fn too_many_connections() -> Problem {
        let mut problem = Problem::new(
            ProblemCode::TooManyConnections,
            "Nothing was done and nothing was charged. Close some of them, or try again in a moment.",
        );
        problem.retry_after = Some(5);
        problem
    }

    /// A request did not arrive in time.
    pub fn too_slow() -> Problem {
        Problem::new(ProblemCode::TooSlow, "Nothing was done. Send it again.")
    }

    /// The address of a request is longer than a head may be.
    pub fn address_too_long() -> Problem {
        Problem::new(ProblemCode::TooLarge, "Nothing was done. No address here is that long.")
            .titled("The address is too long")
            .with_status(StatusCode::URI_TOO_LONG)
    }

    /// The head of a request is too large, or has too many fields.
    pub fn head_too_large() -> Problem {
        Problem::new(
            ProblemCode::TooLarge,
            "A request has at most 64 header fields and 16 kB of them here. Nothing was done.",
        )
        .titled("The head of the request is too large")
        .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    }

    /// A version of HTTP that is not spoken here.
    pub fn wrong_version() -> Problem {
        Problem::new(ProblemCode::WrongVersion, "Send the request with HTTP/1.1. Nothing was done.")
    }

    fn not_now(title: &'static str, detail: String, again_s: u32) -> Problem {
        let mut problem = Problem::new(ProblemCode::Busy, detail).titled(title);
        problem.retry_after = Some(again_s);
        problem
    }

    /// Whether money was moved, as our pages say it. Nothing where nobody would ask.
    pub fn money_words(&self) -> Option<&'static str> {
        let words = match self.money_moved {
            // Of an order that may have been paid before, only the request can be told of.
            MoneyMoved::No if OF_AN_ORDER.contains(&self.code) => {
                "No money was moved by this request."
            }
            MoneyMoved::No if ABOUT_MONEY.contains(&self.code) => "No money was moved.",
            MoneyMoved::No => return None,
            MoneyMoved::Yes => "The money was moved.",
            MoneyMoved::Unknown => {
                "We do not know yet whether money was moved; it cannot be moved twice."
            }
        };
        Some(words)
    }

    /// The body as JSON.
    pub fn json(&self) -> Vec<u8> {
        let body = nts_api::Problem {
            code: self.code,
            detail: (&self.detail).into(),
            money_moved: self.money_moved,
            status: self.status.as_u16(),
            title: (&self.title).into(),
            kind: format!("/problems/{}", self.code).into(),
        };
        serde_json::to_vec(&body).expect("a problem is JSON")
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

impl From<CommandError> for Problem {
    fn from(no: CommandError) -> Problem {
        let trouble = |code, detail: &str| {
            let mut p = Problem::new(code, detail);
            p.retry_after = Some(1);
            p
        };
        match no {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::OverBudget(refused) => refused.into(),
            CommandError::KeyReused => Problem::new(
                ProblemCode::KeyReused,
                "The key belongs to another request. Nothing was done. Use a new key.",
            ),
            CommandError::Running => Problem::still_running(),
            CommandError::Busy | CommandError::Late => Problem::busy(1),
            CommandError::Unavailable => trouble(
                ProblemCode::Unavailable,
                "Nothing was done and nothing was charged by this request. Please try again in a moment.",
            ),
            CommandError::InDoubt => {
                let mut p = trouble(
                    ProblemCode::InDoubt,
                    "Ask again with the same Idempotency-Key, or reload the order's page: \
                     you get the true answer as soon as we know it. Under that key it is not done twice.",
                );
                p.money_moved = MoneyMoved::Unknown;
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
                    "Nothing more was held. At most {} here can be unpaid at a time from one \
                     network: pay what you hold or give it back, or try again in {again}. {NETWORK}",
                    counted(most, "place")
                ),
            ),
            Reason::EmailPlaces => (
                "This e-mail address holds too many unpaid places",
                format!(
                    "Nothing more was held. At most {} here can be unpaid at a time for one buyer: pay what \
                     you hold or give it back, or try again in {again}.",
                    counted(most, "place")
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
            Reason::Lost => (
                "Too many requests from your network",
                format!("No mail was sent. Please try again in {again}. {NETWORK}"),
            ),
            Reason::Lookups => (
                "Too many requests from your network",
                format!("Nothing was changed. Please try again in {again}. {NETWORK}"),
            ),
        };
        let mut problem = Problem::new(ProblemCode::TooManyRequests, detail).titled(title);
        problem.retry_after = Some(again_s);
        problem
    }
}

/// A number of seconds in words.
fn in_time(seconds: u32) -> String {
    match (seconds / 60, seconds % 60) {
        (0, 1) => "a second".into(),
        (0, seconds) => counted(seconds, "second"),
        (1, 0) => "a minute".into(),
        (minutes, 0) => format!("{minutes} minutes"),
        (minutes, _) => format!("{} minutes", minutes + 1),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let code = problem_code::of(&refusal);
        let is_being_canceled =
            matches!(refusal, Refusal::PaymentExpired | Refusal::Canceled(OrderState::Canceling));
        let title = match refusal {
            Refusal::NotYetOnSale(_) => "Not on sale yet",
            Refusal::SaleClosed(_) => "The sale is over",
            Refusal::EventOver(_) => "The event is over",
            Refusal::SoldOut { left: 1.., .. } => "Not enough tickets",
            _ => code.title(),
        };
        let mut problem = Problem::new(code, words(refusal)).titled(title);
        if matches!(
            code,
            ProblemCode::AlreadyPaid
                | ProblemCode::NotPaid
                | ProblemCode::RefundUnderWay
                | ProblemCode::NothingToRefund
        ) {
            problem.detail += " No money was moved by this request.";
        }
        if is_being_canceled {
            problem.money_moved = MoneyMoved::Unknown;
        }
        problem
    }
}

/// What a refusal means for who asked, and what to do next.
fn words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Invalid(what) => {
            format!("{}.", capital(&what))
        }
        Refusal::UnknownEvent => "Look at the list of events for what is on sale.".into(),
        Refusal::UnknownTicketType(id) => format!("“{}” is not on offer here.", shorten(&id)),
        Refusal::UnknownOrder => "The link is incomplete, or it is not yours. Open the whole address of your order's page, or look on the event's page in the browser in which you ordered.".into(),
        Refusal::NotYetOnSale(opens) => format!("The sale opens at {}.", when::rfc3339(opens)),
        Refusal::SaleClosed(closed) => format!("It closed at {}.", when::rfc3339(closed)),
        Refusal::EventOver(ended) => format!("It ended at {}, and no tickets are sold any more.", when::rfc3339(ended)),
        Refusal::EventOrdered => "There are orders of it, so it stays. Set hidden = true to take it from the lists, or sale_closes to end its sale. Nothing was changed.".into(),
        Refusal::SoldOut { ticket_type, left: 0, held: 0 } => format!("“{}” is sold out. Nothing was reserved.", shorten(&ticket_type)),
        Refusal::SoldOut { ticket_type, left: 0, held } => format!(
                "All of “{}” are reserved at the moment. {}",
                shorten(&ticket_type),
                may_come_back(held)
            ),
        Refusal::SoldOut { ticket_type, left, held } => {
            let mut detail = format!(
                "Only {left} left of “{}”. Nothing was reserved; order fewer.",
                shorten(&ticket_type)
            );
            if held > 0 {
                detail = format!("{detail} {}", may_come_back(held));
            }
            detail
        }
        Refusal::LimitPerOrder(limit) => format!("One order has at most {} here.", counted(limit, "ticket")),
        Refusal::LimitPerBuyer { limit, has, .. } => format!("One buyer gets at most {limit} here, and you have {has} already."),
        Refusal::HoldExpired => "Your tickets went back on sale. Nothing was charged. You can order again.".into(),
        Refusal::PaymentExpired => format!("{BEING_CANCELED} You can order again."),
        Refusal::PaymentUnderWay => "The attempt before is not decided yet; nothing was tried now. Look at the order in a moment.".into(),
        Refusal::TooManyAttempts { most, until_ms } => format!(
                "{most} cards were tried for this order, and it takes no more. Cancel this reservation, or \
                 wait until {}, when it ends by itself; then you can order again.",
                when::rfc3339(until_ms)
            ),
        Refusal::AlreadyPaid => "The payment of this order is approved or done; it was not tried again. The order's page \
             tells how it stands."
                .into(),
        Refusal::Canceled(state) => {
            let what = match state {
                OrderState::Canceling => BEING_CANCELED,
                OrderState::Refunded => "It was refunded.",
                OrderState::Void => "Its tickets went back on sale.",
                _ => "It was cancelled or it has expired: its tickets went back on sale.",
            };
            let detail = format!(
                "{what} Nothing was tried now. The order's page tells what became of its money, if any \
                 was moved. You can order again."
            );
            detail
        }
        Refusal::NotDue => "Its time is not over.".into(),
        Refusal::AddressFixed(why) => match why {
            AddressFixed::NoTickets(state) => format!("It is {}: there are no tickets to be sent.", state.word()),
            AddressFixed::Erased => "The buyer's name and address were erased.".into(),
            AddressFixed::Never => "It was reserved under a name, without an address.".into(),
            AddressFixed::EventOver(ended) => format!("The event ended at {}.", when::rfc3339(ended)),
            AddressFixed::Newest => "Your other orders for this event have the same address. Change theirs first, the oldest one first.".into(),
        },
        Refusal::NotPaid(state) => format!("It is {}: there is nothing to refund.", state.word()),
        Refusal::RefundUnderWay => "Wait until it is done, then look at what is left to refund.".into(),
        Refusal::NothingToRefund => {
            "All of it is refunded already.".into()
        }
        Refusal::RefundTooLarge { ticket_type, left } => format!("Only {left} of “{}” can still be refunded.", shorten(&ticket_type)),
        Refusal::NoTickets(_) => Lang::En.ticket_not_issued().into(),
        Refusal::UnknownTicket(_) => Lang::En.ticket_number_unknown().into(),
        Refusal::TicketRevoked => Lang::En.ticket_was_refunded().into(),
        Refusal::NamesFixed(since) => Lang::En.ticket_names_fixed(&when::rfc3339(since)).into(),
        Refusal::TooManyNames(most) => Lang::En.ticket_named_often(most).into(),
        Refusal::BuyerErased => Lang::En.ticket_names_erased().into(),
        Refusal::CapacityBelowTaken { pool, taken } => format!("Of “{}”, {taken} {} held or sold; its capacity cannot be less. Nothing was changed.", shorten(&pool), if taken == 1 { "place is" } else { "places are" }),
        Refusal::CurrencyFixed => "Places are held or sold in the old currency. Nothing was changed.".into(),
        Refusal::LimitTooLate { taken, most } => format!("{taken} places are held or sold already, and a limit counts them all; on this database at most {most} can be counted while tickets are sold. Nothing was changed. Set the limit before the sale, or sell the rest as another event that has it."),
        Refusal::TagsFixed => "Places are held or sold, and their buyers are counted as the event says now. Leave ignore_email_tags as it is. Nothing was changed.".into(),
        Refusal::PoolFixed(id) => format!("“{}” draws on another pool. Give the new one an id of its own. If nobody ever ordered, you can also delete the event and make it anew. Nothing was changed.", shorten(&id)),
        Refusal::TooManyParts => "The event has had too many pools or ticket types in its life. Make a new event.".into(),
    }
}

/// What is said of a payment that is given up while it may still be approved.
pub const BEING_CANCELED: &str = "The payment that was begun is being cancelled. If your bank shows a \
                                  reservation of the amount, it is released. Should the money have been \
                                  taken already, the order's page says what became of it.";

fn may_come_back(held: u32) -> String {
    let places = if held == 1 { "1 place is".into() } else { format!("{held} places are") };
    format!("{places} reserved and not paid yet; some may come back.")
}

/// The text with its first letter in upper case.
pub(in crate::http) fn capital(text: &str) -> String {
    // The name of a field is written as it is.
    let first = text.split(' ').next().unwrap_or_default();
    if first.contains('_') || first.ends_with(':') {
        return text.into();
    }
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

/// What a client sent is repeated to it in short only.
fn shorten(text: &str) -> String {
    let short = cut(text);
    if short.len() < text.len() { format!("{short}…") } else { short.to_owned() }
}
