//! What the crowd remembers of an order as the server tells it.

use nts_api::{AttemptState, Order, OrderState};

/// What matters of an order as the server tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it stands.
    pub state: OrderState,
    /// The codes of its valid tickets.
    pub codes: Vec<String>,
    /// What became of its attempts to pay, in the order in which they were made.
    pub attempts: Vec<AttemptState>,
}

impl Found {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// It is not an order.
    pub(crate) fn read(body: &[u8]) -> Result<Found, serde_json::Error> {
        let order: Order<'_> = serde_json::from_slice(body)?;
        let valid = order.tickets.into_iter().filter(|ticket| ticket.valid);
        let attempts = order.payment.into_iter().flat_map(|payment| payment.attempts);
        Ok(Found {
            state: order.state,
            codes: valid.map(|ticket| ticket.code.into_owned()).collect(),
            attempts: attempts.map(|attempt| attempt.state).collect(),
        })
    }

    /// Whether what becomes of it is the server's turn. After a decline, or while the bank asks, it is
    /// the buyer's, who has gone: the order stays as it is for as long as its places are held.
    pub(crate) fn under_way(&self) -> bool {
        let open = |state: &AttemptState| {
            matches!(state, AttemptState::Pending | AttemptState::Authorised)
        };
        match self.state {
            OrderState::Committed | OrderState::Canceling => true,
            OrderState::Paying => self.attempts.is_empty() || self.attempts.iter().any(open),
            _ => false,
        }
    }

    /// Whether an attempt to pay was declined that came after so many others.
    pub(crate) fn is_declined(&self, others: usize) -> bool {
        self.attempts.get(others) == Some(&AttemptState::Declined)
    }
}
