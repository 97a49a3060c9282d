//! Problems: answers to requests that were not done, as RFC 9457 describes them.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use utoipa::ToSchema;

/// Makes [`ProblemCode`] and all that is known of each code from one list. An entry is the variant,
/// its text on the wire, the HTTP statuses it comes with (the usual one first), its title, and what
/// it means in one or two sentences, which are also its documentation.
macro_rules! problem_codes {
    ($($variant:ident = $text:literal, [$usual:literal $(, $other:literal)*], $title:literal, $meaning:literal;)*) => {
        /// Why a request was not done: the member `code` of a problem. Programs decide by it;
        /// titles and details are for people and may change.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ToSchema)]
        pub enum ProblemCode {
            $(#[doc = $meaning] #[schema(rename = $text)] $variant,)*
        }

        impl ProblemCode {
            /// All codes, in the order of the enum.
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$variant,)*];

            /// The code's text on the wire: lower case, words joined by `_`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ProblemCode::$variant => $text,)*
                }
            }

            /// The code with this text; `None` if there is none.
            pub fn parse(text: &str) -> Option<ProblemCode> {
                match text {
                    $($text => Some(ProblemCode::$variant),)*
                    _ => None,
                }
            }

            /// The HTTP statuses that answers with this code have. The usual one is first.
            pub const fn statuses(self) -> &'static [u16] {
                match self {
                    $(ProblemCode::$variant => &[$usual $(, $other)*],)*
                }
            }

            /// What happened, in a few words. An answer may have a more exact title.
            pub const fn title(self) -> &'static str {
                match self {
                    $(ProblemCode::$variant => $title,)*
                }
            }

            /// What the code means, in one or two sentences.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(ProblemCode::$variant => $meaning,)*
                }
            }
        }
    };
}

