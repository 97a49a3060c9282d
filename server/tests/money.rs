//! The payment protocol against a provider that misbehaves: whatever is lost, refused or delayed,
//! in the end the sandbox's own ledger and our books agree, and tickets are where the money is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

use boxoffice::{
    Buyer, BuyerKey, Command, LineWish, Order, OrderId, OrderState, RefundWish, TicketState,
};
use nts_server::app::App;
use nts_server::config::Config;
use nts_server::http::organiser::EventBody;
use nts_server::payments::sandbox::{Misstep, Operation};
use nts_server::run::Server;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Shop {
    app: Arc<App>,
    dir: std::path::PathBuf,
    event: boxoffice::EventId,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

async fn shop(name: &str, places: u32, hold_seconds: u32) -> Shop {
    let dir = std::env::temp_dir().join(format!("nts-money-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let database = dir.join("nts.db").to_str().unwrap().to_owned();
    let flags = ["--address", "127.0.0.1:0", "--organiser-key", "a-key-for-the-tests"];
    let config = Config::from_flags(flags.into_iter().chain(["--database", &database])).unwrap();
    let server = Server::start(config).await.unwrap();
    let app = Arc::clone(&server.app);
    let body: EventBody = serde_json::from_value(serde_json::json!({
        "name": "Rock", "starts_at": "2030-01-01T20:00:00Z", "zone": "UTC", "currency": "GBP",
        "hold_seconds": hold_seconds, "pools": [{"id": "all", "capacity": places}],
        "ticket_types": [{"id": "t", "name": "T", "pool": "all",
                          "price": {"amount": 1000, "currency": "GBP"}}],
    }))
    .unwrap();
    let event = app.ids.event(app.clock.now_ms());
    let spec = body.spec("rock").unwrap();
    app.ask(Command::PutEvent { id: event, spec }, None).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(server.serve(async { _ = stopped.await }));
    Shop { app, dir, event, stop, serving }
}

impl Shop {
    async fn hold(&self, n: u128, quantity: i64) -> OrderId {
        let order = self.app.ids.order(self.app.clock.now_ms());
        let buyer = Buyer { name: format!("b{n}"), email: String::new(), key: BuyerKey(n) };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity }];
        let hold = Command::Hold { order, event: self.event, buyer, lines };
        self.app.ask(hold, None).await.unwrap();
        order
    }

    async fn pay(&self, order: OrderId, token: &str) {
        let payment = self.app.ids.payment(self.app.clock.now_ms());
        let pay = Command::Pay { order, payment, live: false, token: token.into() };
        self.app.ask(pay, None).await.unwrap();
    }

    async fn order(&self, id: OrderId) -> Order {
        self.app.reads.ask(move |r| r.order(id)).await.unwrap().unwrap()
    }

    async fn settled(&self, id: OrderId) -> Order {
        let begun = Instant::now();
        loop {
            let order = self.order(id).await;
            if order.due_ms.is_none() {
                return order;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "never settles: {order:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The sandbox's ledger and our books, to the penny, and the tickets with them.
    async fn audit(&self, ids: &[OrderId]) {
        let (mut held, mut sold) = (0, 0);
        for id in ids {
            let order = self.order(*id).await;
            let moved = self.app.sandbox.as_ref().unwrap().ledger(*id).unwrap();
            let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid).count();
            assert_eq!(moved.captured - moved.refunded, valid as i64 * 1000, "{order:?}");
            assert!(moved.captured <= order.total().minor, "charged twice: {order:?}");
            for line in &order.lines {
                held += if order.state.holds() { line.quantity } else { 0 };
                sold += if order.state.sells() { line.quantity - line.restocked } else { 0 };
            }
        }
        let pool = self.app.catalogue.event_by_id(self.event).unwrap().pools[0].clone();
        assert_eq!((pool.held, pool.sold), (held, sold), "the counters are the sums");
    }

    async fn close(self) {
        self.stop.send(()).unwrap();
        drop(self.app);
        self.serving.await.unwrap();
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

const ALL: [Misstep; 5] = [
    Misstep::LostBefore,
    Misstep::LostAfter,
    Misstep::NoConnection,
    Misstep::TooMany,
    Misstep::Conflict,
];

/// Every call lost in every way, once each: the sale and the refund still come out right.
#[tokio::test]
async fn each_call_may_go_wrong_in_each_way() {
    let shop = shop("each", 1000, 300).await;
    let sandbox = Arc::clone(shop.app.sandbox.as_ref().unwrap());
    let mut orders = Vec::new();
    for operation in [
        Operation::Create,
        Operation::Confirm,
        Operation::Read,
        Operation::Capture,
        Operation::FindRefund,
        Operation::Refund,
    ] {
        for misstep in ALL {
            let mut once = Some(misstep);
            sandbox.misbehave(move |o| if o == operation { once.take() } else { None });
            let order = shop.hold(orders.len() as u128, 2).await;
            orders.push(order);
            shop.pay(order, "ctoken_ok").await;
            assert_eq!(
                shop.settled(order).await.state,
                OrderState::Paid,
                "{operation:?} {misstep:?}"
            );
            let refund = shop.app.ids.refund(shop.app.clock.now_ms());
            let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
            let wish = RefundWish::Lines(lines);
            shop.app
                .ask(Command::Refund { order, refund, wish, restock: true }, None)
                .await
                .unwrap();
            let after = shop.settled(order).await;
            assert_eq!(after.state, OrderState::Paid, "{operation:?} {misstep:?}");
            let moved = sandbox.ledger(order).unwrap();
            assert_eq!((moved.captured, moved.refunded), (2000, 1000), "{operation:?} {misstep:?}");
        }
    }
    shop.audit(&orders).await;
    shop.close().await;
}

/// A storm of everything at once, then calm: all settles and the books agree.
#[tokio::test]
async fn after_a_storm_the_ledger_and_the_books_agree() {
    let shop = shop("storm", 10_000, 3).await;
    let sandbox = Arc::clone(shop.app.sandbox.as_ref().unwrap());
    let mut dice = 1u64;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (dice >> 33) % sides
    };
    let mut call = roll;
    sandbox.misbehave(move |_| (call(10) < 4).then(|| ALL[call(5) as usize]));
    let mut orders = Vec::new();
    for n in 0..200u128 {
        let order = shop.hold(n, 1 + roll(3) as i64).await;
        orders.push(order);
        match roll(6) {
            0 => {}
            1 => shop.pay(order, "ctoken_declined").await,
            2 => shop.pay(order, "ctoken_3ds").await,
            _ => shop.pay(order, "ctoken_ok").await,
        }
        if roll(5) == 0 {
            // Refused where it is committed already; that is an answer like any other.
            _ = shop.app.ask(Command::Cancel { order }, None).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    sandbox.behave();
    for order in &orders {
        // Who was asked by the bank and walked away has five minutes; they give up now.
        if shop.order(*order).await.state == OrderState::Paying {
            _ = shop.app.ask(Command::Cancel { order: *order }, None).await;
        }
        let state = shop.settled(*order).await.state;
        assert!(matches!(state, OrderState::Paid | OrderState::Released), "{state:?}");
    }
    shop.audit(&orders).await;
    let mut paid = 0;
    for order in &orders {
        paid += u32::from(shop.order(*order).await.state == OrderState::Paid);
    }
    assert!(paid > 50, "the storm left too little to look at: {paid}");
    shop.close().await;
}

/// The authorisation ends, or somebody voids it by hand, before it is captured: no money, no
/// tickets, and the places are free.
#[tokio::test]
async fn an_authorisation_that_dies_leaves_nothing() {
    let shop = shop("void", 5, 300).await;
    let sandbox = Arc::clone(shop.app.sandbox.as_ref().unwrap());
    sandbox.misbehave(|o| (o == Operation::Capture).then_some(Misstep::NoConnection));
    let order = shop.hold(1, 2).await;
    shop.pay(order, "ctoken_ok").await;
    let committed = loop {
        let now = shop.order(order).await;
        if now.state == OrderState::Committed {
            break now;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    sandbox.void(committed.payment.unwrap().intent.as_deref().unwrap()).unwrap();
    sandbox.behave();
    assert_eq!(shop.settled(order).await.state, OrderState::Void);
    shop.audit(&[order]).await;
    shop.close().await;
}
