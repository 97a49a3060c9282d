//! What the writer tells and counts, and how it makes way for other processes.

use super::*;
use crate::store::records::audit_log::{AuditLine, Filter, last};
use boxoffice::PaymentId;

fn job(command: Command) -> (Job, oneshot::Receiver<Answer>) {
    Job::new(command, None, Duration::from_secs(60))
}

fn one(w: &mut World, command: Command) -> (Answer, Committed) {
    let (mut answers, committed) = step(&mut w.writer, vec![(command, None)]);
    (answers.remove(0), committed)
}

#[test]
fn a_batch_makes_way_for_others_often_but_not_for_ever() {
    let mut w = world("overtaken");
    w.plan.lock().unwrap().extend([Some(Trouble::Conflict); MOST_OVERTAKEN as usize]);
    assert!(w.ask(&[1])[0].is_ok());
    assert!(w.writer.healthy() && w.plan.lock().unwrap().is_empty());
    assert_eq!(w.writer.metrics.overtaken.get(), u64::from(MOST_OVERTAKEN));
    assert_eq!(w.writer.metrics.store_faults.get(), 0);
    w.plan.lock().unwrap().extend([Some(Trouble::Conflict); MOST_OVERTAKEN as usize + 2]);
    assert_eq!(w.ask(&[2]), vec![Err(CommandError::Unavailable)]);
    assert_eq!(w.plan.lock().unwrap().len(), 1, "one more than makes way is a fault");
    assert_eq!(w.writer.metrics.overtaken.get(), 2 * u64::from(MOST_OVERTAKEN));
    assert_eq!(w.writer.metrics.store_faults.get(), 1);
    assert_eq!(w.held(), (1, 1));
}

/// Of three, the one in the middle gives up while the batch makes way: nothing is held for it, and
/// the others hear their own answers.
#[test]
fn who_leaves_while_the_batch_makes_way_is_left_out() {
    let mut w = world("makes-way");
    w.plan.lock().unwrap().push_back(Some(Trouble::Conflict));
    let (first, mut hear_first) = job(w.hold(1));
    let (leaves, hear_leaves) = job(w.hold(2));
    let (last, mut hear_last) = job(w.hold(3));
    *w.meanwhile.lock().unwrap() = Some(Box::new(move || drop(hear_leaves)));
    let committed = w.writer.step(vec![first, leaves, last]);
    for (caller, answer) in committed.answers {
        _ = caller.send(answer);
    }
    for (n, hear) in [(1, &mut hear_first), (3, &mut hear_last)] {
        let replied = hear.try_recv().unwrap().unwrap();
        assert!(matches!(replied.reply, Reply::Held { order, .. } if order == id(n)), "{n}");
    }
    assert_eq!(w.held(), (2, 2), "no ghost");
    assert!(committed.orders.keys().eq([&id(1), &id(3)]));
}

#[test]
fn what_a_batch_has_done_is_told() {
    let mut w = world("told");
    let hold = w.hold(1);
    let (_, told) = one(&mut w, hold);
    assert_eq!(told.batch, Some((7, 1)));
    let placed = &told.orders[&id(1)];
    assert_eq!((placed.state, Some(placed.placed_ms)), (OrderState::Held, told.now_ms));
    assert_eq!(told.events[0].pools[0].held, 1);
    assert!(told.effects.is_empty() && told.alarms.is_empty());
    let (order, payment, live) = (id(1), PaymentId(1), false);
    let (_, told) = one(&mut w, Command::Pay { order, payment, live, token: "t".into() });
    assert_eq!(told.effects, [Effect::Settle(order)]);
    assert_eq!(told.orders[&order].state, OrderState::Paying);
    let created = |intent: &str| Command::IntentCreated { order, intent: intent.into() };
    one(&mut w, created("pi_1")).0.unwrap();
    let (_, told) = one(&mut w, created("pi_2"));
    assert_eq!(told.alarms.len(), 1);
    assert_eq!(told.alarms[0].order, order);
}

