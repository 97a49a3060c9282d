//! What holds for any turn of events: random commands against a second, naive box office, and the
//! whole sale against a provider that loses, delays and repeats calls.
//!
//! `PROPTEST_CASES=10000 cargo test -p boxoffice --test property` looks longer.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod naive;
mod world;

use boxoffice::*;
use naive::Naive;
use proptest::prelude::*;
use proptest::sample::select;
use world::World;

/// So many cases, or as many as PROPTEST_CASES says.
fn cases(default: u32) -> ProptestConfig {
    let cases = match std::env::var("PROPTEST_CASES") {
        Ok(text) => text.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => default,
    };
    // A case that failed belongs into a script, where it has a title.
    let failure_persistence = None;
    ProptestConfig { cases, failure_persistence, max_shrink_iters: 20_000, ..Default::default() }
}

/// What is asked, before it is known of what state.
#[derive(Clone, Debug)]
enum Ask {
    Event(u64, EventSpec),
    Hold {
        order: u128,
        event: u64,
        buyer: u128,
        named: bool,
        lines: Vec<(u8, i64)>,
    },
    /// What usually comes next for an order.
    Push(u128),
    Pay {
        order: u128,
        token: &'static str,
        live: bool,
    },
    Created(u128, u128),
    Declined(u128, u16),
    Read {
        order: u128,
        intent: u128,
        status: IntentStatus,
        lie: u8,
    },
    Renew(u128),
    Cancel(u128),
    Expire(u128),
    Defer(u128),
    Refund {
        order: u128,
        refund: u128,
        wish: Option<Vec<(u8, i64)>>,
        restock: bool,
    },
    Answered {
        order: u128,
        refund: u128,
        outcome: RefundOutcome,
    },
    /// The n-th command of before once more.
    Again(usize),
}

const STATUSES: [IntentStatus; 7] = [
    IntentStatus::RequiresPaymentMethod,
    IntentStatus::RequiresConfirmation,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::RequiresCapture,
    IntentStatus::Succeeded,
    IntentStatus::Canceled,
];

fn event() -> impl Strategy<Value = Ask> {
    let pools = proptest::collection::vec((select(vec!["a", "b", "c"]), 0..9u32), 1..4);
    let types =
        proptest::collection::vec((0..4u8, 0..12u8, select(vec![0, 5, 999, 999, -1])), 1..5);
    let sale = select(vec![
        (None, None),
        (None, None),
        (Some(1_000), Some(5_000_000)),
        (Some(9), Some(9)),
    ]);
    let rest = (select(vec!["GBP", "GBP", "GBP", "JPY"]), 1..7u32, 1..8u32, sale, 1..400i64);
    (1..3u64, pools, types, rest).prop_map(|(id, pools, types, rest)| {
        let (currency, limit_per_order, limit, (opens, closes), hold_s) = rest;
        let mut spec = EventSpec {
            slug: ["rock", "folk"][id as usize - 1].into(),
            name: "A show".into(),
            place: String::new(),
            starts_ms: 0,
            zone: "UTC".into(),
            currency: Currency::parse(currency).unwrap(),
            limit_per_order,
            // One of the two shows limits its buyers, all its life.
            limit_per_buyer: (id == 1).then_some(limit),
            hold_ms: hold_s * 1_000,
            sale_opens_ms: opens,
            sale_closes_ms: closes,
            pools: vec![],
            ticket_types: vec![],
        };
        for (name, capacity) in pools {
            if !spec.pools.iter().any(|p| p.name == name) {
                spec.pools.push(PoolSpec { name: name.into(), capacity });
            }
        }
        for (t, pool, price_minor) in types {
            let id = ticket_type(t);
            // Mostly the pool where it was before.
            let pool = if pool < 10 { ["a", "b", "a", "c"][usize::from(t)] } else { "b" }.into();
            if !spec.ticket_types.iter().any(|t| t.id == id) {
                spec.ticket_types.push(TicketTypeSpec { name: id.clone(), id, pool, price_minor });
            }
        }
        Ask::Event(id, spec)
    })
}

fn ticket_type(n: u8) -> String {
    format!("t{n}")
}

