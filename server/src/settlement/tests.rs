//! What is decided on an answer, by itself: the tables, without a provider. Beside them settlement with a
//! database and the fake Stripe ([`world`]), in a time that the tests turn.

mod calls;
mod looks;
mod old;
mod outside;
mod turns;
mod world;

use super::*;
use boxoffice::{AttemptState, Currency, Money, PaymentId, RefundId, RefundState};
use nts_testkit::fixtures::{self, payment};

const STATUSES: [IntentStatus; 7] = [
    IntentStatus::RequiresPaymentMethod,
    IntentStatus::RequiresConfirmation,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::RequiresCapture,
    IntentStatus::Succeeded,
    IntentStatus::Canceled,
];

/// An order with a PaymentIntent and these attempts, numbered from 1.
fn order(state: OrderState, attempts: &[AttemptState]) -> Order {
    Order { due_ms: Some(0), payment: Some(payment(attempts)), ..fixtures::order(state) }
}

fn pending() -> Order {
    order(OrderState::Paying, &[AttemptState::Pending])
}

/// Its first card waited for the buyer, who took another one.
fn another_card() -> Order {
    order(OrderState::Paying, &[AttemptState::Abandoned, AttemptState::Pending])
}

fn intent(status: IntentStatus) -> Intent {
    Intent {
        id: "pi_1".into(),
        status,
        amount: Money { minor: 1_000, currency: Currency::parse("GBP").unwrap() },
        received_minor: 0,
        live: false,
        order: Some(OrderId(7)),
        payment: Some(PaymentId(8)),
        action: None,
        last_error: None,
        refunds: vec![],
        dispute: None,
    }
}

/// Of which statuses something holds.
fn which(is: impl Fn(&Intent) -> bool) -> Vec<IntentStatus> {
    STATUSES.into_iter().filter(|status| is(&intent(*status))).collect()
}

fn deferred(order: &Order, trouble: &str, wait_ms: Option<i64>) -> Command {
    Command::Defer { order: order.id, trouble: trouble.into(), wait_ms }
}

fn words() -> String {
    "words".into()
}

#[test]
fn a_reading_is_no_news_if_it_tells_what_was_known_before_the_call_failed() {
    use IntentStatus::{
        Processing, RequiresAction, RequiresCapture, RequiresConfirmation, RequiresPaymentMethod,
    };
    let no_news_of = |order: &Order| which(|intent| no_news(order, intent));
    assert_eq!(no_news_of(&pending()), [RequiresPaymentMethod, RequiresConfirmation]);
    assert_eq!(
        no_news_of(&another_card()),
        [RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing]
    );
    // Nothing is owed of an attempt that waits for the buyer, nor of none.
    assert_eq!(no_news_of(&order(OrderState::Paying, &[AttemptState::Action])), []);
    assert_eq!(no_news_of(&order(OrderState::Paying, &[])), []);
    let asked = [AttemptState::Authorised];
    assert_eq!(no_news_of(&order(OrderState::Committed, &asked)), [RequiresCapture]);
    // Those whose payment is to be cancelled: all but what it ends with.
    for state in [OrderState::Canceling, OrderState::Released, OrderState::Void] {
        assert_eq!(no_news_of(&order(state, &asked)), STATUSES[..5], "{state:?}");
    }
    for state in [OrderState::Held, OrderState::Paid, OrderState::Refunding, OrderState::Refunded] {
        assert_eq!(no_news_of(&order(state, &asked)), [], "{state:?}");
    }
}

#[test]
fn another_card_can_be_tried_where_a_refused_one_left_the_payment_without_a_card() {
    use IntentStatus::{RequiresAction, RequiresPaymentMethod};
    let no_use = |order: &Order| {
        let payment = order.payment.as_ref().unwrap();
        which(|intent| is_of_no_use(intent, order, payment))
    };
    assert_eq!(no_use(&pending()), [RequiresPaymentMethod]);
    // The page is the one of the card before; unless this one was asked for under another key.
    let mut other = another_card();
    for (tries, statuses) in [
        (0, &[RequiresPaymentMethod, RequiresAction][..]),
        (2, &[RequiresPaymentMethod, RequiresAction]),
        (3, &[RequiresPaymentMethod]),
        (4, &[RequiresPaymentMethod]),
    ] {
        other.tries = tries;
        assert_eq!(no_use(&other), statuses, "{tries}");
    }
}

#[test]
fn a_refused_card_is_known_by_the_trouble_of_its_order() {
    let mut order = pending();
    assert!(!was_refused(&order));
    for (trouble, refused) in [
        ("the card was refused: No such token", true),
        ("status 500", false),
        ("our key is refused: the key may not do this", false),
        ("the payment cannot be read: no such payment", false),
    ] {
        order.trouble = Some(trouble.into());
        assert_eq!(was_refused(&order), refused, "{trouble}");
    }
}

