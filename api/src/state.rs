//! The states of orders, attempts and refunds, and their texts on the wire. `docs/api.md` has the same list; a
//! test compares.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Declares an enum of words: each value with its text on the wire and its meaning.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $text:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $(#[doc = $meaning] #[serde(rename = $text)] #[schema(rename = $text)] $value,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$value),*];

            /// The text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$value => $text,)*
                }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $($name::$value => $meaning,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where an order stands.
    OrderState {
        Held = "held", "The places are held, and nothing is asked of the payment provider.";
        Paying = "paying", "The buyer pays.";
        Canceling = "canceling", "The order is given up; the places stay taken until its payment is known to be dead.";
        Committed = "committed", "The payment is approved, and its money is being taken.";
        Paid = "paid", "The money is taken and the tickets are issued. Also after a refund of a part.";
        Refunding = "refunding", "Tickets are revoked, and their money is on its way back.";
        Refunded = "refunded", "All tickets are refunded.";
        Released = "released", "The places went back before any money was taken.";
        Void = "void", "The payment ended after it was approved: no tickets, and no money that stays.";
    }
}

words! {
    /// What became of an attempt to pay.
    AttemptState {
        Pending = "pending", "It is not decided yet.";
        Action = "action", "The bank waits for the buyer.";
        Declined = "declined", "It was declined.";
        Authorised = "authorised", "It was approved.";
        Abandoned = "abandoned", "Another attempt was begun instead.";
    }
}

words! {
    /// What became of a refund.
    RefundState {
        Pending = "pending", "The provider has not decided yet.";
        Succeeded = "succeeded", "The money was sent back.";
        Failed = "failed", "The money is still here.";
    }
}

words! {
    /// The kinds of an action.
    ActionKind {
        Redirect = "redirect", "The buyer goes to `url`.";
        ClientSecret = "client_secret", "Stripe's script does it with `client_secret`.";
    }
}

words! {
    /// What a mail tells.
    MailKind {
        Tickets = "tickets", "The order is paid: its tickets.";
        Again = "again", "The tickets once more, because somebody asked for them.";
        Refunded = "refunded", "Money went back, all or a part.";
        Void = "void", "There are no tickets: the payment was not completed.";
        Moved = "moved", "The event has another date or another place.";
        EventCanceled = "event_canceled", "The event does not take place.";
        AddressChanged = "address_changed", "To the former address: the order has another one.";
    }
}

words! {
    /// What became of a mail.
    MailState {
        Waiting = "waiting", "It is about to be sent, or is tried again.";
        NoRelay = "no_relay", "It waits: no mail server is configured.";
        Sent = "sent", "The mail server has taken it.";
        SentUnconfirmed = "sent_unconfirmed", "It was handed over twice, and no answer came.";
        Refused = "refused", "The mail server does not take it; `detail` has its words.";
        GivenUp = "given_up", "It was tried for a day, in vain.";
        TooOld = "too_old", "It could not be sent while it was of use.";
        Needless = "needless", "There was nothing to tell any more.";
    }
}