#[test]
fn an_order_that_is_removed_in_the_batch_that_changed_it_is_not_told() {
    let mut w = world("removed");
    w.ask(&[1]);
    let order = id(1);
    let forget = Command::Forget { order, placed_before_ms: TimeMs::MAX };
    let both = vec![(Command::Cancel { order }, None), (forget, None)];
    let (answers, told) = step(&mut w.writer, both);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(told.orders.is_empty() && w.reader.order(order).unwrap().is_none());
    // And one that stays is told.
    w.ask(&[2]);
    let (_, told) = one(&mut w, Command::Cancel { order: id(2) });
    assert_eq!(told.orders[&id(2)].state, OrderState::Released);
}

#[test]
fn all_orders_whose_buyers_are_erased_are_told() {
    let mut w = world("erased");
    w.ask(&[1, 2, 3]);
    for order in [id(1), id(2)] {
        one(&mut w, Command::Cancel { order }).0.unwrap();
    }
    let event = w.reader.order(id(1)).unwrap().unwrap().event;
    let (orders, because) = (vec![id(1), id(2), id(3)], boxoffice::Erasure::Asked);
    let (answer, told) = one(&mut w, Command::Erase { event, orders, because });
    let outcome = answer.unwrap();
    assert_eq!(outcome.reply, Reply::Erased { event, erased: 2, left: 1 });
    assert!(outcome.order.is_none(), "it is about several");
    assert_eq!(told.orders.keys().copied().collect::<Vec<_>>(), [id(1), id(2)]);
    assert!(told.orders.values().all(|order| order.is_erased()));
}

/// What was loaded is let go of, whether anything was written or not.
#[test]
fn the_store_is_told_when_nothing_changes() {
    let mut w = world("release");
    let released = Arc::clone(&w.released);
    let count = || *released.lock().unwrap();
    w.ask(&[1]);
    assert_eq!(count(), 0, "a commit lets go by itself");
    assert!(one(&mut w, Command::Cancel { order: id(9) }).0.is_err());
    assert_eq!(count(), 1);
    let (gone, hear) = job(w.hold(2));
    drop(hear);
    w.writer.step(vec![gone]);
    assert_eq!(count(), 2, "its only caller has gone");
}

/// The counts of an event in doubt are told with whatever is asked next, even if that is about nothing.
#[test]
fn each_doubt_has_its_own_beginning() {
    let mut w = world("doubts");
    let doubt = |w: &mut World, n| {
        w.plan.lock().unwrap().push_back(Some(Trouble::DoneUnknown));
        w.recoveries.lock().unwrap().extend([false; 3]);
        let hold = w.hold(n);
        let (answer, told) = one(w, hold);
        assert_eq!(answer, Err(CommandError::InDoubt));
        w.recoveries.lock().unwrap().clear();
        told.uncertain_since.unwrap()
    };
    let first = doubt(&mut w, 1);
    let (_, told) = one(&mut w, Command::Cancel { order: id(9) });
    assert_eq!((told.uncertain_since, told.events.len()), (None, 1));
    std::thread::sleep(Duration::from_millis(2));
    assert!(doubt(&mut w, 2) > first);
}

#[test]
fn what_the_writer_does_is_counted() {
    let mut w = world("counted");
    let metrics = Arc::clone(&w.writer.metrics);
    let count = |name: &str| {
        let text = metrics.text();
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |n| n.parse::<f64>().unwrap())
    };
    let ready = || metrics.health.why_not().is_none();
    w.ask(&[1, 2, 3, 4, 1]);
    assert_eq!(count("nts_holds_total"), 3.0, "a repeated answer is not a new hold");
    assert_eq!(count("nts_refusals_total{reason=\"sold_out\"}"), 1.0);
    assert_eq!((count("nts_commits_total"), count("nts_batch_size_sum")), (2.0, 6.0));
    assert_eq!(count("nts_queue_seconds_count"), 6.0);
    assert_eq!((count("nts_decide_seconds_count"), count("nts_commit_seconds_count")), (2.0, 2.0));
    one(&mut w, Command::Renew { order: id(1), most_ms: None }).0.unwrap();
    one(&mut w, Command::Cancel { order: id(1) }).0.unwrap();
    assert_eq!(count("nts_orders_total{state=\"released\"}"), 1.0);
    assert_eq!(count("nts_orders_total{state=\"held\"}"), 0.0, "it was held before");
    // Not due is an ordinary answer to the timer.
    assert!(one(&mut w, Command::Expire { order: id(2) }).0.is_err());
    assert_eq!(count("nts_refusals_total{reason=\"not_due\"}"), 0.0);
    assert_eq!((ready(), count("nts_store_faults_total")), (true, 0.0));
    w.plan.lock().unwrap().push_back(Some(Trouble::NotDone));
    assert_eq!(w.ask(&[5]), vec![Err(CommandError::Unavailable)]);
    assert_eq!((ready(), count("nts_store_faults_total")), (false, 1.0));
    w.recoveries.lock().unwrap().extend([false; 3]);
    assert_eq!(w.ask(&[5]), vec![Err(CommandError::Unavailable)]);
    assert_eq!(count("nts_store_faults_total"), 4.0, "each time that it does not recover");
    w.recoveries.lock().unwrap().clear();
    assert!(w.ask(&[5])[0].is_ok());
    assert!(ready());
}

