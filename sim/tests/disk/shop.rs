//! A shop on a simulated disk, and what it promised.

use boxoffice::{
    Buyer, BuyerKey, Command, Currency, EventId, EventSpec, LineWish, OrderId, PoolSpec, Reply,
    TicketTypeSpec,
};
use nts_server::clock::Clock;
use nts_server::ids::Ids;
use nts_server::metrics::Metrics;
use nts_server::store::sqlite::{OpenError, Opened, SqliteReader};
use nts_server::store::{Reader, RequestKey};
use nts_server::writer::{Answer, CommandError, CommandOutcome, IdempotencyKey, Job, Writer};
use nts_sim::disk::Process;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub const DATABASE: &str = "nts.db";

/// The world outside of the machine: its clock, and everything that it was promised.
pub struct World {
    pub time: Arc<AtomicI64>,
    seed: [u8; 32],
    asked: u128,
    pub event: Option<EventId>,
    /// Every order that was answered with yes, and the request that it answered.
    pub promised: BTreeMap<OrderId, u128>,
    /// Requests whose outcome nobody knows.
    pub in_doubt: BTreeMap<OrderId, u128>,
    /// Orders that were refused because of a fault, and must not be there.
    pub denied: BTreeSet<OrderId>,
    /// Answers that made no sense.
    pub absurd: usize,
}

/// A server's store and writer, in a process.
pub struct Shop {
    pub writer: Writer,
    pub reader: SqliteReader,
    ids: Ids,
    clock: Clock,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        World {
            time: Arc::new(AtomicI64::new(1_800_000_000_000)),
            seed: bytes,
            asked: 0,
            event: None,
            promised: BTreeMap::new(),
            in_doubt: BTreeMap::new(),
            denied: BTreeSet::new(),
            absurd: 0,
        }
    }

    pub fn clock(&self) -> Clock {
        Clock::Manual(self.time.clone())
    }

    /// Opens the database without a writer around it.
    pub fn open_store(&self, process: &Process) -> Result<Opened, OpenError> {
        process.open(DATABASE, self.clock(), self.seed)
    }

    pub fn open(&self, process: &Process) -> Result<Shop, OpenError> {
        let opened = self.open_store(process)?;
        // The reader can fail where the store did not: on a machine that halts.
        let reader = opened
            .store
            .own_reader()
            .map_err(|fault| OpenError::Failed { path: DATABASE.into(), why: fault.to_string() })?;
        Ok(Shop {
            writer: Writer::new(Box::new(opened.store), Arc::new(Metrics::default())),
            reader,
            ids: Ids::new(self.seed, opened.last_high),
            clock: self.clock(),
        })
    }

    /// What is wrong with a database, seen from outside.
    pub fn broken(&self, shop: &mut Shop) -> Broken {
        let there = |id| matches!(shop.reader.order(id), Ok(Some(_)));
        let missing = self.promised.keys().copied().map(there).filter(|there| !there).count();
        let events = shop.reader.events().unwrap_or_default();
        let event_lost = self.event.is_some_and(|id| events.iter().all(|event| event.id != id));
        let lost = missing + usize::from(event_lost);
        let denied = self.denied.iter().filter(|id| !matches!(shop.reader.order(**id), Ok(None)));
        let risen = denied.count();
        let corrupt = shop.reader.verify().unwrap_or_else(|fault| vec![fault.to_string()]);
        Broken { lost, risen, corrupt }
    }
}

/// Promises that were not kept.
#[derive(PartialEq, Eq, Default, Debug)]
pub struct Broken {
    /// Orders that were promised and are not there.
    pub lost: usize,
    /// Orders that were denied and are there.
    pub risen: usize,
    /// What an examination of the database says.
    pub corrupt: Vec<String>,
}