#[test]
fn what_the_key_may_not_do_is_given_up_at_the_third_try() {
    let certain = [CallError::NotAllowed(words()), CallError::KeyRefused(words())];
    let others = [
        CallError::Unknown(words()),
        CallError::NotDone(words(), None),
        CallError::Refused(words()),
        CallError::Declined(words()),
        CallError::KeyReuse(words()),
    ];
    let mut order = pending();
    for (trouble, tries, often) in [
        (None, 9, false),
        (Some("our key is refused: words"), 1, false),
        (Some("our key is refused: words"), 2, true),
        (Some("our key is refused: words"), 3, true),
        (Some("the payment cannot be read: words"), 1, false),
        (Some("the payment cannot be read: words"), 2, true),
        // Another call, that was allowed, may be under way.
        (Some("status 500"), 9, false),
        (Some("the card was refused: words"), 9, false),
    ] {
        (order.trouble, order.tries) = (trouble.map(str::to_owned), tries);
        let told = format!("{trouble:?} {tries}");
        let declined =
            Command::AttemptDeclined { order: order.id, attempt: 5, reason: NOT_OUR_KEY.into() };
        for error in &certain {
            let expected = often.then_some(&declined);
            assert_eq!(not_allowed(&order, 5, error).as_ref(), expected, "{told} {error}");
        }
        for error in &others {
            assert_eq!(not_allowed(&order, 5, error), None, "{told} {error}");
        }
        // The same where a pending attempt cannot be read: money may be set aside, so it is given up
        // and not declined.
        let given_up = Command::GiveUp { order: order.id, attempt: 1 };
        for error in [&certain[0], &certain[1], &others[2]] {
            let given = unreadable(&order, error.clone());
            assert_eq!(given == given_up, often, "{told} {error}: {given:?}");
        }
        for error in [&others[0], &others[1], &others[3], &others[4]] {
            let given = unreadable(&order, error.clone());
            assert!(matches!(given, Command::Defer { .. }), "{told} {error}: {given:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_waits_out_the_longest_call_first() {
    let order = pending();
    let refused = unreadable(&order, CallError::Refused(words()));
    assert_eq!(refused, deferred(&order, "the payment cannot be read: words", Some(90_000)));
    let busy = unreadable(&order, CallError::NotDone(words(), Some(7)));
    assert_eq!(busy, deferred(&order, "words", Some(7)));
}

#[test]
fn an_order_is_given_up_with_the_attempt_that_is_known_as_its_last() {
    for (order, attempt) in
        [(pending(), 1), (another_card(), 2), (order(OrderState::Paying, &[]), 0)]
    {
        assert_eq!(give_up(&order), Command::GiveUp { order: OrderId(7), attempt });
    }
}

#[test]
fn a_step_that_failed_waits_as_long_as_its_reason_says() {
    let (pending, committed) =
        (pending(), order(OrderState::Committed, &[AttemptState::Authorised]));
    let asked = order(OrderState::Paying, &[AttemptState::Action]);
    for (of, error, trouble, wait_ms) in [
        (&pending, CallError::NotDone(words(), Some(250)), "words", Some(250)),
        (&pending, CallError::NotDone(words(), None), "words", None),
        (&pending, CallError::Unknown(words()), "words", None),
        (&pending, CallError::Refused(words()), "words", None),
        (&pending, CallError::Declined(words()), "words", None),
        (&pending, CallError::KeyReuse(words()), "words", None),
        // A pending attempt waits out a call that may be under way.
        (
            &pending,
            CallError::KeyRefused(words()),
            "our key is refused: the key is not accepted: words",
            Some(90_000),
        ),
        (
            &pending,
            CallError::NotAllowed(words()),
            "our key is refused: the key may not do this: words",
            Some(90_000),
        ),
        (
            &committed,
            CallError::NotAllowed(words()),
            "our key is refused: the key may not do this: words",
            Some(60_000),
        ),
        (
            &asked,
            CallError::KeyRefused(words()),
            "our key is refused: the key is not accepted: words",
            Some(60_000),
        ),
    ] {
        let told = format!("{:?} {error}", of.state);
        assert_eq!(defer(of, error), deferred(of, trouble, wait_ms), "{told}");
    }
}

#[test]
fn the_buyer_hears_whether_the_amount_is_the_reason() {
    assert!(not_accepted("amount_too_small: Amount must be 30").contains("less than can be paid"));
    assert!(not_accepted("amount_too_large: Amount is").contains("more than can be paid"));
    for why in ["account_invalid: amount_too_small", "words", ""] {
        assert!(not_accepted(why).contains("whatever the card"), "{why}");
    }
}

#[test]
fn each_step_takes_the_turn_of_its_own_call() {
    let order = pending();
    let payment = order.payment.as_ref().unwrap();
    let refund = Refund {
        id: RefundId(1),
        amount_minor: 1,
        quantities: vec![],
        restock: false,
        state: RefundState::Pending,
        by_hand: false,
        of_amount: false,
    };
    for (owed, expected) in [
        (Owed::Nothing, None),
        (Owed::Expiry, None),
        (Owed::Create(payment), Some(Endpoint::Create)),
        (Owed::Confirm(payment, &payment.attempts[0]), Some(Endpoint::Confirm)),
        (Owed::Read(payment), Some(Endpoint::Read)),
        (Owed::Capture(payment), Some(Endpoint::Capture)),
        (Owed::Cancel(payment), Some(Endpoint::Cancel)),
        (Owed::Refund(payment, &refund), Some(Endpoint::Refunds)),
    ] {
        assert_eq!(endpoint(&owed), expected, "{owed:?}");
    }
}

/// How many cannot move on, by state.
fn counted(stuck: &Stuck) -> Vec<(&'static str, i64)> {
    let counts = stuck.counts();
    assert_eq!(counts.len(), OrderState::ALL.len(), "each state is told, none is 0");
    counts.into_iter().filter(|(_, n)| *n != 0).collect()
}

#[tokio::test(start_paused = true)]
async fn who_cannot_move_on_is_counted_until_it_moves_or_nothing_is_heard_of_it() {
    let stuck = Stuck::default();
    let tell = |id: u128, state, is_stuck: bool| {
        let mut order = order(state, &[AttemptState::Authorised]);
        order.trouble = is_stuck.then(|| "cannot move on: words".to_owned());
        stuck.tell(&[(OrderId(id), Arc::new(order))].into());
    };
    assert_eq!(counted(&stuck), []);
    tell(1, OrderState::Committed, true);
    tell(2, OrderState::Committed, true);
    tell(3, OrderState::Canceling, true);
    tell(4, OrderState::Paying, false);
    assert_eq!(counted(&stuck), [("canceling", 1), ("committed", 2)]);
    tell(1, OrderState::Paid, false);
    tell(2, OrderState::Refunding, true);
    assert_eq!(counted(&stuck), [("canceling", 1), ("refunding", 1)]);
    tokio::time::advance(Duration::from_secs(60)).await;
    tell(2, OrderState::Refunding, true);
    tokio::time::advance(Duration::from_secs(14 * 60)).await;
    assert_eq!(counted(&stuck), [("refunding", 1)]);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(counted(&stuck), []);
}

#[test]
fn no_more_than_some_of_those_who_cannot_move_on_are_kept_apart() {
    let stuck = Stuck::default();
    let mut one = order(OrderState::Committed, &[AttemptState::Authorised]);
    one.trouble = Some("cannot move on: words".into());
    let one = Arc::new(one);
    stuck.tell(&(1..=65_537).map(|id| (OrderId(id), Arc::clone(&one))).collect());
    assert_eq!(counted(&stuck), [("committed", 65_536)]);
    // Who is known already is followed.
    let state = OrderState::Canceling;
    stuck.tell(&[(OrderId(1), Arc::new(Order { state, ..Order::clone(&one) }))].into());
    assert_eq!(counted(&stuck), [("canceling", 1), ("committed", 65_535)]);
}

#[tokio::test]
async fn of_each_payment_one_notification_waits_and_no_more_than_some() {
    let (notices, mut receiver) = Notices::new();
    let notice = |n: usize| notices.add(Notice { intent: format!("pi_{n}"), order: None });
    assert!(notices.is_empty());
    for n in [1, 1, 2] {
        notice(n);
    }
    assert_eq!((notices.len(), notices.is_empty()), (2, false));
    for n in 3..=4_097 {
        notice(n);
    }
    assert_eq!(notices.len(), 4_096, "one was dropped");
    for n in 1..=4_096 {
        assert_eq!(receiver.try_recv().map(|notice| notice.intent), Ok(format!("pi_{n}")));
    }
    assert!(receiver.try_recv().is_err());
}

/// Orders of this class that owe something join the line.
fn join(line: &SettlementQueue, ids: std::ops::RangeInclusive<u128>, class: PaymentClass) {
    let one = Arc::new(pending());
    let orders = ids.clone().map(|id| (OrderId(id), Arc::clone(&one))).collect();
    let owe: Vec<_> = ids.map(|id| boxoffice::Effect::Settle(OrderId(id))).collect();
    line.tell(&orders, &owe, true, |_| class);
}

#[tokio::test]
async fn no_more_than_some_stand_in_line_and_not_all_are_kept_as_they_are() {
    let line = SettlementQueue::default();
    join(&line, 1..=131_073, PaymentClass::First);
    let kept = [1, 65_536, 65_537, 131_072].map(|id| line.known(OrderId(id)).is_some());
    assert_eq!(kept, [true, true, false, false]);
    let stands = [131_072, 131_073].map(|id| line.class(OrderId(id)).is_some());
    assert_eq!(stands, [true, false]);
}

#[tokio::test]
async fn those_behind_are_all_but_the_first_class() {
    let line = SettlementQueue::default();
    assert_eq!(line.behind(), 0);
    for (n, class) in (0..).zip(PaymentClass::ALL) {
        join(&line, n * 10 + 1..=n * 10 + 3, class);
        assert_eq!(line.behind(), 3 * usize::try_from(n).unwrap());
    }
}
