//! What one client may have unpaid.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{Order, OrderState, TimeMs};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What one client may have unpaid in a process by the settings of the simulation, which are the
/// defaults: 5 % of the places and 100 at most, but one order of ten in any case.
fn budget(capacity: u32) -> u32 {
    (capacity / 20).clamp(10, 100)
}

impl Auditor {
    /// No address keeps more unpaid places than its budget: that is counted by each life of each
    /// process for itself.
    pub(super) fn count_unpaid(&mut self, trace: &mut Trace, at_ms: i64, order: &Order) {
        let holds =
            matches!(order.state, OrderState::Held | OrderState::Paying | OrderState::Canceling);
        let mut places: BTreeMap<u16, u32> = BTreeMap::new();
        for line in &order.lines {
            *places.entry(line.pool).or_default() += line.quantity;
        }
        match self.unpaid_of.get(&order.id).copied() {
            Some((network, lives)) if !holds => {
                for (pool, places) in places {
                    *self.unpaid.entry((network, lives, pool)).or_default() -= places;
                }
                self.unpaid_of.remove(&order.id);
            }
            None if holds && !self.orders.contains_key(&order.id) => {
                let Some(network) = self.networks.get(&order.buyer.name).copied() else { return };
                let lives = match self.started_ms.len() {
                    0 => self.starts,
                    _ => self.started_ms.partition_point(|start| *start <= order.placed_ms),
                };
                self.unpaid_of.insert(order.id, (network, lives));
                for (pool, places) in places {
                    let unpaid = self.unpaid.entry((network, lives, pool)).or_default();
                    *unpaid += places;
                    let capacity = self.most_capacity.get(&pool).copied().unwrap_or(0);
                    let (unpaid, may) = (*unpaid, budget(capacity) * self.processes);
                    if unpaid > may {
                        let text =
                            format!("{network} has {unpaid} unpaid places, and may have {may}");
                        trace.broken(at_ms, Promise::OwnShare, Some(order.id), text);
                    }
                }
            }
            _ => {}
        }
    }

    /// So many processes sell.
    pub fn processes(&mut self, processes: usize) {
        self.processes = processes as u32;
    }

    /// A process has started: it counts from zero. `now` is the clock of the database server.
    pub fn process_started(&mut self, now: Option<TimeMs>) {
        self.starts += 1;
        self.started_ms.extend(now);
    }

    /// Who has this name and e-mail address comes from this network address.
    pub fn comes_from(&mut self, buyer: &str, email: &str, network: IpAddr) {
        self.emails.entry(buyer.to_owned()).or_default().insert(email.to_owned());
        self.networks.insert(buyer.to_owned(), network);
    }

    /// Somebody at this address asks for so many places at most.
    pub fn asks_for(&mut self, network: IpAddr, places: u32) {
        *self.asked_for.entry(network).or_default() += places;
    }

    /// A hold was refused because of the budget of its address. That is wrong if all that it has ever
    /// asked for is within the least budget.
    pub fn refused_by_budget(&self, trace: &mut Trace, at_ms: i64, network: IpAddr) {
        let asked = self.asked_for.get(&network).copied().unwrap_or(0);
        if asked <= budget(0) {
            let text = format!("{network} asked for {asked} places at most and is over its budget");
            trace.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }
}