impl Shop {
    fn ask(&mut self, commands: Vec<(Command, Option<u128>)>) -> Vec<Answer> {
        let (mut jobs, mut waiting) = (Vec::new(), Vec::new());
        for (command, key) in commands {
            let request = key.map(|key| IdempotencyKey { key: RequestKey(key), fingerprint: 1 });
            let (job, receiver) = Job::new(command, request, Duration::from_secs(86_400));
            waiting.push(receiver);
            jobs.push(job);
        }
        // Each hears its own answer: a batch that was tried in parts is not answered in its order.
        for (caller, answer) in self.writer.step(jobs).answers {
            caller.send(answer).expect("it is waited for");
        }
        waiting.into_iter().map(|mut answer| answer.try_recv().expect("an answer")).collect()
    }

    /// Makes the event, if it can.
    pub fn put_event(&mut self, world: &mut World) {
        let id = self.ids.event(self.clock.now_ms());
        let answers = self.ask(vec![(Command::PutEvent { id, spec: spec() }, None)]);
        if let Some(Ok(CommandOutcome { reply: Reply::Event { id, .. }, .. })) = answers.first() {
            world.event = Some(*id);
        }
    }

    /// So many holds in one batch, each under a key of its own. What is answered is remembered.
    pub fn sell(&mut self, world: &mut World, count: usize) -> Vec<(OrderId, Answer)> {
        world.time.fetch_add(40, Ordering::SeqCst);
        let Some(event) = world.event else {
            self.put_event(world);
            return Vec::new();
        };
        let mut asked = Vec::new();
        for _ in 0..count {
            world.asked += 1;
            asked.push((self.ids.order(self.clock.now_ms()), world.asked));
        }
        let holds = asked.iter().map(|(order, key)| (hold(event, *order), Some(*key)));
        let answers = self.ask(holds.collect());
        for ((order, key), answer) in asked.iter().zip(&answers) {
            match answer {
                Ok(_) => _ = world.promised.insert(*order, *key),
                Err(CommandError::InDoubt) => _ = world.in_doubt.insert(*order, *key),
                Err(CommandError::Unavailable) => _ = world.denied.insert(*order),
                // No other answer is right to what is asked here.
                Err(_) => world.absurd += 1,
            }
        }
        asked.into_iter().map(|(order, _)| order).zip(answers).collect()
    }

    /// Asks again under the keys whose outcome is not known: now there is one.
    pub fn settle(&mut self, world: &mut World) {
        let event = world.event.expect("something was sold");
        for (order, key) in std::mem::take(&mut world.in_doubt) {
            let was_there = self.reader.order(order).expect("a read").is_some();
            let again = self.ids.order(self.clock.now_ms());
            match self.ask(vec![(hold(event, again), Some(key))]).pop() {
                Some(Ok(CommandOutcome {
                    reply: Reply::Held { order: held, .. },
                    again: told,
                    ..
                })) => {
                    assert_eq!(told, was_there, "known if and only if it is there");
                    assert_eq!(held, if was_there { order } else { again });
                    world.promised.insert(held, key);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

pub fn hold(event: EventId, order: OrderId) -> Command {
    let name = format!("Buyer {:x}", order.0);
    Command::Hold {
        order,
        event,
        buyer: Buyer {
            name,
            email: "buyer@example.com".into(),
            key: BuyerKey(order.0),
            language: boxoffice::Language::EN,
        },
        untagged: None,
        lines: vec![LineWish { ticket_type: "seat".into(), quantity: 1 }],
        terms: boxoffice::Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    }
}

pub fn spec() -> EventSpec {
    EventSpec {
        pools: vec![PoolSpec { name: "stalls".into(), capacity: 1_000_000 }],
        ticket_types: vec![TicketTypeSpec {
            id: "seat".into(),
            name: "Seat".into(),
            pool: "stalls".into(),
            price_minor: 100,
            rules: boxoffice::TypeRules::default(),
        }],
        ..EventSpec::new("show", Currency::parse("EUR").expect("a currency"), 1_900_000_000_000)
    }
}
