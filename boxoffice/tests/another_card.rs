//! Another card instead of one whose bank waits for the buyer: every interleaving, explored.
//!
//! One order, one PaymentIntent, up to three cards. A call may be lost before or after it arrives,
//! or arrive late; what was read may be believed late; the buyer may finish an old bank's page at
//! any moment that the provider still takes it; time may pass; the buyer may give up. All states
//! that this reaches are visited once, and from each one the sale must end well when nothing more
//! goes wrong.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use boxoffice::*;
use std::collections::{BTreeMap, BTreeSet};

const ORDER: OrderId = OrderId(1);
const PAYMENT: PaymentId = PaymentId(2);
const PRICE: i64 = 999;
/// Longer than any payment may take.
const LONG_MS: TimeMs = 400_000;
/// More attempts than that would only repeat what the first three do.
const MOST_ATTEMPTS: usize = 3;

/// What the provider's answer to a confirmation was: it is remembered under the attempt's key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Said {
    Is(Status),
    Declined,
    Refused,
}

/// [`IntentStatus`] with an order among its values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Status {
    NeedsCard,
    NeedsBuyer,
    Processing,
    Authorised,
    Taken,
    Dead,
}

/// The PaymentIntent at the provider.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct There {
    status: Status,
    /// Whose confirmation it took last.
    card: u16,
    said: BTreeMap<u16, Said>,
    /// How often money was set aside, and taken.
    authorised: u8,
    taken: u8,
}

impl There {
    fn authorise(&mut self) {
        self.status = Status::Authorised;
        self.authorised += 1;
    }

    /// A card is free again once it is declined; a challenge may be replaced.
    fn confirm(&mut self, attempt: u16, token: &str) -> Said {
        if let Some(said) = self.said.get(&attempt) {
            return said.clone();
        }
        let said = match (self.status, token.split('_').next().unwrap()) {
            (Status::NeedsCard | Status::NeedsBuyer, bank) => {
                self.card = attempt;
                match bank {
                    "no" => {
                        self.status = Status::NeedsCard;
                        Said::Declined
                    }
                    "asks" => {
                        self.status = Status::NeedsBuyer;
                        Said::Is(self.status)
                    }
                    "slow" => {
                        self.status = Status::Processing;
                        Said::Is(self.status)
                    }
                    _ => {
                        self.authorise();
                        Said::Is(self.status)
                    }
                }
            }
            _ => Said::Refused,
        };
        self.said.insert(attempt, said.clone());
        said
    }

    fn capture(&mut self) {
        if self.status == Status::Authorised {
            self.status = Status::Taken;
            self.taken += 1;
        }
    }

    fn cancel(&mut self) {
        if !matches!(self.status, Status::Processing | Status::Taken) {
            self.status = Status::Dead;
        }
    }

    fn read(&self, action: &str) -> Intent {
        self.told(self.status, action)
    }

    fn told(&self, status: Status, action: &str) -> Intent {
        let amount = Money { minor: PRICE, currency: Currency::parse("GBP").unwrap() };
        Intent {
            id: "pi".into(),
            status: match status {
                Status::NeedsCard => IntentStatus::RequiresPaymentMethod,
                Status::NeedsBuyer => IntentStatus::RequiresAction,
                Status::Processing => IntentStatus::Processing,
                Status::Authorised => IntentStatus::RequiresCapture,
                Status::Taken => IntentStatus::Succeeded,
                Status::Dead => IntentStatus::Canceled,
            },
            amount,
            received_minor: if status == Status::Taken { PRICE } else { 0 },
            live: false,
            order: Some(ORDER),
            payment: Some(PAYMENT),
            action: (status == Status::NeedsBuyer).then(|| action.into()),
            last_error: None,
            refunds: vec![],
            dispute: None,
        }
    }
}

/// A call that is still under way although nobody waits for its answer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Call {
    Confirm(u16, String),
    Capture,
    Cancel,
}

