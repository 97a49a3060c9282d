//! The receiver of a webhook is told of each order that is placed and of each that is paid, and of nothing that was
//! not so.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{Order, OrderId, OrderState};
use std::collections::{BTreeMap, BTreeSet};

/// What the auditor knows of webhooks.
#[derive(Default)]
pub(super) struct Hooks {
    /// Of each order, what was told.
    told: BTreeMap<OrderId, BTreeSet<String>>,
    /// Of each order, the states in which it ever was.
    was: BTreeMap<OrderId, BTreeSet<&'static str>>,
}

/// The states of an order of which a message can tell.
fn fits(kind: &str, state: &str) -> bool {
    match kind {
        "order.held" => state == "held",
        "order.paid" => matches!(state, "paid" | "refunding" | "refunded"),
        "order.canceled" | "order.expired" => state == "released",
        "order.void" => state == "void",
        _ => true,
    }
}

impl Auditor {
    /// An order is committed.
    pub(super) fn hooks_of(&mut self, order: &Order) {
        self.hooks.was.entry(order.id).or_default().insert(order.state.word());
    }

    /// The receiver has taken a message: what it tells must have been so at some moment.
    pub fn hook_told(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        kind: &str,
        order: Option<OrderId>,
        state: Option<&str>,
    ) {
        let Some(id) = order else { return };
        let was = self.hooks.was.get(&id);
        let so = |states: &[&str]| was.is_some_and(|was| states.iter().any(|s| was.contains(s)));
        let state = state.unwrap_or_default();
        // Of several changes in one batch the last is seen.
        let was_so = match kind {
            "order.paid" | "order.refunded" => {
                so(&["paid", "refunding", "refunded", "released", "void"])
            }
            "order.canceled" | "order.expired" => so(&["released"]),
            "order.void" => so(&["void"]),
            _ => was.is_some(),
        };
        if !(was_so && fits(kind, state)) {
            let text = format!("a webhook is told {kind} ({state}), and the order never was so");
            trace.broken(at_ms, Promise::HookArrives, Some(id), text);
        }
        if !self.hooks.told.entry(id).or_default().insert(kind.to_owned()) {
            trace.mark("a message to a webhook was taken twice");
        }
    }

    /// In the end nothing is owed any more: what happened was told at least once.
    pub fn all_hooks_told(&self, trace: &mut Trace, at_ms: i64) {
        for (id, was) in &self.hooks.was {
            let told = self.hooks.told.get(id);
            let told = |kind: &str| told.is_some_and(|told| told.contains(kind));
            let wants = [
                (was.contains(OrderState::Held.word()), "order.held"),
                (was.contains(OrderState::Paid.word()), "order.paid"),
                (was.contains(OrderState::Void.word()), "order.void"),
            ];
            for (_, kind) in wants.iter().filter(|(is, kind)| *is && !told(kind)) {
                let text = format!("no webhook was ever told {kind}");
                trace.broken(at_ms, Promise::HookArrives, Some(*id), text);
            }
            let ended = told("order.canceled") || told("order.expired");
            if was.contains(OrderState::Released.word()) && !ended {
                let text = "no webhook was ever told that it ended unpaid".into();
                trace.broken(at_ms, Promise::HookArrives, Some(*id), text);
            }
        }
    }
}
