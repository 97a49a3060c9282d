//! Stories of the sandbox: what it allows, what it remembers, what it says it moved.

use super::*;
use boxoffice::{AttemptState, Buyer, BuyerKey, EventId, Line, OrderState, RefundId, RefundState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

struct World {
    sandbox: Sandbox,
    time: Arc<AtomicI64>,
    order: Order,
    payment: Payment,
}

fn world() -> World {
    let time = Arc::new(AtomicI64::new(1_800_000_000_000));
    let sandbox = Sandbox::open(None, Clock::Manual(Arc::clone(&time)), [1; 32]).unwrap();
    let order = Order {
        id: OrderId(7),
        event: EventId(1),
        buyer: Buyer { name: "Ann".into(), email: String::new(), key: BuyerKey(0) },
        lines: vec![Line {
            ticket_type: 0,
            pool: 0,
            quantity: 2,
            unit_minor: 999,
            refunded: 0,
            restocked: 0,
        }],
        currency: Currency::parse("GBP").unwrap(),
        state: OrderState::Paying,
        placed_ms: 0,
        until_ms: 0,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: None,
        refunds: vec![],
        tickets: vec![],
    };
    let payment = Payment {
        id: PaymentId(8),
        intent: None,
        live: false,
        action: None,
        dispute: None,
        attempts: vec![],
    };
    World { sandbox, time, order, payment }
}

impl World {
    async fn create(&mut self) -> Intent {
        let intent = self.sandbox.create(&self.order, &self.payment).await.unwrap();
        self.payment.intent = Some(intent.id.clone());
        intent
    }

    async fn confirm(&self, number: u16, token: &str) -> Result<Intent, CallError> {
        let attempt =
            Attempt { number, token: token.into(), begun_ms: 0, state: AttemptState::Pending };
        self.sandbox.confirm(&self.payment, &attempt, "").await
    }

    async fn capture(&self) -> Result<Intent, CallError> {
        self.sandbox.capture(&self.order, &self.payment).await
    }

    async fn cancel(&self) -> Result<Intent, CallError> {
        self.sandbox.cancel(&self.order, &self.payment).await
    }

    async fn read(&self) -> IntentStatus {
        self.sandbox.read(&self.payment).await.unwrap().status
    }

    async fn refund(&self, id: u128, amount_minor: i64) -> Result<RefundOutcome, CallError> {
        self.sandbox.refund(&self.payment, &refund(id, amount_minor)).await
    }

    fn moved(&self) -> (i64, i64) {
        let moved = self.sandbox.ledger(self.order.id).unwrap();
        (moved.captured, moved.refunded)
    }

    fn lose_next(&self, misstep: Misstep) {
        let mut next = Some(misstep);
        self.sandbox.misbehave(move |_| next.take());
    }
}

fn refund(id: u128, amount_minor: i64) -> Refund {
    let (quantities, state) = (vec![1], RefundState::Pending);
    Refund { id: RefundId(id), amount_minor, quantities, restock: false, state, by_hand: false }
}

#[tokio::test(start_paused = true)]
async fn a_card_is_authorised_captured_once_and_refunded_never_beyond() {
    let mut w = world();
    let intent = w.create().await;
    assert_eq!(intent.status, IntentStatus::RequiresPaymentMethod);
    assert_eq!((intent.order, intent.payment), (Some(OrderId(7)), Some(PaymentId(8))));
    assert!(matches!(w.capture().await, Err(CallError::Refused(_))), "nothing is set aside");
    assert_eq!(w.confirm(1, "ctoken_ok").await.unwrap().status, IntentStatus::RequiresCapture);
    // The refusal is repeated as long as its key is known, so the next try has another one.
    assert!(matches!(w.capture().await, Err(CallError::Refused(_))));
    w.order.tries += 1;
    assert_eq!(w.moved(), (0, 0), "set aside is not taken");
    assert_eq!(w.capture().await.unwrap().status, IntentStatus::Succeeded);
    assert_eq!(w.capture().await.unwrap().status, IntentStatus::Succeeded, "the same answer");
    assert_eq!(w.moved(), (1998, 0));
    assert!(matches!(w.cancel().await, Err(CallError::Refused(_))));
    assert!(matches!(w.refund(1, 999).await, Ok(RefundOutcome::Succeeded(_))));
    assert_eq!(w.refund(1, 999).await, w.refund(1, 999).await, "one refund, one key");
    assert_eq!(w.moved(), (1998, 999));
    assert!(matches!(w.refund(2, 1000).await, Err(CallError::Refused(_))));
    assert!(matches!(w.refund(3, 999).await, Ok(RefundOutcome::Succeeded(_))));
    assert_eq!(w.moved(), (1998, 1998));
    let known = w.sandbox.find_refund(&w.payment, &refund(3, 999)).await.unwrap();
    assert!(matches!(known, Some(RefundOutcome::Succeeded(_))));
    let unknown = w.sandbox.find_refund(&w.payment, &refund(4, 999)).await.unwrap();
    assert_eq!(unknown, None);
}

#[tokio::test(start_paused = true)]
async fn a_decline_is_replayed_and_the_next_attempt_is_another() {
    let mut w = world();
    w.create().await;
    let declined = Err(CallError::Declined("Your card was declined.".into()));
    assert_eq!(w.confirm(1, "ctoken_declined").await, declined);
    assert_eq!(w.confirm(1, "ctoken_declined").await, declined);
    assert!(matches!(w.confirm(1, "ctoken_ok").await, Err(CallError::KeyReuse(_))));
    assert!(matches!(w.confirm(2, "no such card").await, Err(CallError::Refused(_))));
    assert_eq!(w.read().await, IntentStatus::RequiresPaymentMethod);
    assert_eq!(w.confirm(3, "tok_visa").await.unwrap().status, IntentStatus::RequiresCapture);
    // A late repetition of the first attempt hears what it heard, and changes nothing.
    assert_eq!(w.confirm(1, "ctoken_declined").await, declined);
    assert_eq!(w.read().await, IntentStatus::RequiresCapture);
}

#[tokio::test(start_paused = true)]
async fn the_bank_asks_and_a_double_click_changes_nothing() {
    for (approve, status) in
        [(true, IntentStatus::RequiresCapture), (false, IntentStatus::RequiresPaymentMethod)]
    {
        let mut w = world();
        let id = w.create().await.id;
        let intent = w.confirm(1, "ctoken_3ds").await.unwrap();
        assert_eq!(intent.action, Some(format!("/sandbox/authenticate/{id}")));
        assert_eq!(w.sandbox.authenticate(&id, approve).unwrap(), Some(OrderId(7)));
        assert_eq!(w.sandbox.authenticate(&id, !approve).unwrap(), Some(OrderId(7)));
        assert_eq!(w.read().await, status);
    }
    assert_eq!(world().sandbox.authenticate("pi_unknown", true).unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_never_takes_money() {
    for token in [None, Some("ctoken_ok"), Some("ctoken_3ds"), Some("ctoken_declined")] {
        let mut w = world();
        w.create().await;
        if let Some(token) = token {
            _ = w.confirm(1, token).await;
        }
        assert_eq!(w.cancel().await.unwrap().status, IntentStatus::Canceled);
        assert_eq!(w.cancel().await.unwrap().status, IntentStatus::Canceled);
        assert!(matches!(w.confirm(2, "ctoken_ok").await, Err(CallError::Refused(_))));
        assert!(matches!(w.capture().await, Err(CallError::Refused(_))));
        assert_eq!(w.moved(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_found_again_under_the_same_key() {
    for misstep in [Misstep::LostBefore, Misstep::LostAfter, Misstep::Hang, Misstep::Conflict] {
        let mut w = world();
        w.lose_next(misstep);
        let lost = w.sandbox.create(&w.order, &w.payment).await;
        assert!(matches!(lost, Err(CallError::Unknown(_))), "{misstep:?}");
        w.create().await;
        w.lose_next(misstep);
        assert!(matches!(w.confirm(1, "ctoken_ok").await, Err(CallError::Unknown(_))));
        w.confirm(1, "ctoken_ok").await.unwrap();
        w.lose_next(misstep);
        assert!(matches!(w.capture().await, Err(CallError::Unknown(_))));
        w.capture().await.unwrap();
        w.lose_next(misstep);
        assert!(matches!(w.refund(1, 500).await, Err(CallError::Unknown(_))));
        w.refund(1, 500).await.unwrap();
        assert_eq!(w.moved(), (1998, 500), "{misstep:?}");
        let intents: i64 = w
            .sandbox
            .state()
            .db
            .query_row("SELECT count(*) FROM intents", [], |row| row.get(0))
            .unwrap();
        assert_eq!(intents, 1, "{misstep:?}");
    }
    let w = world();
    w.lose_next(Misstep::TooMany);
    let error = w.sandbox.create(&w.order, &w.payment).await.unwrap_err();
    assert_eq!(error, CallError::NotDone("too many requests".into(), Some(1_000)));
    w.lose_next(Misstep::NoConnection);
    let error = w.sandbox.create(&w.order, &w.payment).await.unwrap_err();
    assert!(matches!(error, CallError::NotDone(_, None)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_after_a_day_and_then_a_refund_is_found_only_by_looking() {
    let mut w = world();
    w.create().await;
    w.confirm(1, "ctoken_slow").await.unwrap();
    w.capture().await.unwrap();
    w.refund(1, 500).await.unwrap();
    w.time.fetch_add(KEYS_MS + 1, Ordering::SeqCst);
    let known = w.sandbox.find_refund(&w.payment, &refund(1, 500)).await.unwrap();
    assert!(known.is_some());
    assert!(matches!(w.capture().await, Err(CallError::Refused(_))), "not replayed any more");
    assert_eq!(w.moved(), (1998, 500));
    w.sandbox.void("pi_unknown").unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_survives_being_reopened() {
    let dir = std::env::temp_dir().join(format!("nts-sandbox-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("sandbox");
    let mut w = world();
    w.sandbox = Sandbox::open(Some(&path), w.sandbox.clock.clone(), [2; 32]).unwrap();
    let id = w.create().await.id;
    w.confirm(1, "ctoken_ok").await.unwrap();
    w.sandbox = Sandbox::open(Some(&path), w.sandbox.clock.clone(), [3; 32]).unwrap();
    assert_eq!(w.create().await.id, id, "the key is still known");
    assert_eq!(w.read().await, IntentStatus::RequiresCapture);
    std::fs::remove_dir_all(dir).unwrap();
}