fn wishes(lines: &[(u8, i64)]) -> Vec<LineWish> {
    let wish =
        |(t, quantity): &(u8, i64)| LineWish { ticket_type: ticket_type(*t), quantity: *quantity };
    lines.iter().map(wish).collect()
}

fn ask() -> impl Strategy<Value = Ask> {
    let order = || 1..8u128;
    let lines = || {
        proptest::collection::vec(
            (0..4u8, select(vec![1, 1, 1, 2, 2, 3, 5, 0, -1, 5_000_000_000])),
            0..4,
        )
    };
    let outcome = select(vec![
        RefundOutcome::Succeeded("re".into()),
        RefundOutcome::Pending,
        RefundOutcome::Failed("no".into()),
    ]);
    prop_oneof![
        3 => event(),
        12 => (order(), 1..4u64, 1..4u128, 0..30u8, lines()).prop_map(|(order, event, buyer, named, lines)| {
            Ask::Hold { order, event, buyer, named: named > 0, lines }
        }),
        25 => order().prop_map(Ask::Push),
        6 => (order(), select(vec!["tok", "tok", "tok", ""]), select(vec![false, false, true]))
            .prop_map(|(order, token, live)| Ask::Pay { order, token, live }),
        3 => (order(), 0..9u128).prop_map(|(o, i)| Ask::Created(o, if i > 7 { 99 } else { o })),
        5 => (order(), 1..4u16).prop_map(|(o, n)| Ask::Declined(o, n)),
        20 => (order(), 0..9u128, select(STATUSES.to_vec()), 0..20u8).prop_map(|(order, i, status, lie)| {
            Ask::Read { order, intent: if i > 7 { 99 } else { order }, status, lie }
        }),
        3 => order().prop_map(Ask::Renew),
        5 => order().prop_map(Ask::Cancel),
        4 => order().prop_map(Ask::Expire),
        2 => order().prop_map(Ask::Defer),
        6 => (order(), 1..5u128, proptest::option::of(lines()), any::<bool>())
            .prop_map(|(order, refund, wish, restock)| Ask::Refund { order, refund, wish, restock }),
        6 => (order(), 1..5u128, outcome)
            .prop_map(|(order, refund, outcome)| Ask::Answered { order, refund, outcome }),
        6 => (0..200usize).prop_map(Ask::Again),
    ]
}

fn payment_of(order: u128) -> PaymentId {
    PaymentId(order + 1_000)
}

/// Makes a command of it, for the state that there is.
fn command(ask: &Ask, world: &World, before: &[Command]) -> Option<Command> {
    let id = OrderId;
    let known = |order: &u128| world.state.orders.get(&OrderId(*order));
    Some(match ask {
        Ask::Event(id, spec) => Command::PutEvent { id: EventId(*id), spec: spec.clone() },
        Ask::Hold { order, event, buyer, named, lines } => Command::Hold {
            order: id(*order),
            event: EventId(*event),
            buyer: Buyer {
                name: if *named { "Ann".into() } else { " ".into() },
                email: String::new(),
                key: BuyerKey(*buyer),
            },
            lines: wishes(lines),
        },
        Ask::Push(order) => return push(*order, known(order)?),
        Ask::Pay { order, token, live } => Command::Pay {
            order: id(*order),
            payment: payment_of(*order),
            live: *live,
            token: (*token).into(),
        },
        Ask::Created(order, intent) => {
            Command::IntentCreated { order: id(*order), intent: format!("pi_{intent}") }
        }
        Ask::Declined(order, attempt) => {
            Command::AttemptDeclined { order: id(*order), attempt: *attempt, reason: "no".into() }
        }
        Ask::Read { order, intent, status, lie } => {
            let mut read = truth(*order, known(order)?, *status);
            read.id = format!("pi_{intent}");
            match lie {
                0 => read.amount.minor += 1,
                1 => read.amount.currency = Currency::parse("EUR").unwrap(),
                2 => read.live = !read.live,
                3 => read.order = None,
                4 => read.payment = Some(payment_of(order + 1)),
                5..=9 => read.action = Some(format!("show {lie}")),
                _ => {}
            }
            Command::Reconcile { order: id(*order), intent: read }
        }
        Ask::Renew(order) => Command::Renew { order: id(*order) },
        Ask::Cancel(order) => Command::Cancel { order: id(*order) },
        Ask::Expire(order) => Command::Expire { order: id(*order) },
        Ask::Defer(order) => {
            Command::Defer { order: id(*order), trouble: "no answer".into(), wait_ms: Some(99) }
        }
        Ask::Refund { order, refund, wish, restock } => Command::Refund {
            order: id(*order),
            refund: RefundId(*refund),
            wish: wish.as_ref().map_or(RefundWish::All, |w| RefundWish::Lines(wishes(w))),
            restock: *restock,
        },
        Ask::Answered { order, refund, outcome } => {
            // Sometimes it is the office's own refund of money that came too late.
            let refund = if *refund == 4 { payment_of(*order).0 } else { *refund };
            let outcome = outcome.clone();
            Command::RefundAnswered { order: id(*order), refund: RefundId(refund), outcome }
        }
        Ask::Again(n) if before.is_empty() => return command(&Ask::Expire(*n as u128), world, &[]),
        Ask::Again(n) => before[n % before.len()].clone(),
    })
}