problem_codes! {
    // The request itself.
    Invalid = "invalid", [400], "Please check what you sent",
        "The request is malformed, or one of its values is out of range. The detail says which.";
    Unauthorized = "unauthorized", [401], "A key or a secret is missing",
        "The request needs the organiser's key or the order's secret as its bearer token.";
    NotFound = "not_found", [404], "There is nothing here",
        "Nothing is served at this address.";
    WrongMethod = "wrong_method", [405], "This address does not do that",
        "The address exists, but not for the method of the request.";
    TooSlow = "too_slow", [408], "The request did not arrive in time",
        "The server stopped waiting for the rest of the request. Send it again.";
    TooLarge = "too_large", [413, 414, 431], "The request is too large",
        "The body (413), the address (414) or the header (431) of the request is larger than the \
         server accepts.";
    WrongType = "wrong_type", [415], "The content type is not the expected one",
        "The Content-Type of the request is not the one that this address takes.";
    WrongVersion = "wrong_version", [505], "This version of HTTP is not spoken here",
        "Send the request with HTTP/1.1.";
    NotAllowed = "not_allowed", [403], "You may not do this",
        "The key or the account has no role that allows it, or not for this event. The owner of the shop gives roles.";
    SignInAgain = "sign_in_again", [403], "Please sign in once more",
        "Who refunds, erases buyers or gives access must have signed in a short while ago. API keys need not.";
    CrossSite = "cross_site", [403], "This came from another site",
        "A browser sent the request from a page of another site.";
    BadSignature = "bad_signature", [400], "This is not from Stripe, or it is too old",
        "The Stripe-Signature header of a webhook does not fit its body, the endpoint's secret and \
         the time.";

    // Idempotency keys.
    KeyReused = "key_reused", [422], "This Idempotency-Key was used for something else",
        "Another request was sent with the same Idempotency-Key. Use a new key.";
    RequestRunning = "request_running", [409], "Still running",
        "The request with this Idempotency-Key is still being answered. Ask again in a second with \
         the same key.";

    // Limits, and what the server cannot do now.
    TooManyRequests = "too_many_requests", [429], "Too many requests from your network",
        "The client, its network or the e-mail address has used up one of its limits. Retry-After \
         says when to try again.";
    TooManyConnections = "too_many_connections", [429], "Too many connections from your network",
        "One network has more connections open than its share. Close some, or try again later.";
    Busy = "busy", [503], "Very many people are buying right now",
        "The server is overloaded. Nothing was done; Retry-After says when to try again.";
    Unavailable = "unavailable", [503], "We cannot record anything right now",
        "The database cannot be reached. Nothing was done; try again in a moment.";
    InDoubt = "in_doubt", [503], "We do not know yet whether this was recorded",
        "The outcome of the request is not known yet. Ask again with the same Idempotency-Key, or \
         look at the order: under that key it is not done twice.";
    NotReady = "not_ready", [503], "Not ready",
        "The process should get no requests from a load balancer now.";

    // Events.
    UnknownEvent = "unknown_event", [404], "There is no such event",
        "No event has this id.";
    UnknownTicketType = "unknown_ticket_type", [404], "There is no such ticket",
        "The event does not offer a ticket type of this id.";
    CapacityBelowTaken = "capacity_below_taken", [409], "The pool would be oversold",
        "More places of the pool are held or sold than its new capacity has. Nothing was changed.";
    CurrencyFixed = "currency_fixed", [409], "The currency cannot change now",
        "Places of the event are held or sold in another currency. Nothing was changed.";
    LimitTooLate = "limit_too_late", [409], "The limit per buyer comes too late",
        "Too many places are held or sold already for their buyers to be counted. Nothing was \
         changed.";
    TagsFixed = "tags_fixed", [409], "What counts as one buyer cannot change now",
        "Places of the event are held or sold, so `ignore_email_tags` stays as it is. Nothing was \
         changed.";
    PoolFixed = "pool_fixed", [409], "A ticket type cannot move to another pool",
        "The ticket type draws on another pool. Give the new one an id of its own, or, \
         if nobody ever ordered, delete the event and make it anew. Nothing was changed.";
    CapacityTooLate = "capacity_too_late", [409], "A capacity of the ticket type comes too late",
        "Some of the ticket type may be sold already without being counted by itself. Nothing was \
         changed.";
    TooManyParts = "too_many_parts", [409], "Too many parts",
        "The event has had too many pools, ticket types, price phases or codes in its life. Make a new \
         event.";
    EventChanged = "event_changed", [412], "Somebody else has changed the event",
        "The event is not as the version in If-Match says: somebody has changed it meanwhile. Nothing was \
         changed. Read it again, and decide anew.";
    EventExists = "event_exists", [412], "There is such an event already",
        "The request wanted to make a new event (If-None-Match: *), and there is one of this id. Nothing was \
         changed.";
    EventOrdered = "event_ordered", [409], "The event has orders",
        "There are orders of the event, so it cannot be deleted. Nothing was changed.";

    // Holds.
    NotOnSale = "not_on_sale", [409], "Not on sale",
        "The sale of the event or of the ticket type has not opened yet, or it is over, or the event \
         itself is over.";
    SalePaused = "sale_paused", [409], "The sale is paused",
        "The organiser has paused the sale of the event. Nothing was held. Orders that are held already can be paid.";
    EventCanceled = "event_canceled", [409], "The event was cancelled",
        "The event does not take place. Nothing is sold any more, and what was paid is refunded.";
    PriceChanged = "price_changed", [409], "The price has changed",
        "The tickets cost more than the request says that the buyer was shown. Nothing was held. The \
         detail says the prices of now.";
    CodeInvalid = "code_invalid", [409], "This code is not valid",
        "The event has no such code, or it is not valid at the moment. Nothing was held.";
    CodeUsedUp = "code_used_up", [409], "This code is used up",
        "The code does not reach for as many tickets. Nothing was held. Uses by orders that are held \
         and not paid come back within minutes.";
    SoldOut = "sold_out", [409], "Sold out",
        "Fewer places are left than were asked for. Nothing was held. Places that others hold and \
         do not pay come back within minutes.";
    LimitReached = "limit_reached", [409], "Too many tickets",
        "The order has more tickets than one order, or its buyer more than one buyer, may have.";

    // Orders and their payments.
    UnknownOrder = "unknown_order", [404], "There is no such order",
        "No order has this id, or the secret is not its own.";
    HoldExpired = "hold_expired", [410], "The time is over",
        "The hold has ended and its places are on sale again. A payment that was begun is canceled. \
         Order again.";
    PaymentUnderWay = "payment_under_way", [409], "A payment is under way",
        "The attempt before is not decided yet. Nothing was tried now.";
    TooManyAttempts = "too_many_attempts", [409], "Too many attempts to pay",
        "The order takes no more attempts to pay it.";
    Declined = "declined", [402, 409], "The payment was declined",
        "The bank or the payment provider declined this attempt (402), or one before (409). The \
         detail says why.";
    AlreadyPaid = "already_paid", [409], "No more is to be paid",
        "The payment of the order is approved or done. It was not tried again.";
    Canceled = "canceled", [410], "This order is over",
        "The order was released, canceled or refunded. Order again.";
    NotDue = "not_due", [409], "Not yet",
        "The time of the order is not over.";

    // Answers to questions.
    AnswersMissing = "answers_missing", [409], "A question is not answered yet",
        "A question of the event must be answered before the order is paid. Nothing was charged. Send the \
         answers, then pay.";
    AnswerInvalid = "answer_invalid", [422], "An answer cannot be taken",
        "An answer does not fit its question, or nothing like that is asked. The detail says which. No \
         answer was changed.";
    AnswersFixed = "answers_fixed", [409], "The answers are fixed",
        "The answers of orders of the event can no longer be changed by their buyers. Nothing was changed.";

    // Refunds.
    NotPaid = "not_paid", [409], "This order is not paid",
        "Nothing of the order can be refunded, because it is not paid.";
    RefundUnderWay = "refund_under_way", [409], "A refund is under way",
        "Wait until the refund before is done, then look at what is left to refund.";
    NothingToRefund = "nothing_to_refund", [409], "Nothing to refund",
        "All of it is refunded already.";
    RefundTooLarge = "refund_too_large", [409], "More than can be refunded",
        "Fewer tickets of a type, or less money, can still be refunded than was asked for.";

    // Tickets.
    NoTickets = "no_tickets", [409], "This order has no tickets",
        "Tickets are issued once the order is paid.";
    UnknownTicket = "unknown_ticket", [404], "There is no such ticket",
        "No ticket of this box office has this code, or the order has no ticket of this number.";
    TicketRevoked = "ticket_revoked", [409], "This ticket is no longer valid",
        "The ticket was refunded. Nothing was changed.";
    NamesFixed = "names_fixed", [409], "The names are fixed",
        "The names on the tickets of the event can no longer be changed. Nothing was changed.";
    TooManyNames = "too_many_names", [409], "This ticket was passed on too often",
        "The ticket takes no other name. Nothing was changed.";
    BuyerErased = "buyer_erased", [409], "The names of this order were erased",
        "The buyer of the order was erased, and the names on its tickets: it takes no new ones.";

    // Mails about an order, and another address.
    MailedLately = "mailed_lately", [429], "Sent a short while ago",
        "The tickets were sent a short while ago, or often today. Retry-After says when they can be sent again.";
    NothingToSend = "nothing_to_send", [409], "There is nothing to send",
        "The order has no valid tickets, or no e-mail address.";
    AddressFixed = "address_fixed", [409], "The address cannot be changed",
        "The order has no tickets, or its event is over, or its buyer was erased. The detail says why.";

    // The old routes.
    FormNeeded = "form_needed", [403], "Paying needs the form that the reservation answered",
        "Post the form that the reservation answered, with all its fields: its secret shows whose \
         reservation it is.";
    NoReservation = "no_reservation", [404], "No reservation for that name",
        "Nobody of that name has reserved a ticket.";
}

