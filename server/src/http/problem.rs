//! Every no that a person or a program can get: what happened, whether money moved, what to do.

use crate::access::Denied;
use crate::accounts::own::NotChanged;
use crate::admission::{Reason, Refused};
use crate::http::office::lead::Refusal as Mark;
use crate::http::speaks::here;
use crate::language::{Lang, Words};
use crate::problem_code;
use crate::text::{begin, end};
use crate::when;
use crate::writer::CommandError;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::{OrderState, Refusal, TimeMs};
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
    /// The language of the request. What only programmers and organisers can cause is told in English all the
    /// same.
    pub lang: Lang,
}

impl Problem {
    /// A problem by which no money moved, with the usual title and status of its code.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Problem {
        let lang = here();
        Problem {
            status: StatusCode::from_u16(code.status()).expect("a status of HTTP"),
            code,
            title: lang.problem_title(code).into_owned(),
            detail: detail.into(),
            money_moved: MoneyMoved::No,
            retry_after: None,
            lang,
        }
    }

    /// The same with a more exact title.
    pub fn titled(mut self, title: impl Into<String>) -> Problem {
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

    /// Nobody is signed in, or is not any more.
    pub fn not_signed_in() -> Problem {
        Problem::new(
            ProblemCode::Unauthorized,
            "Nothing was done. Please sign in, and do it again.",
        )
        .titled("You are not signed in")
    }

    /// Somebody who is signed in must sign in once more.
    pub fn sign_in_again() -> Problem {
        Problem::new(
            ProblemCode::SignInAgain,
            "You signed in a while ago. Please sign in once more. Nothing was done.",
        )
    }

    /// Something of the office is no more.
    pub fn no_more(what: &str) -> Problem {
        Problem::new(
            ProblemCode::NotFound,
            format!("There is no such {what} any more. Nothing was done."),
        )
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

    /// An order has had so many addresses lately that it gets no other one now.
    pub fn readdressed_lately(at_ms: TimeMs, now: TimeMs) -> Problem {
        let at = when::rfc3339(at_ms);
        let mut problem = Problem::mailed_lately(at_ms, now);
        problem.detail = format!(
            "The address of this order was changed several times within a day. It can be changed again at {at}, \
             or by the organiser at once."
        );
        problem
    }

    /// There are no tickets to send, or nowhere to send them.
    pub fn nothing_to_send() -> Problem {
        let detail = "The order has no valid tickets, or no e-mail address. Nothing was sent.";
        Problem::new(ProblemCode::NothingToSend, detail)
    }

    /// A key was sent that opens nothing.
    pub fn wrong_key() -> Problem {
        Problem::new(
            ProblemCode::Unauthorized,
            "What was sent as the bearer token is neither an API key that has not ended nor the organiser's key of \
             this server, which is what NTS_ORGANISER_KEY says there, or what its first start printed. Nothing was \
             done.",
        )
        .titled("The key is wrong")
    }

    /// Who asks has no role for it, or must sign in once more.
    pub fn denied(denied: Denied) -> Problem {
        match denied {
            Denied::Role(right) => Problem::new(
                ProblemCode::NotAllowed,
                format!(
                    "Your role does not allow you to {} here. Nothing was done. The owner of the shop can give \
                     you another role.",
                    right.what()
                ),
            ),
            Denied::NotRecent(right) => Problem::new(
                ProblemCode::SignInAgain,
                format!(
                    "You signed in a while ago. To {}, please sign in once more. Nothing was done.",
                    right.what()
                ),
            ),
        }
    }

    /// A page of another site made a browser send this.
    pub fn cross_site() -> Problem {
        Problem::new(ProblemCode::CrossSite, here().cross_site())
    }

    /// No page is at this address.
    pub fn no_page() -> Problem {
        Problem::new(ProblemCode::NotFound, here().address_wrong())
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
        let lang = here();
        let (reason, then) = (lang.decline_reason(reason), lang.another_needs_form());
        Problem::new(ProblemCode::Declined, format!("{reason} {then}"))
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
        let lang = here();
        let detail = lang.busy(&lang.in_time(again_s));
        Problem::not_now(lang.problem_title(ProblemCode::Busy), detail, again_s)
    }

    /// More come to look than can be served; the page asks again by itself after so many seconds.
    pub fn crowded(again_s: u32) -> Problem {
        let lang = here();
        let detail = lang.crowded(&lang.seconds(again_s.into()));
        Problem::not_now(lang.many_want_to_see(), detail, again_s)
    }

    /// One network has more connections open than its share.
    pub fn too_many_connections() -> Problem {
        let mut problem = Problem::new(ProblemCode::TooManyConnections, here().close_connections());
        problem.retry_after = Some(5);
        problem
    }

    /// A request did not arrive in time.
    pub fn too_slow() -> Problem {
        Problem::new(ProblemCode::TooSlow, here().send_again())
    }

    /// The address of a request is longer than a head may be.
    pub fn address_too_long() -> Problem {
        let lang = here();
        Problem::new(ProblemCode::TooLarge, lang.no_address_that_long())
            .titled(lang.address_too_long())
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

    fn not_now(title: Words, detail: Words, again_s: u32) -> Problem {
        let mut problem = Problem::new(ProblemCode::Busy, detail).titled(title);
        problem.retry_after = Some(again_s);
        problem
    }

    /// Whether money was moved, as our pages say it. Nothing where nobody would ask.
    pub fn money_words(&self) -> Option<Words> {
        let words = match self.money_moved {
            // Of an order that may have been paid before, only the request can be told of.
            MoneyMoved::No if OF_AN_ORDER.contains(&self.code) => {
                self.lang.no_money_by_this_request()
            }
            MoneyMoved::No if ABOUT_MONEY.contains(&self.code) => self.lang.no_money(),
            MoneyMoved::No => return None,
            MoneyMoved::Yes => self.lang.money_moved(),
            MoneyMoved::Unknown => self.lang.money_unknown(),
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
        response.extensions_mut().insert(Mark::of(&self));
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

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        Problem::denied(denied)
    }
}

impl From<NotChanged> for Problem {
    fn from(no: NotChanged) -> Problem {
        match no {
            NotChanged::NotRecent => Problem::sign_in_again(),
            NotChanged::Flaw(flaw) => Problem::invalid(flaw),
            NotChanged::Gone => Problem::no_more("thing"),
            NotChanged::SessionEnded => Problem::not_signed_in(),
            NotChanged::Denied(denied) => denied.into(),
            NotChanged::Busy => Problem::busy(1),
            NotChanged::Failed(no) => no.into(),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(no: CommandError) -> Problem {
        let lang = here();
        let trouble = |code, detail: Words| {
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
            CommandError::Unavailable => trouble(ProblemCode::Unavailable, lang.unavailable()),
            CommandError::NoAnswer => trouble(ProblemCode::Unavailable, lang.database_silent()),
            CommandError::Stopped => trouble(ProblemCode::Unavailable, lang.sale_stopped()),
            CommandError::InDoubt => {
                let mut p = trouble(ProblemCode::InDoubt, lang.in_doubt());
                p.money_moved = MoneyMoved::Unknown;
                p
            }
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let Refused { reason, most, again_s } = refused;
        let (lang, most) = (here(), most.into());
        let again = &lang.in_time(again_s);
        let (title, detail) = match reason {
            Reason::Holds => (lang.too_many_hold_requests(), lang.nothing_held(again)),
            Reason::Places => {
                (lang.network_holds_too_many(), lang.most_unpaid_of_network(most, again))
            }
            Reason::EmailPlaces => {
                (lang.address_holds_too_many(), lang.most_unpaid_of_buyer(most, again))
            }
            Reason::Payments => (lang.too_many_tries_to_pay(), lang.attempt_not_begun(again)),
            Reason::Declines => (lang.too_many_declined(), lang.attempt_not_begun(again)),
            Reason::EmailDeclines => {
                (lang.too_many_of_buyer_declined(), lang.attempt_not_begun(again))
            }
            Reason::Paced => {
                let why = lang.many_are_declined();
                let detail = format!("{why} {}", lang.attempt_not_begun(again));
                (lang.wait_before_paying(), detail.into())
            }
            Reason::Lookups => {
                (lang.problem_title(ProblemCode::TooManyRequests), lang.nothing_was_changed(again))
            }
            Reason::SignIns => (
                "Too many attempts to sign in".into(),
                format!("Nothing was done. Try again {again}, or sign in by a link sent by mail.")
                    .into(),
            ),
            Reason::Codes => (lang.too_many_wrong_codes(), lang.code_not_tried(again)),
            Reason::Lost => {
                (lang.problem_title(ProblemCode::TooManyRequests), lang.no_mail_was_sent(again))
            }
        };
        let of_network =
            !matches!(reason, Reason::EmailPlaces | Reason::EmailDeclines | Reason::Paced);
        let mut detail = detail.into_owned();
        if of_network {
            detail = format!("{detail} {}", lang.limit_of_network());
        }
        let mut problem = Problem::new(ProblemCode::TooManyRequests, detail).titled(title);
        problem.retry_after = Some(again_s);
        problem
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let code = problem_code::of(&refusal);
        let is_being_canceled =
            matches!(refusal, Refusal::PaymentExpired | Refusal::Canceled(OrderState::Canceling));
        let lang = here();
        let title = lang.refused_title(&refusal).unwrap_or_else(|| lang.problem_title(code));
        let detail = lang.refused(&refusal, when::rfc3339);
        let mut problem = Problem::new(code, detail).titled(title);
        if matches!(
            code,
            ProblemCode::AlreadyPaid
                | ProblemCode::NotPaid
                | ProblemCode::RefundUnderWay
                | ProblemCode::NothingToRefund
        ) {
            problem.detail = format!("{} {}", problem.detail, lang.no_money_by_this_request());
        }
        if is_being_canceled {
            problem.money_moved = MoneyMoved::Unknown;
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_ask_again_is_told_when() {
        for (at_ms, seconds) in
            [(10_000, 1), (10_001, 1), (11_000, 1), (11_001, 2), (70_000, 60), (0, 1)]
        {
            for no in
                [Problem::mailed_lately(at_ms, 10_000), Problem::readdressed_lately(at_ms, 10_000)]
            {
                assert_eq!(no.retry_after, Some(seconds), "{at_ms}: {no:?}");
                assert!(no.detail.contains(&when::rfc3339(at_ms)), "{no:?}");
            }
        }
        for reason in [
            Reason::Holds,
            Reason::Places,
            Reason::EmailPlaces,
            Reason::Payments,
            Reason::Declines,
            Reason::EmailDeclines,
            Reason::Paced,
            Reason::Lookups,
            Reason::SignIns,
            Reason::Codes,
            Reason::Lost,
        ] {
            let no = Problem::from(Refused { reason, most: 3, again_s: 7 });
            assert_eq!(
                (no.status, no.retry_after),
                (StatusCode::TOO_MANY_REQUESTS, Some(7)),
                "{no:?}"
            );
            assert!(no.detail.contains("7 seconds"), "{no:?}");
            let of_network = no.detail.ends_with(&*here().limit_of_network());
            let of_one =
                matches!(reason, Reason::EmailPlaces | Reason::EmailDeclines | Reason::Paced);
            assert_eq!(of_network, !of_one, "{no:?}");
        }
        for (no, again_s) in [
            (CommandError::Busy, Some(1)),
            (CommandError::Late, Some(1)),
            (CommandError::Unavailable, Some(1)),
            (CommandError::NoAnswer, Some(1)),
            (CommandError::Stopped, Some(1)),
            (CommandError::InDoubt, Some(1)),
            (CommandError::Running, Some(1)),
            (CommandError::KeyReused, None),
            (CommandError::Refused(Refusal::UnknownOrder), None),
        ] {
            let told = format!("{no:?}");
            assert_eq!(Problem::from(no).retry_after, again_s, "{told}");
        }
    }

    /// What is answered has the same in its headers, and the mark by which the office leads to a page.
    #[test]
    fn an_answer_has_what_its_problem_says() {
        for no in [Problem::busy(3), Problem::not_signed_in(), Problem::no_page()] {
            let (code, status, again_s) = (no.code, no.status, no.retry_after);
            let response = no.into_response();
            let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(response.status(), status);
            assert_eq!(header(header::RETRY_AFTER), again_s.map(|s| s.to_string()).as_deref());
            let asks = status == StatusCode::UNAUTHORIZED;
            assert_eq!(header(header::WWW_AUTHENTICATE), asks.then_some("Bearer"));
            assert!(response.extensions().get::<Mark>().is_some_and(|mark| mark.0 == code));
        }
    }
}