/// Everything there is.
#[derive(Clone)]
struct Sale {
    office: State,
    there: There,
    under_way: Vec<Call>,
    /// What was read and is not believed yet.
    reading: Option<Command>,
    now: TimeMs,
    /// How often time may still pass.
    waits: u8,
    /// How many calls may still go wrong.
    faults: u8,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Fine,
    LostBefore,
    LostAfter,
    Late,
}

/// What each provider shows: the same for every card (Stripe's script), or another page for each.
#[derive(Clone, Copy)]
struct Shown {
    same: bool,
}

impl Shown {
    fn action(self, there: &There) -> String {
        if self.same { "show".into() } else { format!("show {}", there.card) }
    }
}

impl Sale {
    fn open(waits: u8, faults: u8) -> Sale {
        let spec = EventSpec {
            limit_per_order: 1,
            pools: vec![PoolSpec { name: "all".into(), capacity: 1 }],
            ticket_types: vec![TicketTypeSpec {
                id: "t".into(),
                name: "t".into(),
                pool: "all".into(),
                price_minor: PRICE,
                rules: boxoffice::TypeRules::default(),
            }],
            ..EventSpec::new("rock", Currency::parse("GBP").unwrap(), 0)
        };
        let there = There {
            status: Status::NeedsCard,
            card: 0,
            said: BTreeMap::new(),
            authorised: 0,
            taken: 0,
        };
        let mut sale = Sale {
            office: State::default(),
            there,
            under_way: vec![],
            reading: None,
            now: 0,
            waits,
            faults,
        };
        let (id, lines) = (EventId(1), vec![LineWish { ticket_type: "t".into(), quantity: 1 }]);
        let buyer = Buyer {
            name: "Ann".into(),
            email: String::new(),
            key: BuyerKey(1),
            language: boxoffice::Language::EN,
        };
        sale.ask(Command::PutEvent { id, spec });
        sale.ask(Command::Hold {
            order: ORDER,
            event: id,
            buyer,
            untagged: None,
            lines,
            terms: boxoffice::Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        });
        sale.pay("asks_1");
        sale.ask(Command::IntentCreated { order: ORDER, intent: "pi".into() });
        sale
    }

    fn order(&self) -> &Order {
        &self.office.orders[&ORDER]
    }

    fn ask(&mut self, command: Command) {
        if let Ok(decision) = decide(&self.office, &command, self.now) {
            decision.changes.iter().for_each(|change| self.office.apply(change));
        }
        // When it is next looked at, and how often it was, is not what is explored here.
        if let Some(order) = self.office.orders.get_mut(&ORDER) {
            order.tries = 0;
            order.due_ms = order.due_ms.map(|_| 0);
        }
    }

    fn pay(&mut self, token: &str) {
        let (order, token) = (ORDER, token.into());
        self.ask(Command::Pay { order, payment: PAYMENT, live: false, token });
    }

    /// The worker does what is owed, and the call has this fate.
    fn work(&mut self, fate: Fate, shown: Shown) {
        let order = self.order().clone();
        let call = match owed(&order) {
            Owed::Nothing | Owed::Create(_) | Owed::Refund(..) => return,
            Owed::Expiry => return self.ask(Command::Expire { order: ORDER }),
            Owed::Read(_) => {
                let intent = self.there.read(&shown.action(&self.there));
                let known = SeenVersion::of(&order);
                return self.ask(Command::Reconcile { order: ORDER, intent, known });
            }
            Owed::Confirm(_, attempt) => Call::Confirm(attempt.number, attempt.token.clone()),
            Owed::Capture(_) => Call::Capture,
            Owed::Cancel(_) => Call::Cancel,
        };
        if fate == Fate::Late {
            self.under_way.push(call);
            self.under_way.sort();
            return;
        }
        let said = (fate != Fate::LostBefore).then(|| self.arrive(&call)).flatten();
        let known = SeenVersion::of(&order);
        let answer = match (said, &call) {
            (Some(Said::Declined), Call::Confirm(attempt, _)) if fate == Fate::Fine => {
                let (attempt, reason) = (*attempt, "no".into());
                Command::AttemptDeclined { order: ORDER, attempt, reason }
            }
            (Some(Said::Is(status)), Call::Confirm(..)) if fate == Fate::Fine => {
                let intent = self.there.told(status, &shown.action(&self.there));
                Command::Reconcile { order: ORDER, intent, known: SeenVersion::confirming(&order) }
            }
            // Refused, or nobody knows: it is read.
            (said, call) => {
                let intent = self.there.read(&shown.action(&self.there));
                match (said, call) {
                    (Some(Said::Refused), Call::Confirm(attempt, _))
                        if self.there.status == Status::NeedsCard =>
                    {
                        let (attempt, reason) = (*attempt, "refused".into());
                        Command::AttemptDeclined { order: ORDER, attempt, reason }
                    }
                    _ => Command::Reconcile { order: ORDER, intent, known },
                }
            }
        };
        self.ask(answer);
    }

