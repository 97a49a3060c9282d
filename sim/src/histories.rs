//! Several processes on a database that goes back to an earlier state, or says nothing for a while.
//!
//! The other runs hold that the database keeps what it has acknowledged. Here it does not, as an asynchronous
//! standby that is promoted; so other promises are checked:
//!
//! - What is acknowledged is in the database at that moment, and what is said not to be done is not in it.
//! - Going back is noticed: who knows of an acknowledged sale that is gone acknowledges nothing any more, and from the moment
//!   at which one has looked nobody does, whether he was there or not, until a person accepts it. Then all sell.
//! - What a process shows of the events after it has looked is what is in the database, also in another history.
//! - No ticket's code is given to two people, also not in two histories.
//!
//! The store's and the reader's side of it are those of [`crate::shared`], with the memory of the product
//! ([`nts_server::store::history`]); the writer, the core and the codes are the product's.

use crate::chaos::Chaos;
use crate::rng::Rng;
use crate::shared::{Server, SharedReader};
use boxoffice::{
    Buyer, BuyerKey, Command, Currency, Event, EventId, EventSpec, LineWish, OrderId, PoolSpec,
    Tender, TicketTypeSpec, TypeRules,
};
use nts_server::catalogue::Catalogue;
use nts_server::clock::{Clock, DatabaseClock};
use nts_server::ids::{Ids, Secrets};
use nts_server::metrics::Metrics;
use nts_server::replicate::{self, Seen};
use nts_server::store::Reader;
use nts_server::writer::{Answer, CommandError, Committed, Job, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The beginning, in milliseconds since 1970.
const BEGIN_MS: i64 = 1_900_000_000_000;
const EVENT: EventId = EventId(1 << 40);

/// A process: its writer, its reader, and what it knows of commits that may be lost later.
struct Process {
    writer: Writer,
    reader: SharedReader,
    ids: Ids,
    clock: DatabaseClock,
    /// What it shows of the events.
    catalogue: Catalogue,
    /// What its last look found.
    seen: Seen,
    /// What its writer has committed, and the catalogue has not been told yet.
    late: Vec<Committed>,
    /// The acknowledged orders of which it knows: its own, and those that were there when it looked. Of one whose
    /// commit was in doubt nobody was told, so it may be gone without a word.
    knows: BTreeSet<OrderId>,
}

/// What happened in a run.
#[derive(Default, Clone, Debug)]
pub struct Tally {
    /// Sales that were acknowledged.
    pub sold: usize,
    /// How often the database went back behind something that was acknowledged.
    pub lost: usize,
    /// How often that was noticed.
    pub noticed: usize,
    /// Commits of which nobody heard.
    pub silent: usize,
}

struct Shop {
    rng: Rng,
    server: Server,
    clock: Arc<AtomicI64>,
    processes: Vec<Process>,
    secrets: Secrets,
    /// All codes that were ever told, and to whom.
    codes: BTreeMap<String, OrderId>,
    /// All orders that were acknowledged.
    acknowledged: BTreeSet<OrderId>,
    tally: Tally,
    starts: u64,
}

/// One run. The error says which promise was broken.
pub fn run(seed: u64) -> Result<Tally, String> {
    let clock = Arc::new(AtomicI64::new(BEGIN_MS));
    let of_server = Clock::Manual(Arc::clone(&clock));
    let server = Server::new(of_server, Arc::new(Chaos::none())).forgetful();
    let (rng, secrets) = (Rng::new(seed, 1), Secrets::new([7; 32]));
    let (processes, codes, tally, starts) = (vec![], BTreeMap::new(), Tally::default(), 0);
    let acknowledged = BTreeSet::new();
    let mut shop =
        Shop { rng, server, clock, processes, secrets, codes, acknowledged, tally, starts };
    for _ in 0..3 {
        let process = shop.start();
        shop.processes.push(process);
    }
    let put = Command::PutEvent { id: EVENT, spec: spec() };
    let put = shop.ask(0, vec![put]);
    put[0].as_ref().map_err(|no| format!("no event: {no:?}"))?;
    for _ in 0..120 {
        shop.clock.fetch_add(1_000, Ordering::SeqCst);
        let nth = shop.rng.below(3) as usize;
        match shop.rng.below(100) {
            0..60 => shop.sell(nth)?,
            60..80 => shop.look(nth)?,
            80..85 => shop.processes[nth] = shop.start(),
            85..92 => shop.be_silent(nth)?,
            92..98 => shop.go_back(),
            _ => shop.accept()?,
        }
    }
    shop.accept()?;
    Ok(shop.tally)
}

fn spec() -> EventSpec {
    let gbp = Currency::parse("GBP").expect("a currency");
    EventSpec {
        name: "Show".into(),
        pools: vec![PoolSpec { name: "all".into(), capacity: 100_000 }],
        ticket_types: vec![TicketTypeSpec {
            id: "t".into(),
            name: "T".into(),
            pool: "all".into(),
            price_minor: 100,
            rules: TypeRules::default(),
        }],
        ..EventSpec::new("show", gbp, BEGIN_MS + 1_000_000_000)
    }
}

impl Process {
    /// Has the catalogue show what the writer has committed.
    fn publish(&mut self) {
        for committed in self.late.drain(..) {
            self.catalogue.publish(committed.events, committed.batch);
            self.catalogue.remove(&committed.deleted);
        }
    }

    /// Looks once at what others have committed. Says whether nobody may sell.
    fn look(&mut self) -> Result<bool, String> {
        let found = replicate::look(&mut self.reader, &self.clock, &self.seen);
        let found = found.map_err(|fault| fault.to_string())?;
        let found = found.ok_or("a shared database tells what was committed")?;
        let is_stopped = found.versions.stopped.is_some();
        replicate::take_in(&self.catalogue, found, &mut self.seen);
        Ok(is_stopped)
    }
}

impl Shop {
    /// A new process. It remembers nothing, and its random numbers are its own.
    fn start(&mut self) -> Process {
        self.starts += 1;
        let clock = Clock::Manual(Arc::clone(&self.clock));
        let store = self.server.connect(clock.clone());
        let reader = store.reader();
        let writer = Writer::new(Box::new(store), Arc::new(Metrics::default()));
        let ids = Ids::new(self.rng.bytes(), 0);
        Process {
            writer,
            reader,
            ids,
            clock: DatabaseClock::new(clock),
            catalogue: Catalogue::new(Vec::new()),
            seen: Seen::default(),
            late: Vec::new(),
            knows: BTreeSet::new(),
        }
    }

    /// What a process answers to one batch.
    fn ask(&mut self, nth: usize, commands: Vec<Command>) -> Vec<Answer> {
        let asked = commands.into_iter().map(|c| Job::new(c, None, Duration::from_secs(60)));
        let (jobs, mut hears): (Vec<Job>, Vec<_>) = asked.unzip();
        let is_late = self.rng.chance(200);
        let process = &mut self.processes[nth];
        let mut committed = process.writer.step(jobs);
        for (caller, answer) in std::mem::take(&mut committed.answers) {
            _ = caller.send(answer);
        }
        process.late.push(committed);
        if !is_late {
            process.publish();
        }
        hears.iter_mut().map(|hear| hear.try_recv().expect("an answer")).collect()
    }

    /// The orders that are in the database.
    fn there(&self) -> BTreeSet<OrderId> {
        let page = self.server.truth().all_orders(None, usize::MAX);
        page.expect("the truth can be read").orders.iter().map(|order| order.id).collect()
    }

    /// Whether a process knows of something that is gone.
    fn is_aware(&self, nth: usize) -> bool {
        !self.processes[nth].knows.is_subset(&self.there())
    }

    fn wishes(&mut self, nth: usize) -> Vec<(OrderId, Command)> {
        let now = self.clock.load(Ordering::SeqCst);
        let count = 1 + self.rng.below(3);
        let ids: Vec<OrderId> = (0..count).map(|_| self.processes[nth].ids.order(now)).collect();
        ids.into_iter()
            .map(|order| {
                let buyer = Buyer {
                    name: "Ann".into(),
                    email: String::new(),
                    key: BuyerKey(1),
                    language: boxoffice::Language::EN,
                };
                let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
                let sell = Command::Sell {
                    order,
                    event: EVENT,
                    buyer,
                    untagged: None,
                    lines,
                    tender: Tender::Free,
                    reference: String::new(),
                    metadata: boxoffice::Metadata::default(),
                    shown_minor: None,
                };
                (order, sell)
            })
            .collect()
    }

    fn sell(&mut self, nth: usize) -> Result<(), String> {
        let must_refuse = self.is_aware(nth) || self.server.went_back().is_some();
        // Where its connection is gone, the first is told that nothing was done, and the next one connects.
        for _ in 0..if must_refuse { 2 } else { 1 } {
            let (ids, commands): (Vec<OrderId>, Vec<Command>) =
                self.wishes(nth).into_iter().unzip();
            let answers = self.ask(nth, commands);
            self.judge(nth, &ids, &answers, must_refuse)?;
        }
        if must_refuse && self.server.went_back().is_none() {
            return Err(format!("process {nth} has not noticed that the database went back"));
        }
        Ok(())
    }

    /// Holds answers against the database as it is now.
    fn judge(
        &mut self,
        nth: usize,
        ids: &[OrderId],
        answers: &[Answer],
        must_refuse: bool,
    ) -> Result<(), String> {
        let there = self.there();
        for (id, answer) in ids.iter().zip(answers) {
            match answer {
                Ok(_) if must_refuse => {
                    return Err(format!(
                        "process {nth} sold in a history that nobody has accepted"
                    ));
                }
                Ok(outcome) => {
                    if !there.contains(id) {
                        return Err("what was acknowledged is not there".into());
                    }
                    self.tally.sold += 1;
                    self.processes[nth].knows.insert(*id);
                    self.acknowledged.insert(*id);
                    let order = outcome.order.as_ref().ok_or("a sale without an order")?;
                    for ticket in &order.tickets {
                        let code = self.secrets.ticket(EVENT, *id, ticket);
                        if self.codes.insert(code.clone(), *id).is_some_and(|other| other != *id) {
                            return Err(format!("the code {code} is given to two people"));
                        }
                    }
                }
                Err(CommandError::InDoubt) => {}
                Err(no) if there.contains(id) => {
                    return Err(format!("it is said not to be done ({no:?}), and it is there"));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn look(&mut self, nth: usize) -> Result<(), String> {
        let was_aware = self.is_aware(nth);
        // What the catalogue is told late comes at the latest between a look and the next.
        let process = &mut self.processes[nth];
        process.look()?;
        process.publish();
        let stopped = process.look()?;
        let truth = self.server.truth().events().map_err(|fault| fault.to_string())?;
        let shown: Vec<Event> =
            process.catalogue.events().iter().map(|event| Event::clone(event)).collect();
        if shown != truth {
            return Err(format!("process {nth} shows {shown:?}, and there is {truth:?}"));
        }
        if was_aware && !stopped {
            return Err(format!(
                "process {nth} has looked, and not noticed that the database went back"
            ));
        }
        if !was_aware {
            let there = self.there();
            self.processes[nth].knows.extend(there.intersection(&self.acknowledged));
        }
        Ok(())
    }

    /// The database says nothing while somebody buys.
    fn be_silent(&mut self, nth: usize) -> Result<(), String> {
        if self.is_aware(nth) || self.server.went_back().is_some() {
            return Ok(());
        }
        // So that the silence begins at the commit.
        self.sell(nth)?;
        let (ids, commands): (Vec<OrderId>, Vec<Command>) = self.wishes(nth).into_iter().unzip();
        let does = self.rng.chance(500);
        self.server.be_silent(does);
        let answers = self.ask(nth, commands);
        self.server.answer_again();
        self.tally.silent += 1;
        if answers.iter().any(Result::is_ok) {
            return Err("something was acknowledged by a database that said nothing".into());
        }
        self.judge(nth, &ids, &answers, false)
    }

    fn go_back(&mut self) {
        if self.server.went_back().is_some() {
            return;
        }
        let commits = 1 + self.rng.below(6) as usize;
        // The event stays.
        self.server.go_back(commits);
        self.tally.lost += usize::from((0..3).any(|nth| self.is_aware(nth)));
    }

    /// A person looks, accepts what there is, and all sell.
    fn accept(&mut self) -> Result<(), String> {
        // One may be cut off meanwhile: the fourth is nobody.
        let cut_off = self.rng.below(4) as usize;
        for nth in (0..3).filter(|nth| *nth != cut_off) {
            self.look(nth)?;
        }
        if self.server.went_back().is_none() {
            return Ok(());
        }
        self.tally.noticed += 1;
        self.server.accept_history();
        let there = self.there();
        for process in &mut self.processes {
            process.knows.retain(|order| there.contains(order));
        }
        for nth in 0..3 {
            // Its writer is there before its reader: at the second try, for the first is told that its connection is gone.
            if nth == cut_off {
                self.sell(nth)?;
                self.sell(nth)?;
            }
            self.look(nth)?;
            let before = self.tally.sold;
            // The first may be told that its connection is gone.
            self.sell(nth)?;
            self.sell(nth)?;
            if self.tally.sold == before {
                return Err(format!(
                    "process {nth} does not sell although the history was accepted"
                ));
            }
        }
        Ok(())
    }
}
