//! From the command to the page, with paused time.

use super::fill::{Fill, step};
use super::*;
use crate::clock::{Clock, DatabaseClock};
use crate::identity::buyer_key;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::reads::Reads;
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Queue, Writer};
use boxoffice::{Buyer, Command, Erasure, Language, LineWish};
use nts_testkit::fixtures::event_spec;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

#[test]
fn a_cursor_has_one_form() {
    let (order, done) = (OrderId(0x0199_0000_0000_7000_8000_0000_0000_0001), OrderId(7));
    let row = FoundBy { text: "ä b".into(), event: EventId(0xabc), order_id: order };
    for cursor in
        [Cursor::Order(order), Cursor::Newest { order, done }, Cursor::Row { scan: 1, row, done }]
    {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    for odd in ["", ".", "x", "n.1", "r.1.2.3.4", "r.1.a.b.c.zz", "r.é.é.é.é.é", "n..", "r.0.....a"]
    {
        assert_eq!(odd.parse::<Cursor>(), Err(()), "{odd}");
    }
}

#[test]
fn the_begin_of_an_id_is_known_by_its_digits() {
    let id = 0x0199_1234_5678_7abc_8def_0123_4567_89ab_u128;
    let text = Uuid::from_u128(id).to_string();
    for cut in [8, 13, 20, 35] {
        let (from, to) = digits(&text[..cut]).unwrap();
        assert!((from..=to).contains(&id), "{cut}");
        assert!(to - from < 1 << (4 * (32 - text[..cut].replace('-', "").len())));
    }
    for none in ["0199123", "deadbeef", "0199123g", "", "ada", &text] {
        assert_eq!(digits(none), None, "{none}");
    }
}

/// A box office with two events.
struct World {
    dir: PathBuf,
    fill: Fill,
    ids: Ids,
    events: Vec<EventId>,
    _tasks: JoinSet<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

async fn write(mut writer: Writer, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, 100).await > 0 {
        for (caller, answer) in writer.step(std::mem::take(&mut batch)).answers {
            _ = caller.send(answer);
        }
    }
}

impl World {
    async fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("nts-search-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let clock = Clock::Virtual { begun: Instant::now(), begun_ms: 1_800_000_000_000, ahead_ms };
        let store = SqliteStore::open(&dir.join("nts.db"), clock.clone()).unwrap().store;
        let reads = Reads::inline(Box::new(store.own_reader().unwrap()));
        let metrics = Arc::new(Metrics::default());
        let (queue, jobs) = Queue::new(5_000, Duration::from_secs(5), Arc::clone(&metrics));
        let mut tasks = JoinSet::new();
        tasks.spawn(write(Writer::new(Box::new(store), metrics), jobs));
        let clock = Arc::new(DatabaseClock::new(clock));
        let fill = Fill { queue, reads, clock };
        let mut world =
            World { dir, fill, ids: Ids::new([7; 32], 0), events: vec![], _tasks: tasks };
        for slug in ["rock", "jazz"] {
            let mut spec = event_spec(slug, 1_000);
            spec.limit_per_order = 10;
            for of in &mut spec.ticket_types {
                // What costs nothing is paid at once.
                of.price_minor = 0;
            }
            let id = world.ids.event(world.fill.clock.now_ms());
            world.ask(Command::PutEvent { id, spec }).await;
            world.events.push(id);
        }
        world
    }

    async fn ask(&self, command: Command) {
        self.fill.queue.ask(command, None).await.unwrap();
    }

    async fn hold(&self, event: usize, name: &str, email: &str) -> OrderId {
        let order = self.ids.order(self.fill.clock.now_ms());
        let language = Language::parse("en").unwrap();
        let key = buyer_key(name, email);
        let buyer = Buyer { name: name.into(), email: email.into(), key, language };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity: 2 }];
        let event = self.events[event];
        let hold = Command::Hold {
            order,
            event,
            buyer,
            untagged: None,
            lines,
            terms: boxoffice::Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        };
        self.ask(hold).await;
        order
    }

    async fn paid(&self, event: usize, name: &str, email: &str) -> OrderId {
        let order = self.hold(event, name, email).await;
        let payment = self.ids.payment(self.fill.clock.now_ms());
        self.ask(Command::Pay { order, payment, live: false, token: String::new() }).await;
        order
    }

    /// Everything that is there by now is taken in.
    async fn fill(&self) {
        while step(&self.fill, 0).await.unwrap() {}
    }

    /// What a text finds in some events, page by page.
    async fn find_in(
        &self,
        events: Option<Vec<EventId>>,
        text: &str,
        limit: usize,
    ) -> Vec<OrderId> {
        let filter = Filter { events, ..Filter::default() };
        let mut at = At { from: None, newest_first: true, limit, as_of: AsOf::Now };
        let mut found = Vec::new();
        for _ in 0..1_000 {
            let (filter, scans, now) = (filter.clone(), scans(text), at.clone());
            let page =
                self.fill.reads.ask(move |r| by_text(r, &filter, &scans, &now)).await.unwrap();
            assert!(page.orders.len() <= limit);
            found.extend(page.orders.iter().map(|order| order.id));
            at.from = page.next;
            if at.from.is_none() {
                let different: BTreeSet<_> = found.iter().collect();
                assert_eq!(different.len(), found.len(), "each order once");
                return found;
            }
        }
        panic!("the pages do not end");
    }

    async fn find(&self, text: &str) -> BTreeSet<OrderId> {
        let found: BTreeSet<OrderId> = self.find_in(None, text, 100).await.into_iter().collect();
        for limit in [1, 2] {
            let pages = self.find_in(None, text, limit).await;
            assert_eq!(pages.into_iter().collect::<BTreeSet<_>>(), found, "{text} {limit}");
        }
        found
    }
}

