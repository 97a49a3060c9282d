//! Who sells in the cases, and what is sold there.

use super::Database;
use crate::ids::Ids;
use crate::store::records::RecordChange;
use crate::store::{Batch, Fault, Loaded, NamedTicket, Recorded, Store};
use boxoffice::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Who sells in a case: the way of the writer without its queue, and beside it a model in memory
/// of all that was committed.
pub(super) struct Desk<D> {
    pub(super) database: D,
    store: Option<Box<dyn Store>>,
    time: Arc<AtomicI64>,
    pub(super) ids: Ids,
    pub(super) model: State,
    pub(super) event: EventId,
}

impl<D: Database> Desk<D> {
    pub(super) fn new(mut database: D, time: Arc<AtomicI64>) -> Desk<D> {
        let store = Some(database.store());
        let ids = Ids::new([1; 32], 0);
        let event = EventId(0);
        Desk { database, store, time, ids, model: State::default(), event }
    }

    pub(super) fn now(&self) -> TimeMs {
        self.time.load(Ordering::SeqCst)
    }

    pub(super) fn later(&self, ms: i64) {
        self.time.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn store(&mut self) -> &mut dyn Store {
        self.store.as_mut().expect("open").as_mut()
    }

    pub(super) fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.database.store());
    }

    /// Loads and decides, as the writer does.
    pub(super) fn decide(&mut self, commands: &[Command]) -> (Vec<Change>, Vec<Reply>) {
        let mut keys = Keys::default();
        commands.iter().for_each(|c| c.add_keys(&mut keys));
        let Loaded { mut state, now_ms, .. } = self.store().load(&keys, &[]).expect("load");
        let (mut changes, mut replies) = (Vec::new(), Vec::new());
        for command in commands {
            let decision = decide(&state, command, now_ms);
            let decision = decision.unwrap_or_else(|no| panic!("{command:?}: {no:?}"));
            decision.changes.iter().for_each(|c| state.apply(c));
            changes.extend(decision.changes);
            replies.push(decision.reply);
        }
        (changes, replies)
    }

    pub(super) fn commit(
        &mut self,
        changes: &[Change],
        recorded: &[Recorded],
    ) -> Result<(), Fault> {
        self.commit_with(changes, recorded, &[])
    }

    pub(super) fn commit_with(
        &mut self,
        changes: &[Change],
        recorded: &[Recorded],
        records: &[RecordChange],
    ) -> Result<(), Fault> {
        let mut after = self.model.clone();
        let moved: BTreeSet<OrderId> = changes.iter().filter_map(Change::order).collect();
        changes.iter().filter(|c| c.order().is_some()).for_each(|c| after.apply(c));
        after.orders.retain(|id, _| moved.contains(id));
        let orders = after.orders.into_iter().map(|(id, order)| (id, Arc::new(order))).collect();
        let batch = Batch { changes, orders: &orders, recorded, records, now_ms: self.now() };
        self.store().commit(&batch)?;
        changes.iter().for_each(|c| self.model.apply(c));
        Ok(())
    }

    /// All of it in one batch.
    pub(super) fn run(&mut self, commands: &[Command]) -> Vec<Reply> {
        let (changes, replies) = self.decide(commands);
        self.commit(&changes, &[]).expect("commit");
        replies
    }

    /// Whether the core says no to a command.
    pub(super) fn refused(&mut self, command: &Command) -> bool {
        let mut keys = Keys::default();
        command.add_keys(&mut keys);
        let Loaded { state, now_ms, .. } = self.store().load(&keys, &[]).expect("load");
        self.store().release();
        decide(&state, command, now_ms).is_err()
    }

    /// The database itself refuses these changes, whatever was decided, and says that it did nothing. `what`: which
    /// they are, for the message.
    pub(super) fn assert_not_done(&mut self, changes: &[Change], what: &str) {
        let batch =
            Batch { changes, orders: &BTreeMap::new(), recorded: &[], records: &[], now_ms: 0 };
        let fault = self.store().commit(&batch).expect_err(what);
        assert!(matches!(fault, Fault::NotDone(_)), "{what}: {fault}");
    }

    pub(super) fn put_event(&mut self, spec: EventSpec) {
        let id = self.ids.event(self.now());
        if let [Reply::Event { id, .. }] = self.run(&[Command::PutEvent { id, spec }])[..] {
            self.event = id;
        }
    }

    pub(super) fn hold_command(&self, name: &str, ticket_type: &str, quantity: i64) -> Command {
        Command::Hold {
            order: self.ids.order(self.now()),
            event: self.event,
            buyer: buyer(name),
            untagged: None,
            lines: vec![LineWish { ticket_type: ticket_type.into(), quantity }],
            terms: boxoffice::Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        }
    }

    pub(super) fn hold(&mut self, name: &str, ticket_type: &str, quantity: i64) -> OrderId {
        let command = self.hold_command(name, ticket_type, quantity);
        match self.run(&[command])[..] {
            [Reply::Held { order, .. }] => order,
            ref other => panic!("{other:?}"),
        }
    }

    pub(super) fn pay(&mut self, order: OrderId) {
        let payment = self.ids.payment(self.now());
        self.run(&[Command::Pay { order, payment, live: false, token: "ctoken_ok".into() }]);
    }

    pub(super) fn created(&mut self, order: OrderId) {
        self.run(&[Command::IntentCreated { order, intent: intent_id(order) }]);
    }

    /// What a truthful provider says of an order's payment.
    pub(super) fn intent(&self, order: OrderId, status: IntentStatus) -> Intent {
        let known = &self.model.orders[&order];
        Intent {
            id: intent_id(order),
            status,
            amount: known.total(),
            received_minor: if status == IntentStatus::Succeeded { known.total().minor } else { 0 },
            live: false,
            order: Some(order),
            payment: known.payment.as_ref().map(|p| p.id),
            action: (status == IntentStatus::RequiresAction).then(|| "https://bank 🏦".into()),
            last_error: Some("Die Karte wurde abgelehnt: \u{201e}insufficient\u{201c}".into()),
            refunds: vec![],
            dispute: None,
        }
    }

    /// It was read just now.
    pub(super) fn reconcile(&mut self, order: OrderId, intent: Intent) {
        let known = SeenVersion::of(&self.model.orders[&order]);
        self.run(&[Command::Reconcile { order, intent, known }]);
    }

    pub(super) fn read(&mut self, order: OrderId, status: IntentStatus) {
        let intent = self.intent(order, status);
        self.reconcile(order, intent);
    }

    /// A refund that somebody made by hand, as a reading tells it.
    pub(super) fn by_hand(&self, provider_id: &str, amount_minor: i64, failed: bool) -> RefundSeen {
        let (provider_id, fresh) = (provider_id.into(), self.ids.refund(self.now()));
        RefundSeen { provider_id, ours: None, fresh, amount_minor, failed, done: !failed }
    }

    /// The payment is read, and somebody has done something with its money.
    pub(super) fn read_books(
        &mut self,
        order: OrderId,
        refunds: Vec<RefundSeen>,
        dispute: Option<Dispute>,
    ) {
        let intent = self.intent(order, IntentStatus::Succeeded);
        self.reconcile(order, Intent { refunds, dispute, ..intent });
    }

    pub(super) fn paid(&mut self, name: &str, quantity: i64) -> OrderId {
        let order = self.hold(name, "seat", quantity);
        self.pay(order);
        self.created(order);
        self.read(order, IntentStatus::RequiresCapture);
        self.read(order, IntentStatus::Succeeded);
        assert_eq!(self.model.orders[&order].state, OrderState::Paid);
        order
    }

    pub(super) fn refund(&mut self, order: OrderId, wish: RefundWish, restock: bool) -> RefundId {
        let refund = self.ids.refund(self.now());
        self.run(&[Command::Refund { order, refund, wish, restock }]);
        refund
    }

    pub(super) fn answered(&mut self, order: OrderId, refund: RefundId, outcome: RefundOutcome) {
        self.run(&[Command::RefundAnswered { order, refund, outcome }]);
    }

    /// The store and a reader say the same as the model.
    pub(super) fn assert_equal(&mut self) {
        let model = self.model.clone();
        let keys = Keys {
            events: model.events.keys().copied().collect(),
            slugs: model.slugs.keys().cloned().collect(),
            ordered: Vec::new(),
            orders: model.orders.keys().copied().collect(),
            buyers: model.orders.values().map(|o| (o.event, o.buyer.key)).collect(),
        };
        let loaded = self.store().load(&keys, &[]).expect("load").state;
        let expected =
            State { buyers: records(&model), most_counted: loaded.most_counted, ..model.clone() };
        let places = |state: &State| -> BTreeMap<_, u32> {
            state.buyers.iter().map(|(key, has)| (*key, has.places)).collect()
        };
        assert_eq!(places(&loaded), places(&expected), "what buyers have");
        let of_buyer = |(key, has): (&(EventId, BuyerKey), &BuyerRecord)| {
            model.orders.get(&has.order).is_some_and(|o| (o.event, o.buyer.key) == *key)
        };
        assert!(loaded.buyers.iter().all(of_buyer), "each record names an order of its buyer");
        let loaded = State { buyers: expected.buyers.clone(), ..loaded };
        assert_eq!(loaded, expected, "as the store loads it");
        let mut reader = self.database.reader();
        let events: BTreeMap<EventId, Event> =
            reader.events().expect("events").into_iter().map(|e| (e.id, e)).collect();
        assert_eq!(events, model.events, "as a reader reads it");
        for (id, order) in &model.orders {
            assert_eq!(reader.order(*id).expect("order").as_ref(), Some(order));
        }
        for event in model.events.keys() {
            let mut tickets: Vec<NamedTicket> = Vec::new();
            loop {
                let after = tickets.last().map_or(0, |t| t.ticket.serial);
                let next = reader.tickets(*event, after, 2).expect("tickets");
                if next.is_empty() {
                    break;
                }
                tickets.extend(next);
            }
            let of_event = model.orders.values().filter(|o| o.event == *event);
            let mut expected: Vec<NamedTicket> = of_event
                .flat_map(|o| {
                    o.tickets.iter().zip(1..).map(|(t, number)| NamedTicket {
                        ticket: t.clone(),
                        name: t.guest.clone().unwrap_or_else(|| o.buyer.name.clone()),
                        number,
                        answers: (o.answers.iter())
                            .filter(|a| a.ticket.is_none() || a.ticket == Some(number))
                            .cloned()
                            .collect(),
                    })
                })
                .collect();
            expected.sort_by_key(|t| t.ticket.serial);
            assert_eq!(tickets, expected);
        }
    }
}