    fn arrive(&mut self, call: &Call) -> Option<Said> {
        match call {
            Call::Confirm(attempt, token) => return Some(self.there.confirm(*attempt, token)),
            Call::Capture => self.there.capture(),
            Call::Cancel => self.there.cancel(),
        }
        None
    }

    /// Everything that can happen next.
    fn next(&self, shown: Shown) -> Vec<(String, Sale)> {
        let mut next = Vec::new();
        let mut add = |what: String, act: &dyn Fn(&mut Sale)| {
            let mut sale = self.clone();
            act(&mut sale);
            next.push((what, sale));
        };
        let attempts = self.order().payment.as_ref().map_or(0, |p| p.attempts.len());
        if attempts < MOST_ATTEMPTS {
            for bank in ["asks", "yes", "no", "slow"] {
                let token = format!("{bank}_{}", attempts + 1);
                add(format!("pay {token}"), &|sale| sale.pay(&token));
            }
        }
        add("cancel".into(), &|sale| sale.ask(Command::Cancel { order: ORDER }));
        add("work".into(), &|sale| sale.work(Fate::Fine, shown));
        if self.faults > 0 {
            for fate in [Fate::LostBefore, Fate::LostAfter, Fate::Late] {
                add(format!("work {fate:?}"), &|sale| {
                    sale.faults -= 1;
                    sale.work(fate, shown);
                });
            }
        }
        for at in 0..self.under_way.len() {
            add(format!("{:?} arrives", self.under_way[at]), &|sale| {
                let call = sale.under_way.remove(at);
                sale.arrive(&call);
            });
        }
        // A webhook, or the buyer comes back: it is read, and believed at once or later.
        let reading = || {
            let intent = self.there.read(&shown.action(&self.there));
            Command::Reconcile { order: ORDER, intent, known: SeenVersion::of(self.order()) }
        };
        add("read".into(), &|sale| sale.ask(reading()));
        match &self.reading {
            None => add("read, believed later".into(), &|sale| sale.reading = Some(reading())),
            Some(_) => add("believed".into(), &|sale| {
                let reading = sale.reading.take().unwrap();
                sale.ask(reading);
            }),
        }
        // The page of whatever card the provider has is finished, however late.
        if matches!(self.there.status, Status::NeedsBuyer | Status::Processing) {
            add("the bank says yes".into(), &|sale| sale.there.authorise());
            add("the bank says no".into(), &|sale| sale.there.status = Status::NeedsCard);
        }
        if self.waits > 0 {
            add("time passes".into(), &|sale| {
                sale.waits -= 1;
                sale.now += LONG_MS;
            });
        }
        next
    }

    /// What makes two states the same.
    fn key(&self) -> String {
        let pool = &self.office.events[&EventId(1)].pools[0];
        format!(
            "{:?} {:?} {:?} {:?} {:?} {} {} {}",
            self.order(),
            (pool.held, pool.sold),
            self.there,
            self.under_way,
            self.reading,
            self.now,
            self.waits,
            self.faults
        )
    }