fn set(ids: &[OrderId]) -> BTreeSet<OrderId> {
    ids.iter().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_is_found_before_and_after_it_is_in_the_table() {
    let world = World::new("both").await;
    let ada = world.paid(0, "Ada Lovelace", "ada@example.org").await;
    let adam = world.hold(0, "Adam Müller", "mueller@example.org").await;
    let other = world.hold(1, "Lovelace, Ada", "").await;
    for round in 0..3 {
        assert_eq!(world.find("ada").await, set(&[ada, adam, other]), "{round}");
        assert_eq!(world.find("Ada Lovelace").await, set(&[ada, other]), "{round}");
        assert_eq!(world.find("ADA@example.org").await, set(&[ada]), "{round}");
        assert_eq!(world.find("muller").await, set(&[adam]), "{round}");
        assert_eq!(world.find("nobody").await, set(&[]), "{round}");
        let jazz = world.find_in(Some(vec![world.events[1]]), "ada", 5).await;
        assert_eq!(jazz, [other], "{round}");
        // First none is in the table, then one, then all.
        match round {
            0 => {
                let one = Listing::newest(10, 10).only(ada);
                let rows = search_text::of(
                    &world.fill.reads.ask(move |r| r.listed(&one, &|_| true)).await.unwrap().orders
                        [0],
                );
                let row = |text| FoundBy { text, event: world.events[0], order_id: ada };
                let rows: Vec<FoundBy> = rows.into_iter().map(row).collect();
                let progress = crate::store::records::order_search::SearchProgress::none();
                let mut changes =
                    vec![crate::store::records::order_search::SearchProgress::begin()];
                changes.extend(progress.go_on(ada, &rows));
                world.fill.queue.write(changes).await.unwrap();
            }
            _ => world.fill().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn names_and_addresses_are_found_as_they_are_now_and_not_once_they_are_erased() {
    let world = World::new("now").await;
    let order = world.paid(0, "Ada Lovelace", "ada@example.org").await;
    let other = world.paid(0, "Grace Hopper", "grace@example.org").await;
    world.fill().await;
    let name = Command::NameTicket { order, number: 1, name: "Charles Babbage".into() };
    world.ask(name).await;
    assert_eq!(world.find("babbage").await, set(&[order]));
    let (email, key) = ("lovelace@example.org".to_owned(), buyer_key("", "lovelace@example.org"));
    let event = world.events[0];
    world.ask(Command::ChangeAddress { order, event, email, key, untagged: None }).await;
    assert_eq!(world.find("ada@").await, set(&[]));
    assert_eq!(world.find("lovelace@example.org").await, set(&[order]));
    // Found by a name, an address and a guest: once.
    assert_eq!(world.find("lovelace").await, set(&[order]));

    let orders = vec![order];
    world.ask(Command::Erase { event, orders, because: Erasure::Asked }).await;
    for text in ["ada", "lovelace", "babbage", "lovelace@example.org", "charles"] {
        assert_eq!(world.find(text).await, set(&[]), "{text}");
    }
    let none = world.fill.reads.ask(move |reader| {
        let begin = FoundBy { text: String::new(), event: EventId(0), order_id: OrderId(0) };
        let rows = range(reader.tables(), &begin, &char::MAX.to_string(), 100)?;
        Ok(rows.iter().filter(|row| row.order_id == order).count())
    });
    assert_eq!(none.await.unwrap(), 0, "no row is left");
    assert_eq!(world.find("hopper").await, set(&[other]));
}

#[tokio::test(start_paused = true)]
async fn what_is_released_and_forgotten_is_not_found() {
    let world = World::new("forgotten").await;
    let order = world.hold(0, "Ada Lovelace", "ada@example.org").await;
    world.fill().await;
    world.ask(Command::Cancel { order }).await;
    assert_eq!(world.find("ada").await, set(&[order]));
    tokio::time::advance(Duration::from_secs(60)).await;
    let placed_before_ms = world.fill.clock.now_ms();
    world.ask(Command::Forget { order, placed_before_ms }).await;
    assert_eq!(world.find("ada").await, set(&[]));
}

#[tokio::test(start_paused = true)]
async fn many_are_found_page_by_page_while_others_come() {
    let world = World::new("many").await;
    let mut all = BTreeSet::new();
    for n in 0..60 {
        let name = format!("Ada{} Love{}", n % 7, n % 3);
        all.insert(world.hold(n % 2, &name, &format!("love{n}@example.org")).await);
        if n == 40 {
            world.fill().await;
        }
    }
    assert_eq!(world.find("love").await, all, "each by a name and by an address");
    let filter = Filter::default();
    let mut at = At { from: None, newest_first: true, limit: 7, as_of: AsOf::Now };
    let mut found = Vec::new();
    loop {
        let (filter, now) = (filter.clone(), at.clone());
        let ask = move |r: &mut dyn Reader| by_text(r, &filter, &scans("love"), &now);
        let page = world.fill.reads.ask(ask).await.unwrap();
        found.extend(page.orders.iter().map(|order| order.id));
        at.from = page.next;
        if at.from.is_none() {
            break;
        }
        _ = world.hold(0, "Lovely New", "new@example.org").await;
        world.fill().await;
    }
    let old: Vec<&OrderId> = found.iter().filter(|id| all.contains(id)).collect();
    assert_eq!(old.len(), 60, "each of those that were there is found once");
    assert_eq!(old.into_iter().collect::<BTreeSet<_>>().len(), 60);
}
