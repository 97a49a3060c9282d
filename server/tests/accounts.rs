//! The accounts of an event and `nts audit` count the same money, to the penny, though they share no code: of random
//! orders in every state, with refunds that were made, are on their way, failed at once or later, here or at the
//! payment provider, and with disputes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice::{
    Buyer, BuyerKey, Change, Command, Dispute, EventSpec, Language, LineWish, Order, OrderId,
    OrderState, Payment, PaymentId, Refund, RefundId, RefundState, State, Tender, decide,
};
use nts_server::audit::books;
use nts_server::organiser::ledger::{Ledger, Sums};
use nts_testkit::fixtures::{self, event_spec};
use std::collections::BTreeMap;

/// The same numbers in each run (Lehmer's generator).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(48_271) % 0x7fff_ffff;
        self.0 % n
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

const BEGUN_MS: i64 = 1_800_000_000_000;

/// A new order of the event, as the core places it.
fn placed(state: &State, random: &mut Random, n: u128) -> Order {
    let event = state.events.values().next().unwrap();
    let at_ms = BEGUN_MS + random.below(5 * 24 * 3_600_000) as i64;
    let lines = event
        .spec
        .ticket_types
        .iter()
        .map(|t| LineWish { ticket_type: t.id.clone(), quantity: 1 + random.below(3) as i64 });
    let lines: Vec<LineWish> = lines.collect();
    let buyer = Buyer {
        name: format!("Buyer {n}"),
        email: String::new(),
        key: BuyerKey(n),
        language: Language::EN,
    };
    let order = OrderId((at_ms as u128) << 80 | n);
    let hold = Command::Hold {
        order,
        event: event.id,
        buyer,
        untagged: None,
        lines,
        terms: boxoffice::Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    };
    let decision = decide(state, &hold, at_ms).unwrap();
    let placed = decision.changes.into_iter().find_map(|change| match change {
        Change::OrderPlaced(order) => Some(*order),
        _ => None,
    });
    placed.unwrap()
}

fn refund(order: &Order, random: &mut Random, n: u128) -> Refund {
    let at_ms = order.placed_ms as u128 + u128::from(random.below(3 * 24 * 3_600_000));
    let by_hand = random.below(4) == 0;
    let quantities = order
        .lines
        .iter()
        .map(|line| if by_hand { 0 } else { random.below(u64::from(line.quantity) + 1) as u32 });
    let quantities: Vec<u32> = quantities.collect();
    let quantities_none = quantities.iter().all(|quantity| *quantity == 0) && !by_hand;
    let states = [
        RefundState::Pending,
        RefundState::Succeeded(format!("re_{n}")),
        RefundState::Succeeded(format!("re_{n}")),
        RefundState::Failed("the bank said no".into()),
        RefundState::Failed("the bank sent the money back after the refund had succeeded".into()),
    ];
    Refund {
        id: RefundId(at_ms << 80 | n),
        amount_minor: random.below(order.total().minor as u64 + 1) as i64,
        quantities,
        restock: random.below(2) == 0,
        state: random.one(&states).clone(),
        by_hand,
        of_amount: quantities_none && random.below(2) == 0,
    }
}

#[test]
fn the_accounts_are_those_of_the_audit() {
    let mut spec: EventSpec = event_spec("rock", 1_000_000);
    let more = spec.ticket_types[0].clone();
    for (id, price_minor) in [("free", 0), ("odd", 333), ("dear", 99_999)] {
        let other = boxoffice::TicketTypeSpec { id: id.into(), price_minor, ..more.clone() };
        spec.ticket_types.push(other);
    }
    spec.limit_per_order = 100;
    let mut state = State::default();
    let put = Command::PutEvent { id: boxoffice::EventId(1 << 40), spec };
    let decision = decide(&state, &put, BEGUN_MS).unwrap();
    decision.changes.iter().for_each(|change| state.apply(change));

    let mut random = Random(7);
    let mut ledger = Ledger::new("Asia/Tokyo", fixtures::gbp());
    let (mut taken, mut given_back, mut going_back, mut disputed) = (0, 0, 0, 0);
    let mut by_tender: BTreeMap<Tender, (i64, i64, i64)> = BTreeMap::new();
    for n in 1..=2_000u128 {
        let mut order = placed(&state, &mut random, n);
        order.state = *random.one(&OrderState::ALL);
        if order.state == OrderState::Paid {
            // Sold in whatever way.
            order.tender = *random.one(&Tender::ALL);
        }
        let refunds = match order.state {
            OrderState::Held
            | OrderState::Paying
            | OrderState::Canceling
            | OrderState::Committed => 0,
            _ => random.below(4) as u128,
        };
        for nth in 0..refunds {
            let refund = refund(&order, &mut random, n << 8 | nth);
            order.refunds.push(refund);
        }
        if random.below(10) == 0 {
            let dispute = Dispute { id: "dp".into(), amount_minor: 5, status: "lost".into() };
            disputed += 5;
            order.payment = Some(Payment {
                id: PaymentId(n),
                intent: Some(format!("pi_{n}")),
                live: false,
                action: None,
                dispute: Some(dispute),
                attempts: vec![],
            });
        }
        let money = books::money(&order);
        taken += money.taken;
        given_back += money.given_back;
        going_back += money.going_back;
        let by = by_tender.entry(order.tender).or_default();
        by.0 += money.taken;
        by.1 += money.given_back;
        by.2 += money.going_back;
        ledger.add(&order);
        let mut one = Ledger::new("UTC", fixtures::gbp());
        one.add(&order);
        let sums = (one.all.taken, one.all.given_back, one.all.going_back);
        assert_eq!(sums, (money.taken, money.given_back, money.going_back), "{order:?}");
    }
    assert!(taken > 1_000_000 && given_back > 100_000 && going_back > 100_000);
    let all = ledger.all;
    assert_eq!((all.taken, all.given_back, all.going_back), (taken, given_back, going_back));
    assert_eq!(ledger.disputed, disputed);
    // By how it was paid they are those of the audit, too.
    let of_ledger = ledger
        .tenders
        .iter()
        .map(|((_, tender), sums)| (*tender, (sums.taken, sums.given_back, sums.going_back)));
    assert_eq!(of_ledger.collect::<BTreeMap<_, _>>(), by_tender);
    assert_eq!(by_tender.len(), Tender::ALL.len());

    // By day and by ticket type they are the same sums, and no day of the zone is missing.
    let sum = |parts: &mut dyn Iterator<Item = &Sums>| {
        let mut all = Sums::default();
        for part in parts {
            all.sold += part.sold;
            all.taken_back += part.taken_back;
            all.taken += part.taken;
            all.given_back += part.given_back;
            all.going_back += part.going_back;
        }
        all
    };
    assert_eq!(sum(&mut ledger.days.values()), all);
    assert_eq!(sum(&mut ledger.tenders.values()), all);
    assert_eq!(sum(&mut ledger.types.values().chain(Some(&ledger.other))), all);
    assert!(ledger.days.len() >= 6, "{:?}", ledger.days.keys());
}
