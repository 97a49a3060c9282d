//! When the provider and the books say the same of an order, and what is said where they do not.

use super::*;
use boxoffice::{AttemptState, Currency, Refund, RefundId, RefundState};
use nts_testkit::fixtures;

const STATUSES: [IntentStatus; 7] = [
    IntentStatus::RequiresPaymentMethod,
    IntentStatus::RequiresConfirmation,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::RequiresCapture,
    IntentStatus::Succeeded,
    IntentStatus::Canceled,
];

fn gbp(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("GBP").unwrap() }
}

/// An order for two places at 500 with a payment, at rest.
fn order(state: OrderState, refunds: &[(i64, RefundState)]) -> Order {
    let refunds = refunds.iter().zip(1..).map(|((amount_minor, state), id)| Refund {
        id: RefundId(id),
        amount_minor: *amount_minor,
        quantities: vec![0],
        restock: false,
        state: state.clone(),
        by_hand: false,
        of_amount: false,
    });
    Order {
        lines: vec![fixtures::line(2, 500)],
        payment: Some(fixtures::payment(&[AttemptState::Authorised])),
        refunds: refunds.collect(),
        ..fixtures::order(state)
    }
}

fn done() -> RefundState {
    RefundState::Succeeded("re_1".into())
}

/// The payment of that order as the provider says it.
fn seen(status: IntentStatus, received: i64, refunded: i64) -> Seen {
    let of = (Some(OrderId(7)), Some(PaymentId(8)));
    Seen { status, received, refunded, amount: gbp(1_000), live: false, of }
}

#[test]
fn a_sold_order_agrees_with_the_money_taken_and_given_back_for_it() {
    use IntentStatus::Succeeded;
    let part = [(300, done())];
    for (order, refunded) in [
        (order(OrderState::Paid, &[]), 0),
        (order(OrderState::Paid, &part), 300),
        (order(OrderState::Refunded, &[(1_000, done())]), 1_000),
    ] {
        let agrees = |seen: Seen| agrees(&order, Some(&seen));
        assert!(agrees(seen(Succeeded, 1_000, refunded)));
        for status in STATUSES.into_iter().filter(|s| *s != Succeeded) {
            assert!(!agrees(seen(status, 1_000, refunded)), "{status:?}");
        }
        for more in [-1, 1] {
            assert!(!agrees(seen(Succeeded, 1_000 + more, refunded)));
            assert!(!agrees(seen(Succeeded, 1_000, refunded + more)));
            let amount = gbp(1_000 + more);
            assert!(!agrees(Seen { amount, ..seen(Succeeded, 1_000, refunded) }));
        }
        let amount = Money { currency: Currency::parse("EUR").unwrap(), ..gbp(1_000) };
        assert!(!agrees(Seen { amount, ..seen(Succeeded, 1_000, refunded) }));
        // Another order's, another payment, nobody's, or made in the other mode.
        let (ours, payment) = (Some(OrderId(7)), Some(PaymentId(8)));
        for of in
            [(Some(OrderId(6)), payment), (ours, Some(PaymentId(9))), (None, payment), (ours, None)]
        {
            assert!(!agrees(Seen { of, ..seen(Succeeded, 1_000, refunded) }), "{of:?}");
        }
        assert!(!agrees(Seen { live: true, ..seen(Succeeded, 1_000, refunded) }));
    }
}

#[test]
fn an_order_that_came_to_nothing_agrees_with_no_money() {
    for state in [OrderState::Released, OrderState::Void] {
        let nothing = order(state, &[]);
        for status in STATUSES {
            let may_take = matches!(
                status,
                IntentStatus::RequiresAction
                    | IntentStatus::Processing
                    | IntentStatus::RequiresCapture
            );
            assert_eq!(may_take_money(status), may_take, "{status:?}");
            assert_eq!(agrees(&nothing, Some(&seen(status, 0, 0))), !may_take, "{status:?}");
        }
        assert!(!agrees(&nothing, Some(&seen(IntentStatus::Canceled, 1, 0))));
        assert!(agrees(&nothing, Some(&seen(IntentStatus::Succeeded, 600, 600))));
        assert!(!agrees(&nothing, Some(&seen(IntentStatus::Succeeded, 600, 599))));
        // What could not be given back is known to the books.
        let owed = order(state, &[(600, RefundState::Failed("no".into()))]);
        assert!(agrees(&owed, Some(&seen(IntentStatus::Succeeded, 600, 0))));
        assert!(!agrees(&owed, Some(&seen(IntentStatus::Succeeded, 600, 600))));
        // What the books say was given back was given back; what came and went by hand they may not know.
        let back = order(state, &[(600, done())]);
        for (other, right) in [(599, false), (600, true), (601, true)] {
            let seen = seen(IntentStatus::Succeeded, other, other);
            assert_eq!(agrees(&back, Some(&seen)), right, "{other}");
        }
    }
}