/// What buyers of events with a limit have, by their orders.
fn records(model: &State) -> BTreeMap<(EventId, BuyerKey), BuyerRecord> {
    let mut records = BTreeMap::new();
    let limited = |o: &&Order| model.events[&o.event].spec.limit_per_buyer.is_some();
    for order in model.orders.values().filter(limited).filter(|order| order.counted() > 0) {
        let record = records
            .entry((order.event, order.buyer.key))
            .or_insert(BuyerRecord { places: 0, order: order.id });
        record.places += order.counted();
        record.order = order.id;
    }
    records
}

fn intent_id(order: OrderId) -> String {
    format!("pi_{:x}", order.0)
}

pub(super) fn buyer(name: &str) -> Buyer {
    let key = BuyerKey(crate::ids::digest(&[name.as_bytes()]));
    // Buyers of several languages, and of one that nts does not speak.
    let codes = ["en", "de", "fr", "xx"];
    let code = codes[name.bytes().map(usize::from).sum::<usize>() % codes.len()];
    let language = Language::parse(code).expect("a language");
    Buyer { name: name.into(), email: String::new(), key, language }
}

pub(super) fn spec(slug: &str, places: u32) -> EventSpec {
    let gbp = Currency::parse("GBP").expect("a currency");
    let t = |id: &str, pool: &str, price_minor| TicketTypeSpec {
        id: id.into(),
        name: format!("{id} \u{1f39f}\u{fe0f}"),
        pool: pool.into(),
        price_minor,
        rules: boxoffice::TypeRules::default(),
    };
    EventSpec {
        name: "Die Zauberflöte 🎭".into(),
        place: "Grüner Saal".into(),
        description: "Zwei Akte.\n\nPause: 25 Minuten 🥨".into(),
        ends_ms: Some(1_900_010_000_000),
        zone: "Europe/London".into(),
        hidden: true,
        keep_buyers_days: Some(90),
        contact: "ask@example.org".into(),
        attach_pdf: true,
        names_until_ms: Some(1_900_000_000_000),
        sale_opens_ms: Some(-5),
        pools: [("stalls", places), ("gallery", 7)]
            .map(|(name, capacity)| PoolSpec { name: name.into(), capacity })
            .into(),
        ticket_types: vec![
            t("seat", "stalls", 999),
            t("friend", "gallery", 0),
            t("high", "gallery", 250),
        ],
        ..EventSpec::new(slug, gbp, 1_900_000_000_000)
    }
}
