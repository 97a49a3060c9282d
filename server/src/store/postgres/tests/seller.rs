//! Who sells in these stories: a writer of its own, as one of several processes has it.

use super::*;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::writer::{Answer, IdempotencyKey, Job, Writer};
use boxoffice::{Buyer, Change, Command, EventSpec, LineWish, Reply, decide};
pub(super) use nts_testkit::fixtures::event_spec as spec;
use std::sync::Arc;

/// One process.
pub(super) struct Seller {
    pub(super) writer: Writer,
    pub(super) ids: Ids,
}

impl Seller {
    pub(super) fn new(target: &Target) -> Seller {
        let opened = PgStore::open(&target.other_process(), Clock::System).unwrap();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&draw().to_le_bytes());
        let ids = Ids::shared(seed, opened.last_high, opened.node);
        Seller { writer: Writer::new(Box::new(opened.store), Arc::new(Metrics::default())), ids }
    }

    /// One batch; the answers in the order of the questions.
    pub(super) fn batch(&mut self, asked: Vec<(Command, Option<IdempotencyKey>)>) -> Vec<Answer> {
        let (jobs, mut hears): (Vec<Job>, Vec<_>) = asked
            .into_iter()
            .map(|(command, request)| Job::new(command, request, Duration::from_secs(60)))
            .unzip();
        for (caller, answer) in self.writer.step(jobs).answers {
            caller.send(answer).unwrap();
        }
        hears.iter_mut().map(|hear| hear.try_recv().unwrap()).collect()
    }

    pub(super) fn hold(&self, event: EventId, name: &str) -> Command {
        hold(self.ids.order(Clock::System.now_ms()), event, name)
    }

    pub(super) fn put_event(&mut self, slug: &str, capacity: u32) -> EventId {
        let id = self.ids.event(Clock::System.now_ms());
        let answers =
            self.batch(vec![(Command::PutEvent { id, spec: spec(slug, capacity) }, None)]);
        match answers[0].as_ref().unwrap().reply {
            Reply::Event { id, .. } => id,
            ref other => panic!("{other:?}"),
        }
    }
}

impl Seller {
    /// Changes the limit per buyer of an event that is there.
    pub(super) fn limit(&mut self, slug: &str, capacity: u32, limit_per_buyer: Option<u32>) {
        let id = self.ids.event(Clock::System.now_ms());
        let spec = EventSpec { limit_per_buyer, ..spec(slug, capacity) };
        self.batch(vec![(Command::PutEvent { id, spec }, None)])[0].as_ref().unwrap();
    }
}

pub(super) fn hold(order: OrderId, event: EventId, name: &str) -> Command {
    let buyer = Buyer {
        name: name.into(),
        email: String::new(),
        key: BuyerKey(7),
        language: boxoffice::Language::EN,
    };
    let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
    Command::Hold {
        order,
        event,
        buyer,
        untagged: None,
        lines,
        terms: boxoffice::Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    }
}

/// Loads and decides, so that only the commit is left to do.
pub(super) fn decided(store: &mut dyn Store, command: &Command) -> (Vec<Change>, Reply, TimeMs) {
    let mut keys = Keys::default();
    command.add_keys(&mut keys);
    let loaded = store.load(&keys, &[]).unwrap();
    let decision = decide(&loaded.state, command, loaded.now_ms).unwrap();
    (decision.changes, decision.reply, loaded.now_ms)
}

pub(super) fn commit(
    store: &mut dyn Store,
    (changes, _, now_ms): &(Vec<Change>, Reply, TimeMs),
) -> Result<(), Fault> {
    store.commit(&Batch {
        changes,
        orders: &BTreeMap::new(),
        recorded: &[],
        records: &[],
        now_ms: *now_ms,
    })
}
