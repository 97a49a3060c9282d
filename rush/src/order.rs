//! An order as the server tells it.

use serde::Deserialize;

/// An order as the server tells it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Found {
    /// Its state, in the server's word.
    pub state: String,
    /// Its tickets.
    #[serde(default)]
    pub tickets: Vec<FoundTicket>,
    /// Its payment; none if none was asked for.
    #[serde(default)]
    pub payment: Option<FoundPayment>,
}

impl Found {
    /// Whether what becomes of it is the server's turn. After a decline, or while the bank asks, it is
    /// the buyer's, who has gone: the order stays as it is for as long as its places are held.
    pub(crate) fn under_way(&self) -> bool {
        match self.state.as_str() {
            "committed" | "canceling" => true,
            "paying" => self.payment.as_ref().is_none_or(|payment| {
                payment.attempts.iter().any(|a| matches!(&*a.state, "pending" | "authorised"))
            }),
            _ => false,
        }
    }

    /// Whether an attempt to pay was declined that came after so many others.
    pub(crate) fn is_declined(&self, others: usize) -> bool {
        let mut attempts = self.payment.iter().flat_map(|payment| &payment.attempts);
        attempts.nth(others).is_some_and(|attempt| attempt.state == "declined")
    }
}

/// A payment as the server tells it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct FoundPayment {
    /// The attempts to pay, in the order in which they were made.
    pub attempts: Vec<FoundAttempt>,
}

/// An attempt to pay as the server tells it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct FoundAttempt {
    /// Its state, in the server's word.
    pub state: String,
}

/// A ticket as the server tells it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct FoundTicket {
    /// Its code.
    pub code: String,
    /// Whether it opens the door.
    pub valid: bool,
}