/// The real store, which remembers for what a turn was asked, and lets somebody come meanwhile.
struct Turns {
    store: SqliteStore,
    asked: Arc<Mutex<Vec<Vec<OrderId>>>>,
    /// Joins the queue at the second turn.
    late: Option<(mpsc::Sender<Job>, Job)>,
}

impl Store for Turns {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        self.store.load(keys, requests)
    }

    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault> {
        self.store.load_door(keys)
    }

    fn lock_early(&mut self, keys: &Keys) {
        let mut asked = self.asked.lock().unwrap();
        asked.push(keys.orders.clone());
        if asked.len() == 2
            && let Some((queue, job)) = self.late.take()
        {
            queue.try_send(job).unwrap();
        }
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        self.store.commit(batch)
    }

    fn next_batch(&self) -> (i64, i64) {
        self.store.next_batch()
    }

    fn recover(&mut self) -> Result<bool, Fault> {
        self.store.recover()
    }
}

#[test]
fn the_loop_takes_what_waits_in_batches_and_ends_when_nobody_can_ask() {
    let w = world("loop");
    let store = SqliteStore::open(&w.dir.join("loop.db"), Clock::System).unwrap().store;
    let (queue, jobs) = mpsc::channel(MOST_IN_BATCH + 100);
    let (told, mut hear) = mpsc::unbounded_channel();
    let cancel = |n: usize| job(Command::Cancel { order: id(n as u128) });
    let mut answers = Vec::new();
    for n in 0..MOST_IN_BATCH + 12 {
        let (job, answer) = cancel(n);
        queue.try_send(job).unwrap();
        answers.push(answer);
    }
    let (late, _hear_late) = cancel(9_999);
    let asked = Arc::default();
    let turns = Turns { store, asked: Arc::clone(&asked), late: Some((queue, late)) };
    Writer::new(Box::new(turns), Arc::default()).run(jobs, &told);
    let sizes: Vec<usize> =
        std::iter::from_fn(|| hear.try_recv().ok()).map(|c| c.answers.len()).collect();
    assert_eq!(sizes, [MOST_IN_BATCH, 13], "who came while the turn was waited for has joined");
    assert_eq!(*asked.lock().unwrap(), [vec![id(0)], vec![id(MOST_IN_BATCH as u128)]]);
}

/// The lines of the audit log, in a few words.
fn log(w: &mut World) -> Vec<String> {
    let every = Filter { limit: 100, ..Filter::default() };
    let lines = last(w.reader.tables(), &every).unwrap();
    let word = |line: &AuditLine| {
        let of = (line.event.is_some(), line.order_id.is_some());
        format!("{} {} {of:?} {}", line.actor, line.action.word(), line.detail)
    };
    lines.iter().map(word).collect()
}

fn step_as(w: &mut World, asked: Vec<(Actor, Command)>) -> Vec<Answer> {
    let jobs = asked.into_iter().map(|(actor, command)| {
        let (job, hear) = job(command);
        (Job { actor, ..job }, hear)
    });
    let (jobs, _hear): (Vec<_>, Vec<_>) = jobs.unzip();
    w.writer.step(jobs).answers.into_iter().map(|(_, answer)| answer).collect()
}

