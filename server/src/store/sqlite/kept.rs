//! Orders on their way to being paid, as of the last commit. Each takes three more steps within
//! moments, and reading it again for each of them is a third of what they cost.

use boxoffice::{Order, OrderId, OrderState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many at least are kept of those that were committed last, and twice as many at most; some
/// 700 bytes each, which the line of those who pay has in any case.
const LEAST: usize = 4096;

/// The orders, in two generations: when the young are enough, the old are let go.
#[derive(Clone, Default)]
pub(super) struct PendingOrders {
    young: BTreeMap<OrderId, Arc<Order>>,
    old: BTreeMap<OrderId, Arc<Order>>,
}

impl PendingOrders {
    /// An order as of the last commit, if it is kept.
    pub(super) fn get(&self, id: OrderId) -> Option<&Order> {
        self.young.get(&id).or_else(|| self.old.get(&id)).map(Arc::as_ref)
    }

    /// It has changed: as it was it must not be seen again.
    pub(super) fn forget(&mut self, id: OrderId) {
        self.young.remove(&id);
        self.old.remove(&id);
    }

    /// Keeps an order as it is committed now, if more is to come soon. It was forgotten before.
    pub(super) fn keep(&mut self, order: &Arc<Order>) {
        if !matches!(order.state, OrderState::Paying | OrderState::Committed) {
            return;
        }
        if self.young.len() >= LEAST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(order.id, Arc::clone(order));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::{Buyer, BuyerKey, Currency, EventId};

    fn order(id: u128, state: OrderState, tries: u32) -> Arc<Order> {
        Arc::new(Order {
            id: OrderId(id),
            event: EventId(1),
            buyer: Buyer {
                name: "A".into(),
                email: String::new(),
                key: BuyerKey(0),
                language: boxoffice::Language::EN,
            },
            lines: Vec::new(),
            currency: Currency::parse("EUR").expect("a currency"),
            state,
            placed_ms: 0,
            until_ms: 0,
            due_ms: None,
            tries,
            trouble: None,
            payment: None,
            tender: boxoffice::Tender::Online,
            reference: String::new(),
            answers: Vec::new(),
            metadata: boxoffice::Metadata::default(),
            refunds: Vec::new(),
            tickets: Vec::new(),
        })
    }

    #[test]
    fn the_last_are_kept_and_none_is_seen_as_it_was() {
        let mut kept = PendingOrders::default();
        let change = |kept: &mut PendingOrders, order: Arc<Order>| {
            kept.forget(order.id);
            kept.keep(&order);
        };
        let all = 5 * LEAST as u128 / 2;
        for id in 0..all {
            change(&mut kept, order(id, OrderState::Paying, 0));
            // One of them moves all the time, through all generations.
            change(&mut kept, order(7, OrderState::Paying, id as u32));
            assert_eq!(kept.get(OrderId(7)).map(|o| o.tries), Some(id as u32));
        }
        assert!((all - LEAST as u128 + 1..all).all(|id| kept.get(OrderId(id)).is_some()));
        assert!(kept.get(OrderId(8)).is_none(), "those of long ago are let go");
        assert!(kept.young.len() + kept.old.len() <= 2 * LEAST);
        for state in [OrderState::Held, OrderState::Paid, OrderState::Released] {
            change(&mut kept, order(7, state, 0));
            assert!(
                kept.get(OrderId(7)).is_none(),
                "nothing more comes soon of one that is {state:?}"
            );
        }
    }
}
