//! What an answer of the provider leads to, where that takes more than a table.

use super::world::{Setup, World};
use super::{another_card, deferred, fixtures, intent, pending};
use crate::metrics::ProviderCall;
use crate::payments::CallError;
use crate::payments::fake::{InjectedFault, Operation};
use crate::payments::governor::{Budget, Endpoint};
use crate::settlement::{
    ENTER_AGAIN, NOT_OUR_KEY, Settlement, count, declined_unless_charged, reconcile, settle_known,
    step, tried_elsewhere,
};
use boxoffice::{
    AttemptState, Command, IntentStatus, Order, OrderId, OrderState, RefundState, SeenVersion, owed,
};
use tokio::time::{Duration, sleep};

/// The attempts of an order.
fn attempts(order: &Order) -> Vec<AttemptState> {
    let attempts = order.payment.iter().flat_map(|payment| &payment.attempts);
    attempts.map(|attempt| attempt.state.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_the_provider_does_not_even_create_is_declined_and_told_to_a_person() {
    let mut world = World::new("not-created").await;
    world.run();
    world.refuse("POST /v1/payment_intents", "amount_too_small");
    let order = world.hold().await;
    for n in 1..=2u16 {
        world.pay(order, "ctoken_ok").await;
        let declined = |o: &Order| {
            attempts(o).len() == usize::from(n)
                && attempts(o).iter().all(|state| matches!(state, AttemptState::Declined(_)))
        };
        let now = world.until("it is declined", order, declined).await;
        let Some(AttemptState::Declined(why)) = attempts(&now).pop() else { unreachable!() };
        assert!(why.starts_with("The amount is less than can be paid by card"), "{why}");
        let made = world.asked("POST /v1/payment_intents").len();
        assert_eq!((world.alarms(), made), (u64::from(n), usize::from(n)));
        assert_eq!((now.trouble, now.payment.unwrap().intent), (None, None));
    }
    // Nothing can take money any more: the places come back when the time is over.
    let is_over = |o: &Order| o.state == OrderState::Released;
    let until_ms = world.until("it is released", order, is_over).await.until_ms;
    let late_ms = world.settlement.clock.now_ms() - until_ms;
    assert!((0..10_000).contains(&late_ms), "{late_ms}");
}

#[test]
fn what_our_key_may_not_confirm_is_declined_unless_something_was_charged() {
    use IntentStatus::{
        Canceled, Processing, RequiresAction, RequiresCapture, RequiresConfirmation,
        RequiresPaymentMethod, Succeeded,
    };
    let declined = |order: &Order| {
        let (order, reason) = (order.id, NOT_OUR_KEY.to_owned());
        Command::AttemptDeclined { order, attempt: 5, reason }
    };
    let read = |order: &Order, status| Command::Reconcile {
        order: order.id,
        intent: intent(status),
        known: SeenVersion::of(order),
    };
    let why = "our key is refused: the key may not do this: \
               the payment is being processed, and our key may not confirm it";
    for (order, statuses, expected) in [
        (pending(), &[RequiresPaymentMethod, RequiresConfirmation][..], None),
        (another_card(), &[RequiresPaymentMethod, RequiresConfirmation, RequiresAction], None),
        // The payment may be about the card before, and that is charged in a moment perhaps.
        (another_card(), &[Processing], Some(why)),
    ] {
        let expected =
            expected.map_or_else(|| declined(&order), |why| deferred(&order, why, Some(90_000)));
        for status in statuses {
            let payment = order.payment.as_ref().unwrap();
            let given = declined_unless_charged(&order, payment, intent(*status), declined(&order));
            assert_eq!(given, expected, "{status:?} {order:?}");
        }
    }
    // All else is news, and the books decide on it.
    for (order, statuses) in [
        (pending(), &[RequiresAction, Processing, RequiresCapture, Succeeded, Canceled][..]),
        (another_card(), &[RequiresCapture, Succeeded, Canceled]),
    ] {
        for status in statuses {
            let payment = order.payment.as_ref().unwrap();
            let given = declined_unless_charged(&order, payment, intent(*status), declined(&order));
            assert_eq!(given, read(&order, *status), "{status:?} {order:?}");
        }
    }
}

/// The bank asks about the first card, another one takes its place, and our key may not confirm any more.
#[tokio::test(start_paused = true)]
async fn another_card_that_our_key_may_not_confirm_is_declined_while_the_bank_asks_about_the_first()
{
    let mut world = World::new("replaced").await;
    world.run();
    let order = world.hold().await;
    world.pay(order, "ctoken_3ds").await;
    let asks = |o: &Order| attempts(o) == [AttemptState::Action];
    world.until("the bank asks", order, asks).await;
    world.fail(Operation::Confirm, InjectedFault::Forbidden, u32::MAX);
    world.pay(order, "ctoken_ok").await;
    let declined = |o: &Order| {
        matches!(&attempts(o)[..], [AttemptState::Abandoned, AttemptState::Declined(_)])
    };
    let now = world.until("it is declined", order, declined).await;
    assert_eq!((now.state, world.moved(order)), (OrderState::Paying, (0, 0)));
    assert_eq!(world.calls(Operation::Confirm), 1 + 3, "the third try in vain is the last");
    assert_eq!(world.alarms(), 1, "the permission that is missing");
}

#[tokio::test(start_paused = true)]
async fn a_try_of_another_process_is_seen_by_the_tries_that_are_recorded() {
    for shared in [false, true] {
        let setup = Setup { shared, ..Setup::default() };
        let world = World::with(&format!("elsewhere-{shared}"), setup).await;
        let order = world.hold().await;
        world.pay(order, "ctoken_ok").await;
        let known = world.order(order).await;
        assert!(!tried_elsewhere(&world.settlement, &known).await);
        let trouble = "words".to_owned();
        world.ask(Command::Defer { order, trouble, wait_ms: None }).await;
        assert_eq!(tried_elsewhere(&world.settlement, &known).await, shared);
        let known = world.order(order).await;
        assert!(!tried_elsewhere(&world.settlement, &known).await, "as it is now");
        // Nobody knows: perhaps.
        let stranger = Order { id: OrderId(1), ..known };
        assert_eq!(tried_elsewhere(&world.settlement, &stranger).await, shared);
    }
}

/// While the database cannot be read nothing is asked of the provider.
#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_read_is_left_as_it_is() {
    let setup = Setup { shared: true, readable: false, ..Setup::default() };
    let world = World::with("unreadable", setup).await;
    assert!(!settle_known(&world.settlement, OrderId(7), None).await);
    assert_eq!(world.asked(""), []);
    assert!(tried_elsewhere(&world.settlement, &pending()).await, "nobody knows: perhaps");
}

/// An order whose PaymentIntent is made, and whose card is to be tried next.
async fn to_be_confirmed(world: &World, token: &str) -> Order {
    let stripe = &world.settlement.stripe;
    let id = world.hold().await;
    world.pay(id, token).await;
    let order = world.order(id).await;
    let turn = stripe.governor().turn(Endpoint::Create).await;
    let made = stripe.create(turn, &order, order.payment.as_ref().unwrap()).await;
    world.ask(Command::IntentCreated { order: id, intent: made.unwrap().id }).await;
    world.order(id).await
}

/// The provider does not take the card, which leaves the payment without one. Where a call under another key
/// may be under way, that is waited out before the buyer hears that nothing was charged.
#[tokio::test(start_paused = true)]
async fn a_card_that_is_refused_waits_out_an_earlier_call_under_another_key() {
    for shared in [false, true] {
        let setup = Setup { shared, ..Setup::default() };
        let world = World::with(&format!("refused-{shared}"), setup).await;
        let order = to_be_confirmed(&world, "ctoken_expired").await;
        let refused = || Some("the card was refused: words".to_owned());
        for (tries, trouble, recorded, waits) in [
            (0, None, 0, false),
            // Another process has tried it since.
            (0, None, 1, shared),
            (0, refused(), 1, false),
            (2, None, 2, false),
            (3, None, 3, true),
            (3, refused(), 3, false),
        ] {
            while world.order(order.id).await.tries < recorded {
                let (order, trouble) = (order.id, "words".to_owned());
                world.ask(Command::Defer { order, trouble, wait_ms: None }).await;
            }
            let known = Order { tries, trouble, ..order.clone() };
            let turn = world.settlement.stripe.governor().turn(Endpoint::Confirm).await;
            let given = step(&world.settlement, &known, owed(&known), (turn, None)).await;
            let told = format!("{shared} {tries} {recorded} {:?}: {given:?}", known.trouble);
            match given {
                Command::Defer { trouble, wait_ms, .. } => {
                    assert!(waits && trouble.starts_with("the card was refused: "), "{told}");
                    assert_eq!(wait_ms, Some(90_000), "{told}");
                }
                Command::AttemptDeclined { attempt: 1, reason, .. } => {
                    assert!(!waits && reason == ENTER_AGAIN, "{told}");
                }
                _ => panic!("{told}"),
            }
        }
    }
}

/// A confirmation is refused, and the payment is not where another card could be tried: an earlier call, whose
/// answer was lost, went through.
#[tokio::test(start_paused = true)]
async fn a_card_that_is_refused_is_what_the_payment_says_of_it() {
    use AttemptState::{Abandoned, Pending};
    let reconciled =
        |order: &Order, intent, known| Command::Reconcile { order: order.id, intent, known };
    for (n, (token, attempts)) in [
        ("ctoken_ok", vec![Pending]),
        ("ctoken_3ds", vec![Pending]),
        ("ctoken_processing", vec![Pending]),
        ("ctoken_processing", vec![Abandoned, Pending]),
    ]
    .into_iter()
    .enumerate()
    {
        let world = World::new(&format!("went-through-{n}")).await;
        let stripe = &world.settlement.stripe;
        let order = to_be_confirmed(&world, token).await;
        confirmed_before(&world.settlement, &order).await;
        world.refuse("POST /v1/payment_intents/", "words");
        let mut payment = order.payment.clone().unwrap();
        payment.attempts = fixtures::payment(&attempts).attempts;
        let known = Order { payment: Some(payment.clone()), ..order };
        let turn = async |endpoint| stripe.governor().turn(endpoint).await;
        let given =
            step(&world.settlement, &known, owed(&known), (turn(Endpoint::Confirm).await, None));
        let given = given.await;
        let read = stripe.read(turn(Endpoint::Read).await, &known, &payment).await.unwrap();
        let expected = match n {
            // The bank asks about this card.
            1 => reconciled(&known, read, SeenVersion::confirming(&known)),
            // It may be the card before that is being processed.
            3 => deferred(&known, "words: Words.", None),
            _ => reconciled(&known, read, SeenVersion::of(&known)),
        };
        assert_eq!(given, expected, "{token} {attempts:?}");
    }
}

/// Somebody gave a part back by hand, and then all of it is refunded here: the provider refuses that, and what
/// was done by hand is taken in.
#[tokio::test(start_paused = true)]
async fn a_refund_that_is_refused_takes_in_what_was_done_by_hand() {
    let mut world = World::new("by-hand").await;
    world.run();
    let order = world.paid().await;
    world.fake.refund_by_hand(&world.intent(order).await, 40).unwrap();
    world.refund(order).await;
    let now = world.until("it is answered", order, |o| o.state == OrderState::Paid).await;
    let refunds: Vec<_> = now.refunds.iter().map(|r| (r.by_hand, r.amount_minor)).collect();
    assert_eq!(refunds, [(false, 100), (true, 40)]);
    assert!(matches!(now.refunds[0].state, RefundState::Failed(_)), "{now:?}");
    assert_eq!(world.moved(order), (100, 40));
}

/// The bank asks the buyer, and our key may not read any more: the places are kept until the time is over.
#[tokio::test(start_paused = true)]
async fn a_payment_that_our_key_may_not_read_is_given_up_when_its_time_is_over() {
    let mut world = World::new("time-over").await;
    world.run();
    let order = world.hold().await;
    world.pay(order, "ctoken_3ds").await;
    let asks = |o: &Order| attempts(o) == [AttemptState::Action];
    let until_ms = world.until("the bank asks", order, asks).await.until_ms;
    world.fail(Operation::Read, InjectedFault::Forbidden, u32::MAX);
    world.until("it is given up", order, |o| o.state != OrderState::Paying).await;
    let now_ms = world.settlement.clock.now_ms();
    assert!((until_ms..until_ms + 100_000).contains(&now_ms), "{until_ms} {now_ms}");
    world.until("it is released", order, |o| o.state == OrderState::Released).await;
    assert_eq!(world.moved(order), (0, 0));
}

/// How long a look for a refund may have taken for the refund to be asked for on it.
#[tokio::test(start_paused = true)]
async fn a_refund_is_asked_for_within_45_seconds_of_the_look_for_it_or_not_at_all() {
    for (took_ms, asked) in [(0, 1), (45_000, 1), (45_001, 0), (200_000, 0)] {
        let mut world = World::new(&format!("look-{took_ms}")).await;
        world.run();
        let order = world.paid().await;
        world.fail(Operation::FindRefund, InjectedFault::Slow(took_ms), 1);
        let refund = world.refund(order).await;
        sleep(Duration::from_millis(took_ms + 10)).await;
        assert_eq!(world.calls(Operation::Refund), asked, "{took_ms}");
        let now = world.order(order).await;
        assert_eq!(now.refunds[0].id, refund);
        assert_eq!(now.refunds[0].state == RefundState::Pending, asked == 0, "{now:?}");
        world.until("it is refunded", order, |o| o.state == OrderState::Refunded).await;
        assert_eq!((world.calls(Operation::Refund), world.moved(order)), (1, (100, 100)));
    }
}

/// Who looks at a page has the payment read at once, if anything is awaited of it and a turn is free.
#[tokio::test(start_paused = true)]
async fn the_payment_is_read_for_who_looks_at_the_page_of_an_order_that_waits() {
    let setup = Setup { budget: Some(Budget { each: 2, all: 100 }), ..Setup::default() };
    let mut world = World::with("page", setup).await;
    world.run();
    let look = async |id: OrderId| {
        let reads = world.calls(Operation::Read);
        let answer = reconcile(&world.settlement, &world.order(id).await).await;
        assert_eq!(answer.is_some(), world.calls(Operation::Read) > reads);
        answer.map(|answer| answer.is_ok())
    };
    let (held, paid) = (world.hold().await, world.paid().await);
    assert_eq!((look(held).await, look(paid).await), (None, None));
    let asks = world.hold().await;
    world.pay(asks, "ctoken_3ds").await;
    assert_eq!(look(asks).await, None, "it is not made yet");
    world.until("the timer waits", asks, |o| o.tries >= 6).await;
    world.fake.authenticate(&world.intent(asks).await, true).unwrap();
    sleep(Duration::from_secs(2)).await;
    // Others have the turns of this second.
    for _ in 0..2 {
        assert!(world.settlement.stripe.governor().turn_now(Endpoint::Read).await.is_some());
    }
    assert_eq!((look(asks).await, world.order(asks).await.state), (None, OrderState::Paying));
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(look(asks).await, Some(true));
    assert!(world.order(asks).await.state.sells(), "the bank has said yes");
}

#[tokio::test(start_paused = true)]
async fn each_call_is_counted_by_how_it_ended() {
    let world = World::new("counted").await;
    let settlement = &world.settlement;
    let words = || "words".to_owned();
    for (outcome, result, alarms) in [
        ("ok", Ok(()), 0),
        ("declined", Err(CallError::Declined(words())), 0),
        ("refused", Err(CallError::Refused(words())), 0),
        ("not_done", Err(CallError::NotDone(words(), None)), 0),
        ("key_refused", Err(CallError::KeyRefused(words())), 0),
        ("not_allowed", Err(CallError::NotAllowed(words())), 0),
        // A person must look at this one: it is our mistake.
        ("key_reuse", Err(CallError::KeyReuse(words())), 1),
        ("unknown", Err(CallError::Unknown(words())), 0),
    ] {
        let alarms_before = world.alarms();
        for times in 1..=2 {
            assert_eq!(count(settlement, "confirm", result.clone()), result);
            let counted = ProviderCall { operation: "confirm", outcome };
            assert_eq!(settlement.metrics.provider.get_or_create(&counted).get(), times);
        }
        assert_eq!(world.alarms() - alarms_before, 2 * alarms, "{outcome}");
    }
}

/// The call as it was made under another public address, before a restart; its answer was lost.
async fn confirmed_before(settlement: &Settlement, order: &Order) {
    let payment = order.payment.as_ref().unwrap();
    let attempt = &payment.attempts[0];
    let turn = settlement.stripe.governor().turn(Endpoint::Confirm).await;
    let address = "https://before.example.org";
    _ = settlement.stripe.confirm(turn, order, payment, attempt, address).await;
}

/// The key of a call was used for another call: our mistake, which is told to a person; and what that call
/// did is read.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_used_for_another_call_is_told_and_what_that_did_is_read() {
    for (token, state, last, alarms) in [
        ("ctoken_ok", OrderState::Paid, AttemptState::Authorised, 1),
        ("ctoken_declined", OrderState::Paying, AttemptState::Pending, 1),
    ] {
        let world = World::new(&format!("key-{token}")).await;
        let settlement = &world.settlement;
        let order = to_be_confirmed(&world, token).await;
        let id = order.id;
        confirmed_before(settlement, &order).await;
        assert!(settle_known(settlement, id, None).await);
        let now = world.order(id).await;
        assert_eq!((now.state, attempts(&now)), (state, vec![last]), "{token}: {now:?}");
        assert_eq!((world.alarms(), world.calls(Operation::Read)), (alarms, 1), "{token}");
        // What tells nothing new waits, and is asked for again under the same key, and then another.
        assert_eq!(now.tries, u32::from(state == OrderState::Paying), "{token}");
        let mut world = world;
        world.run();
        sleep(Duration::from_secs(300)).await;
        let now = world.order(id).await;
        let open = now.payment.as_ref().is_some_and(|payment| payment.open_attempt().is_some());
        assert!(!open, "{token}: {now:?}");
        assert_eq!(world.moved(id).0, if token == "ctoken_ok" { 100 } else { 0 });
    }
}