#[test]
fn money_that_only_the_provider_knows_to_be_kept_is_said() {
    for state in [OrderState::Released, OrderState::Void] {
        let said = |order: &Order, kept: i64| {
            let mut report = Report::new(0);
            let seen = seen(IntentStatus::Succeeded, kept, 0);
            assert!(agrees(order, Some(&seen)), "{kept}");
            still_kept(order, Some(&seen), "pi_1", &mut report);
            report.findings.into_iter().map(|f| f.text).collect::<Vec<_>>()
        };
        // The bank sent 200 by hand back, before or after our 600 were refused.
        let failed = |why: &str| RefundState::Failed(why.into());
        let mut order = order(state, &[(200, failed("re_1")), (600, failed("no"))]);
        order.refunds[0].by_hand = true;
        assert_eq!(said(&order, 600), Vec::<String>::new(), "the books say so themselves");
        assert_eq!(said(&order, 800), [books::could_not(800)]);
    }
}

#[test]
fn what_is_on_its_way_says_nothing_yet_and_what_is_not_known_agrees_with_nothing() {
    let mut paid = order(OrderState::Paid, &[]);
    assert!(!agrees(&paid, None));
    paid.due_ms = Some(0);
    assert!(agrees(&paid, None));
    assert!(agrees(&paid, Some(&seen(IntentStatus::Canceled, 0, 0))));
    for state in [
        OrderState::Held,
        OrderState::Paying,
        OrderState::Canceling,
        OrderState::Committed,
        OrderState::Refunding,
    ] {
        let order = order(state, &[]);
        assert!(agrees(&order, Some(&seen(IntentStatus::Succeeded, 1_000, 0))), "{state:?}");
        assert!(!agrees(&order, None), "{state:?}");
    }
    let mut without = order(OrderState::Paid, &[]);
    without.payment = None;
    assert!(!agrees(&without, Some(&seen(IntentStatus::Succeeded, 1_000, 0))));
}

#[test]
fn a_person_hears_what_both_sides_say() {
    let paid = order(OrderState::Paid, &[(300, done())]);
    let ours = format!("the books say paid, {} taken and {} given back", gbp(1_000), gbp(300));
    assert_eq!(
        disagreement(&paid, None),
        format!("{ours}; the provider does not know the payment")
    );
    let money = seen(IntentStatus::Succeeded, 900, 200);
    let theirs =
        format!("the provider says Succeeded, {} taken and {} given back", gbp(900), gbp(200));
    assert_eq!(disagreement(&paid, Some(&money)), format!("{ours}; {theirs}"));
    // Whose it is, is the point only where the money is the same.
    let of = (Some(OrderId(6)), Some(PaymentId(8)));
    let other = Seen { of, ..seen(IntentStatus::Succeeded, 1_000, 300) };
    let text = "at the provider the payment is another order's, or in the other mode";
    assert_eq!(disagreement(&paid, Some(&other)), format!("{ours}; {text}"));
    let other = Seen { of, ..seen(IntentStatus::Succeeded, 900, 200) };
    assert_eq!(disagreement(&paid, Some(&other)), format!("{ours}; {theirs}"));
    let ours = seen(IntentStatus::Succeeded, 1_000, 200);
    assert!(disagreement(&paid, Some(&ours)).contains("the provider says"));
}

#[test]
fn a_payment_holds_money_that_may_be_taken_or_was_not_all_given_back() {
    let listed = |status, received_minor, refunded_minor| Listed {
        intent: Intent {
            id: "pi_1".into(),
            status,
            amount: gbp(1_000),
            received_minor,
            live: false,
            order: None,
            payment: None,
            action: None,
            last_error: None,
            refunds: vec![],
            dispute: None,
        },
        created_s: 0,
        refunded_minor,
        disputed: false,
    };
    for (status, received, refunded, holds) in [
        (IntentStatus::RequiresPaymentMethod, 0, 0, false),
        (IntentStatus::RequiresCapture, 0, 0, true),
        (IntentStatus::RequiresAction, 0, 0, true),
        (IntentStatus::Canceled, 0, 0, false),
        (IntentStatus::Succeeded, 1_000, 0, true),
        (IntentStatus::Succeeded, 1_000, 999, true),
        (IntentStatus::Succeeded, 1_000, 1_000, false),
    ] {
        assert_eq!(
            holds_money(&listed(status, received, refunded)),
            holds,
            "{status:?} {refunded}"
        );
    }
}