#[test]
fn the_log_tells_what_organisers_do_and_not_what_buyers_do() {
    let mut w = world("log");
    assert_eq!(log(&mut w), ["system event_created (true, false) rock"]);
    let key = Actor::ApiKey(0xab);
    let mut spec = w.reader.events().unwrap().remove(0).spec;
    spec.name = "Another".into();
    let put = Command::PutEvent { id: EventId(99), spec };
    // The second time it changes nothing.
    step_as(&mut w, vec![(key, put.clone()), (key, put)]);
    let told =
        ["system event_created (true, false) rock", "api_key:ab event_changed (true, false) rock"];
    assert_eq!(log(&mut w), told);
    let holds = [1, 2].map(|n| (Actor::Buyer, w.hold(n)));
    step_as(&mut w, holds.into());
    let cancel = |n: u128| Command::Cancel { order: id(n) };
    step_as(&mut w, vec![(Actor::Buyer, cancel(1))]);
    assert_eq!(log(&mut w), told, "buyers have their orders");
    // A refusal is nothing that was done; what is asked again under another key neither.
    let answers = step_as(&mut w, vec![(key, cancel(2)), (key, cancel(77)), (key, cancel(2))]);
    assert!(answers[0].is_ok() && answers[1].is_err());
    let canceled = "api_key:ab order_canceled (true, true) released";
    assert_eq!(log(&mut w)[2..], [canceled]);
}

/// The first refund took no tickets. The second takes the last of the money, and by that all tickets go, on account of
/// the first one: that is no second request.
#[test]
fn a_refund_that_takes_tickets_later_is_asked_for_once() {
    let mut w = world("log-refunds");
    let mut spec = w.reader.events().unwrap().remove(0).spec;
    spec.ticket_types[0].price_minor = 1_000;
    let key = Actor::ApiKey(0xab);
    let (order, event, id_of_event) = (id(1), w.event, EventId(99));
    step_as(&mut w, vec![(key, Command::PutEvent { id: id_of_event, spec })]);
    let buyer = Buyer {
        name: "Ann".into(),
        email: String::new(),
        key: BuyerKey(1),
        language: boxoffice::Language::EN,
    };
    let sell = Command::Sell {
        order,
        event,
        buyer,
        untagged: None,
        lines: vec![LineWish { ticket_type: "t".into(), quantity: 2 }],
        tender: boxoffice::Tender::Cash,
        reference: String::new(),
        metadata: boxoffice::Metadata::default(),
        shown_minor: None,
    };
    let refund = |n, wish| {
        let refund = boxoffice::RefundId(n);
        (key, Command::Refund { order, refund, wish, restock: false })
    };
    let one = LineWish { ticket_type: "t".into(), quantity: 1 };
    let answers = step_as(
        &mut w,
        vec![
            (key, sell),
            refund(1, boxoffice::RefundWish::Amount(1_200)),
            refund(2, boxoffice::RefundWish::Lines(vec![one])),
        ],
    );
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let told = log(&mut w);
    let asked: Vec<&String> = told.iter().filter(|l| l.contains("refund_requested")).collect();
    assert!(
        asked.len() == 2 && asked[0].contains("12.00") && asked[1].contains("8.00"),
        "{told:?}"
    );
    assert!(
        told.iter().any(|l| l.contains("alarm") && l.contains("all tickets are revoked")),
        "{told:?}"
    );
}

#[test]
fn a_line_of_the_log_is_there_once_whatever_became_of_its_commit() {
    let mut w = world("log-in-doubt");
    let key = Actor::Staff(1);
    let hold = w.hold(1);
    step_as(&mut w, vec![(Actor::Buyer, hold)]);
    let before = log(&mut w);
    // The batch of the cancellation fails in every way that there is.
    w.plan.lock().unwrap().push_back(Some(Trouble::NotDone));
    let cancel = || vec![(key, Command::Cancel { order: id(1) })];
    assert_eq!(step_as(&mut w, cancel()), [Err(CommandError::Unavailable)]);
    assert_eq!(log(&mut w), before);
    let troubles = [Trouble::NotDoneUnknown, Trouble::DoneUnknown];
    w.plan.lock().unwrap().extend(troubles.map(Some));
    assert!(step_as(&mut w, cancel())[0].is_ok());
    assert_eq!(log(&mut w).len(), before.len() + 1);
    step_as(&mut w, cancel());
    assert_eq!(log(&mut w).len(), before.len() + 1, "nothing was changed by it");
}