fn truth(id: u128, order: &Order, status: IntentStatus) -> Intent {
    Intent {
        id: format!("pi_{id}"),
        status,
        amount: order.total(),
        live: order.payment.as_ref().is_some_and(|p| p.live),
        order: Some(order.id),
        payment: Some(payment_of(id)),
        action: None,
        last_error: None,
    }
}

/// The usual next step of an order.
fn push(id: u128, order: &Order) -> Option<Command> {
    let read = |status| Command::Reconcile { order: order.id, intent: truth(id, order, status) };
    let pay =
        Command::Pay { order: order.id, payment: payment_of(id), live: false, token: "tok".into() };
    Some(match order.state {
        OrderState::Held => pay,
        OrderState::Paying => match &order.payment {
            Some(p) if p.intent.is_none() => {
                Command::IntentCreated { order: order.id, intent: format!("pi_{id}") }
            }
            Some(p) if p.open_attempt().is_none() => pay,
            _ => read(IntentStatus::RequiresCapture),
        },
        OrderState::Canceling => read(IntentStatus::Canceled),
        OrderState::Committed => read(IntentStatus::Succeeded),
        OrderState::Paid => Command::Refund {
            order: order.id,
            refund: RefundId(10 + order.refunds.len() as u128),
            wish: RefundWish::All,
            restock: true,
        },
        OrderState::Refunding | OrderState::Refunded | OrderState::Released | OrderState::Void => {
            let pending = order.refunds.iter().find(|r| r.state == RefundState::Pending)?;
            let outcome = RefundOutcome::Succeeded("re".into());
            Command::RefundAnswered { order: order.id, refund: pending.id, outcome }
        }
    })
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn the_naive_box_office_says_the_same(
        first in proptest::collection::vec(event(), 1..4),
        asks in proptest::collection::vec(
            (select(vec![0, 0, 0, 1, 500, 9_000, 60_000, 299_999, 300_000, 2_000_000]), ask()),
            1..80,
        ),
    ) {
        let (mut world, mut naive, mut now) = (World::default(), Naive::default(), 1_000);
        let mut before = Vec::new();
        for (wait, ask) in first.into_iter().map(|e| (0, e)).chain(asks) {
            now += wait;
            let Some(command) = command(&ask, &world, &before) else { continue };
            let was = world.state.clone();
            let answer = world.step(&command, now);
            let granted = naive.ask(&command, now);
            prop_assert_eq!(answer.is_ok(), granted, "{:?} at {}: {:?}", command, now, answer);
            prop_assert!(answer.is_ok() || was == world.state, "a refusal changes nothing");
            prop_assert_eq!(world.state.orders.len(), naive.orders());
            for event in world.state.events.values() {
                naive.same_event(event).map_err(|why| TestCaseError::fail(format!("{command:?}: {why}")))?;
            }
            for order in world.state.orders.values() {
                naive.same_order(order).map_err(|why| TestCaseError::fail(format!("{command:?}: {why}")))?;
            }
            before.push(command);
        }
    }
}
