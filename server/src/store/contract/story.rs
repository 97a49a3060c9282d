//! One long story with orders in every state: what was committed comes back equal.

use super::Database;
use super::desk::{Desk, spec};
use super::gifts::{answer, metadata, questions, sell};
use boxoffice::*;

pub(super) fn comes_back_equal<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("other", 5));
    desk.hold("in another event", "seat", 2);
    let questions = questions();
    desk.put_event(EventSpec { limit_per_buyer: Some(9), questions, ..spec("flute", 100) });

    desk.hold("Held 👩\u{200d}👩\u{200d}👧", "seat", 1);
    let renewed = desk.hold("renewed", "seat", 1);
    desk.later(1_000);
    desk.run(&[Command::Renew { order: renewed, most_ms: None }]);
    let paying = desk.hold("O'Brien \"; DROP TABLE orders; --", "seat", 2);
    desk.pay(paying);
    desk.run(&[Command::Defer { order: paying, trouble: "502 💥".into(), wait_ms: Some(5) }]);
    let action = desk.hold("action", "seat", 1);
    desk.pay(action);
    desk.created(action);
    desk.read(action, IntentStatus::RequiresAction);
    let again = desk.hold("declined twice", "seat", 1);
    desk.pay(again);
    desk.created(again);
    for attempt in 1..=2 {
        let reason = "Ihre Karte wurde abgelehnt.".into();
        desk.run(&[Command::AttemptDeclined { order: again, attempt, reason }]);
        desk.pay(again);
    }
    let canceling = desk.hold("canceling", "seat", 3);
    desk.pay(canceling);
    desk.created(canceling);
    desk.run(&[Command::Cancel { order: canceling }]);
    let committed = desk.hold("committed", "seat", 3);
    desk.pay(committed);
    desk.created(committed);
    desk.read(committed, IntentStatus::RequiresCapture);
    let void = desk.hold("void", "seat", 1);
    desk.pay(void);
    desk.created(void);
    desk.read(void, IntentStatus::RequiresCapture);
    desk.read(void, IntentStatus::Canceled);
    let free = desk.hold("free", "friend", 2);
    desk.pay(free);
    desk.paid("paid", 4);
    let refunding = desk.paid("refunding", 2);
    desk.refund(refunding, RefundWish::All, false);
    let partly = desk.paid("partly refunded", 3);
    let one = RefundWish::Lines(vec![LineWish { ticket_type: "seat".into(), quantity: 1 }]);
    let first = desk.refund(partly, one.clone(), false);
    desk.answered(partly, first, RefundOutcome::Failed("charge disputed".into()));
    let second = desk.refund(partly, one, true);
    desk.answered(partly, second, RefundOutcome::Succeeded("re_1".into()));
    // A sum that went back, and one that takes the last of the money: all tickets go, on account of the first.
    for name in ["an amount", "an amount and the rest"] {
        let of_sum = desk.paid(name, 3);
        let sum = desk.refund(of_sum, RefundWish::Amount(2_000), false);
        desk.answered(of_sum, sum, RefundOutcome::Succeeded(format!("re_{name}")));
        if name.ends_with("rest") {
            let two = RefundWish::Lines(vec![LineWish { ticket_type: "seat".into(), quantity: 2 }]);
            let rest = desk.refund(of_sum, two, false);
            desk.answered(of_sum, rest, RefundOutcome::Succeeded(format!("re_{name} 2")));
        }
    }
    let refunded = desk.paid("refunded", 2);
    let refund = desk.refund(refunded, RefundWish::All, true);
    desk.answered(refunded, refund, RefundOutcome::Succeeded("re_2".into()));
    let guests = [(partly, 1, "Guest 🎫"), (partly, 2, "Another"), (partly, 1, "A third")];
    for (order, number, name) in guests {
        desk.run(&[Command::NameTicket { order, number, name: name.into() }]);
    }
    by_hand(desk);
    let answers = [("note", 0, "Two\nlines 🎫"), ("diet", 2, "none"), ("member", 0, "no")];
    desk.run(&[answer(partly, &answers), answer(paying, &answers[1..2])]);
    let metadata = metadata(&[("cart", "№ 7 \"x\" \\ 🛒"), ("source.id", "a b")]);
    for order in [partly, paying, void] {
        desk.run(&[Command::PutMetadata { order, metadata: metadata.clone() }]);
    }
    for (name, tender, note) in [
        ("given", Tender::Free, "import 1"),
        ("cash", Tender::Cash, ""),
        ("terminal", Tender::Terminal, "№ 7"),
    ] {
        let (order, command) = sell(desk, name, tender, note);
        desk.run(&[command, answer(order, &[("club", 1, "Reds")])]);
        let one = RefundWish::Lines(vec![LineWish { ticket_type: "seat".into(), quantity: 1 }]);
        desk.refund(order, one, tender == Tender::Cash);
    }
    let released = desk.hold("released", "high", 1);
    desk.run(&[Command::Cancel { order: released }]);
    // Refused before anything was created, and expired; what is created late is paid all the same.
    let late = desk.hold("late money", "seat", 1);
    desk.pay(late);
    let reason = "amount_too_small".into();
    desk.run(&[Command::AttemptDeclined { order: late, attempt: 1, reason }]);
    desk.later(900_000);
    desk.run(&[Command::Expire { order: late }]);
    desk.created(late);
    desk.read(late, IntentStatus::Succeeded);

    let states: Vec<OrderState> = OrderState::ALL
        .into_iter()
        .filter(|s| desk.model.orders.values().any(|o| o.state == *s))
        .collect();
    assert_eq!(states, OrderState::ALL, "the story knows every state");
    assert!(desk.model.orders[&late].refunds.len() == 1 && desk.model.buyers.len() > 10);
    desk.assert_equal();
    desk.reopen();
    desk.assert_equal();
    desk.store().recover().expect("recover");
    desk.assert_equal();
}