    fn check(&self) {
        let (order, there) = (self.order(), &self.there);
        assert!(there.authorised <= 1, "money was set aside twice");
        assert!(there.taken <= 1, "charged twice");
        assert_eq!(there.taken, u8::from(there.status == Status::Taken));
        let attempts = &order.payment.as_ref().unwrap().attempts;
        assert!(attempts.len() <= MOST_ATTEMPTS);
        match order.state {
            OrderState::Released => {
                assert_eq!(there.status, Status::Dead, "released, and it could still be paid");
            }
            OrderState::Paid => assert_eq!(there.taken, 1, "tickets without money"),
            OrderState::Committed => assert!(there.authorised == 1, "committed to nothing"),
            _ => {}
        }
        if there.taken == 1 {
            let ours = matches!(order.state, OrderState::Committed | OrderState::Paid);
            assert!(ours, "money was taken for an order that is {:?}", order.state);
        }
        // What the buyer is asked to do, or to wait for, is about the card that was given last.
        let waits = attempts.last().filter(|a| a.state == AttemptState::Action);
        if let Some(attempt) = waits {
            let tried = there.said.contains_key(&attempt.number);
            assert!(tried, "attempt {} was never tried", attempt.number);
        }
        // A pending attempt is owed, and no other is open.
        for (i, attempt) in attempts.iter().enumerate() {
            let open = matches!(attempt.state, AttemptState::Pending | AttemptState::Action);
            assert!(!open || i + 1 == attempts.len(), "two attempts are open");
        }
    }

    /// Nothing more goes wrong, and the buyer does nothing more.
    fn ends_well(mut self, shown: Shown) {
        self.faults = 0;
        for _ in 0..40 {
            if let Some(reading) = self.reading.take() {
                self.ask(reading);
            }
            while let Some(call) = self.under_way.pop() {
                self.arrive(&call);
            }
            self.work(Fate::Fine, shown);
            if self.there.status == Status::Processing {
                self.there.status = Status::NeedsCard;
            }
            self.now += LONG_MS;
            self.check();
            if matches!(self.order().state, OrderState::Paid | OrderState::Released) {
                let paid = self.order().state == OrderState::Paid;
                assert_eq!(u8::from(paid), self.there.taken, "money and tickets");
                let pool = &self.office.events[&EventId(1)].pools[0];
                assert_eq!((pool.held, pool.sold), (0, u32::from(paid)), "a place leaked");
                return;
            }
        }
        panic!("it never ends: {:?} {:?}", self.order(), self.there);
    }
}

#[test]
fn every_interleaving_of_another_card_ends_with_one_payment_or_none() {
    explore(1, 1, &[Shown { same: true }]);
}

/// 3 million states.
#[test]
#[ignore = "takes minutes; in release mode: cargo test --release -p boxoffice --test another_card -- --ignored"]
fn every_interleaving_with_two_faults_and_two_pauses() {
    explore(2, 2, &[Shown { same: true }, Shown { same: false }]);
}

fn explore(waits: u8, faults: u8, shown: &[Shown]) {
    for shown in shown.iter().copied() {
        let begin = Sale::open(waits, faults);
        // How each state was reached first: the state before, and what happened.
        let mut seen: BTreeSet<String> = BTreeSet::from([begin.key()]);
        let mut front = vec![(begin, Vec::<String>::new())];
        let (mut replaced, mut paid_late) = (0usize, 0usize);
        while let Some((sale, path)) = front.pop() {
            for (what, next) in sale.next(shown) {
                if !seen.insert(next.key()) {
                    continue;
                }
                let mut path = path.clone();
                path.push(what);
                let looked = std::panic::catch_unwind(|| {
                    next.check();
                    next.clone().ends_well(shown);
                });
                assert!(looked.is_ok(), "after {path:#?}");
                let payment = next.order().payment.as_ref().unwrap();
                replaced += usize::from(payment.replaces());
                paid_late += usize::from(
                    next.order().state == OrderState::Paid
                        && payment.replaces()
                        && usize::from(next.there.card) < payment.attempts.len(),
                );
                front.push((next, path));
            }
        }
        println!("{} states, {replaced} of them with another card", seen.len());
        assert!(replaced > 1_000, "another card was hardly ever taken: {replaced}");
        assert!(paid_late > 0, "an old bank's page never paid");
    }
}