impl ProblemCode {
    /// The HTTP status that answers with this code usually have.
    pub const fn status(self) -> u16 {
        self.statuses()[0]
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ProblemCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ProblemCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ProblemCode, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        let unknown = || D::Error::invalid_value(Unexpected::Str(&text), &"a problem code");
        ProblemCode::parse(&text).ok_or_else(unknown)
    }
}

/// Whether a request that was not done moved money.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MoneyMoved {
    /// No money was moved by the request.
    No,
    /// The money was moved.
    Yes,
    /// It is not known yet. Money cannot be moved twice.
    Unknown,
}

/// The body of an answer to a request that was not done, with the media type
/// `application/problem+json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem<'a> {
    /// Why, for programs.
    pub code: ProblemCode,
    /// What happened and what to do next, for people.
    #[serde(borrow)]
    pub detail: Cow<'a, str>,
    /// Whether money was moved.
    pub money_moved: MoneyMoved,
    /// The HTTP status.
    pub status: u16,
    /// What happened, in a few words, for people.
    #[serde(borrow)]
    pub title: Cow<'a, str>,
    /// The problem's type: the path of a page that tells what the code means, `/problems/` and the
    /// code.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes are a promise to programs: to change one here is to break them.
    #[test]
    fn every_code_has_the_text_that_programs_know() {
        let texts: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(
            texts,
            [
                "invalid",
                "unauthorized",
                "not_found",
                "wrong_method",
                "too_slow",
                "too_large",
                "wrong_type",
                "wrong_version",
                "not_allowed",
                "sign_in_again",
                "cross_site",
                "bad_signature",
                "key_reused",
                "request_running",
                "too_many_requests",
                "too_many_connections",
                "busy",
                "unavailable",
                "in_doubt",
                "not_ready",
                "unknown_event",
                "unknown_ticket_type",
                "capacity_below_taken",
                "currency_fixed",
                "limit_too_late",
                "tags_fixed",
                "pool_fixed",
                "capacity_too_late",
                "too_many_parts",
                "event_changed",
                "event_exists",
                "event_ordered",
                "not_on_sale",
                "sale_paused",
                "event_canceled",
                "price_changed",
                "code_invalid",
                "code_used_up",
                "sold_out",
                "limit_reached",
                "unknown_order",
                "hold_expired",
                "payment_under_way",
                "too_many_attempts",
                "declined",
                "already_paid",
                "canceled",
                "not_due",
                "answers_missing",
                "answer_invalid",
                "answers_fixed",
                "not_paid",
                "refund_under_way",
                "nothing_to_refund",
                "refund_too_large",
                "no_tickets",
                "unknown_ticket",
                "ticket_revoked",
                "names_fixed",
                "too_many_names",
                "buyer_erased",
                "mailed_lately",
                "nothing_to_send",
                "address_fixed",
                "form_needed",
                "no_reservation",
            ]
        );
    }

    #[test]
    fn a_code_is_read_from_its_text_and_from_no_other() {
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::parse(code.as_str()), Some(*code));
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ProblemCode>(&json).unwrap(), *code);
        }
        for text in ["", "running", "Busy", "busy "] {
            assert_eq!(ProblemCode::parse(text), None, "{text:?}");
            assert!(serde_json::from_value::<ProblemCode>(text.into()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_code_is_for_an_answer_that_says_no() {
        for code in ProblemCode::ALL {
            assert!(code.statuses().iter().all(|status| (400..600).contains(status)), "{code}");
            assert!(code.meaning().ends_with('.') && !code.title().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn a_problem_is_read_as_it_was_written() {
        let problem = Problem {
            code: ProblemCode::SoldOut,
            detail: "“Adult” is sold out.".into(),
            money_moved: MoneyMoved::No,
            status: 409,
            title: "Sold out".into(),
            kind: "/problems/sold_out".into(),
        };
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            json,
            "{\"code\":\"sold_out\",\"detail\":\"“Adult” is sold out.\",\"money_moved\":\"no\",\
             \"status\":409,\"title\":\"Sold out\",\"type\":\"/problems/sold_out\"}"
        );
        assert_eq!(serde_json::from_str::<Problem<'_>>(&json).unwrap(), problem);
    }
}