/// What others do with the money of orders that were paid.
fn by_hand<D: Database>(desk: &mut Desk<D>) {
    let dispute = |status: &str, amount_minor| {
        Some(Dispute { id: "du_1".into(), amount_minor, status: status.into() })
    };
    let partly = desk.paid("partly by hand", 2);
    let first = desk.by_hand("re_hand 1 ✋", 500, false);
    desk.read_books(partly, vec![first.clone()], None);
    let second = desk.by_hand("re_hand 2", 7, false);
    desk.read_books(
        partly,
        vec![first, second],
        dispute("needs_response", i64::from(i32::MAX) + 9),
    );
    let whole = desk.paid("all by hand", 3);
    let all = desk.by_hand("re_hand 3", 3 * 999, false);
    desk.read_books(whole, vec![all], dispute("lost", 1));
    let failed = desk.paid("by hand, and failed", 1);
    let all = desk.by_hand("re_hand 4", 999, false);
    desk.read_books(failed, vec![all.clone()], None);
    desk.read_books(failed, vec![RefundSeen { failed: true, done: false, ..all }], None);
    // Swept: our own refund is answered after the rest was given back by hand.
    let swept = desk.paid("swept", 2);
    let one = RefundWish::Lines(vec![LineWish { ticket_type: "seat".into(), quantity: 1 }]);
    let ours = desk.refund(swept, one, true);
    let rest = desk.by_hand("re_hand 5", 999, false);
    desk.read_books(swept, vec![rest], None);
    desk.answered(swept, ours, RefundOutcome::Succeeded("re_3".into()));
    // Captured in part: what is taken goes back.
    let part = desk.hold("captured in part", "seat", 1);
    desk.pay(part);
    desk.created(part);
    desk.later(30_000);
    let intent = desk.intent(part, IntentStatus::Succeeded);
    let refunds = vec![desk.by_hand("re_hand 6", 99, false)];
    let intent = Intent { received_minor: 500, refunds, ..intent };
    desk.reconcile(part, intent);
    let orders = &desk.model.orders;
    let states = [partly, whole, failed, swept, part].map(|o| orders[&o].state);
    use OrderState::{Paid, Refunded, Released};
    assert_eq!(states, [Paid, Refunded, Refunded, Refunded, Released]);
}
