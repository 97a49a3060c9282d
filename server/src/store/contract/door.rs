//! What is recorded at the door comes back, and what contradicts it is refused by the database itself.

use super::{Database, Desk, desk::spec};
use crate::store::Fault;
use crate::store::records::door::{self, DoorRows, ScanRow};
use crate::store::records::{Field, RecordChange};
use boxoffice::door::*;
use boxoffice::*;

const NORTH: &str = "north";

fn report(event: EventId, ticket: TicketRef, nonce: u128) -> ScanReport {
    ScanReport {
        event,
        ticket,
        revision: 0,
        gate: NORTH.into(),
        device: DeviceId(7),
        nonce: Nonce(nonce),
        at_ms: 1_800_000_000_123,
        day: 20_833,
        late: false,
    }
}

impl<D: Database> Desk<D> {
    /// Loads and decides commands of the door, as the writer does.
    fn decide_door(
        &mut self,
        commands: &[DoorCommand],
    ) -> (DoorState, Vec<DoorChange>, Vec<Result<DoorReply, DoorRefusal>>) {
        let (mut keys, mut door_keys) = (Keys::default(), DoorKeys::default());
        commands.iter().for_each(|command| command.add_keys(&mut keys, &mut door_keys));
        let loaded = self.store().load(&keys, &[]).expect("load");
        let mut door = self.store().load_door(&door_keys).expect("load the door");
        let (mut changes, mut replies) = (Vec::new(), Vec::new());
        for command in commands {
            match decide_door(&loaded.state, &door, command, loaded.now_ms) {
                Ok(decision) => {
                    decision.changes.iter().for_each(|change| door.apply(change));
                    changes.extend(decision.changes);
                    replies.push(Ok(decision.reply));
                }
                Err(refusal) => replies.push(Err(refusal)),
            }
        }
        (door, changes, replies)
    }

    fn commit_door(&mut self, changes: &[DoorChange]) -> Result<(), Fault> {
        let mut rows = DoorRows::default();
        changes.iter().for_each(|change| rows.add(change));
        let mut records: Vec<RecordChange> = Vec::new();
        rows.write(&mut records);
        self.commit_with(&[], &[], &records)
    }

    /// All of it in one batch.
    fn at_the_door(&mut self, commands: &[DoorCommand]) -> Vec<Result<DoorReply, DoorRefusal>> {
        let (_, changes, replies) = self.decide_door(commands);
        self.commit_door(&changes).expect("commit");
        replies
    }
}

fn scan_of(reply: &Result<DoorReply, DoorRefusal>) -> &Scan {
    match reply {
        Ok(DoorReply::Scanned(scan) | DoorReply::Undone(scan)) => scan,
        other => panic!("{other:?}"),
    }
}

pub(super) fn scans_come_back<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 50));
    let event = desk.event;
    let (bought, other) = (desk.paid("a", 3), desk.hold("b", "seat", 2));
    let ticket = |order, number| TicketRef { order, number };
    let [first, second, third] = [1, 2, 3].map(|number| ticket(bought, number));
    let late = |report: ScanReport| ScanReport { late: true, ..report };
    let gates = vec![
        GateSpec { id: NORTH.into(), name: "Nord \u{1f6aa}".into(), ticket_types: vec![] },
        GateSpec { id: "south".into(), name: "S".into(), ticket_types: vec!["seat".into()] },
    ];
    let doors = DoorSpec { admission: Admission::ComeBack, opens_ms: Some(-5), gates };
    let put = DoorCommand::PutDoor { event, spec: doors.clone() };
    let mut replies = desk.at_the_door(&[
        put,
        DoorCommand::CheckIn(report(event, first, 1)),
        DoorCommand::CheckIn(late(report(event, first, 2))),
        DoorCommand::CheckIn(late(report(event, ticket(other, 1), 3))),
        DoorCommand::CheckIn(late(report(event, ticket(OrderId(99), 2), 4))),
        DoorCommand::CheckOut(late(report(event, third, 5))),
        DoorCommand::CheckIn(report(event, second, u128::MAX)),
    ]);
    // In another batch: of what is in the database now.
    desk.later(60_000);
    let device = UndoneBy::Device(DeviceId(7));
    let undo = |nonce, by| {
        let scan = ScanId { event, device: DeviceId(7), nonce: Nonce(nonce) };
        DoorCommand::Undo { scan, by }
    };
    replies.extend(desk.at_the_door(&[
        undo(2, UndoneBy::Manager(u128::MAX - 1)),
        undo(u128::MAX, device),
        DoorCommand::CheckOut(report(event, first, 6)),
        DoorCommand::CheckOut(late(report(event, first, 7))),
        DoorCommand::CheckIn(report(event, first, 8)),
    ]));
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    desk.reopen();

    // Loaded by ticket and by name, it is what was told.
    let keys = DoorKeys {
        doors: vec![event, EventId(1)],
        tickets: vec![(event, first), (event, ticket(bought, 9))],
        scans: vec![
            ScanId { event, device: DeviceId(7), nonce: Nonce(5) },
            ScanId { event, device: DeviceId(8), nonce: Nonce(5) },
        ],
    };
    desk.store().load(&Keys { events: vec![event], ..Keys::default() }, &[]).expect("load");
    let loaded = desk.store().load_door(&keys).expect("load the door");
    desk.store().release();
    assert_eq!(loaded.doors.get(&event), Some(&doors));
    assert_eq!(loaded.doors.len(), 1);
    assert_eq!(loaded.gates, [(event, [NORTH.to_owned()].into())].into());
    let told: Vec<&Scan> =
        [&replies[1], &replies[7], &replies[9], &replies[10], &replies[11]].map(scan_of).into();
    let there: Vec<&Scan> = loaded.scans_of(event, first).iter().collect();
    assert_eq!(there, told);
    assert_eq!(loaded.scans_of(event, ticket(bought, 9)), []);
    assert_eq!(loaded.scans_of(event, third), [scan_of(&replies[5]).clone()]);

    // Pages read the same, and counts are those of the scans that count.
    let mut reader = desk.database.reader();
    let all = |rows: Vec<ScanRow>| rows.iter().map(|row| row.nonce).collect::<Vec<_>>();
    let latest = door::latest(reader.tables(), event, 3).expect("latest");
    assert!(latest.iter().all(|row| row.recorded_ms == desk.now()) && latest.len() == 3);
    let objected = all(door::objected(reader.tables(), event, 9).expect("objected"));
    assert_eq!(
        objected.iter().copied().collect::<std::collections::BTreeSet<_>>(),
        [3, 4, 5, 7].into()
    );
    let since = door::recorded_since(reader.tables(), event, desk.now(), 9).expect("since");
    assert_eq!(since.len(), 3);
    let counts = door::counts(reader.tables(), event).expect("counts");
    let [north] = &counts[..] else { panic!("{counts:?}") };
    let expected = GateCounts { entered: 4, entered_again: 0, left: 1, left_unseen: 2 };
    assert_eq!(north.counts(), expected);
    assert_eq!(door::spec(reader.tables(), event).expect("spec"), Some(doors));
    let scans = door::of_ticket(reader.tables(), event, first).expect("of a ticket");
    assert_eq!(scans.iter().collect::<Vec<_>>(), told);
    assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
}

/// Two processes that decide at one moment, as far as the database is asked.
pub(super) fn a_turn_is_taken_once<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 50));
    let event = desk.event;
    let order = desk.paid("a", 2);
    let ticket = |number| TicketRef { order, number };
    let decide = |desk: &mut Desk<D>, report| desk.decide_door(&[DoorCommand::CheckIn(report)]).1;
    let one = decide(desk, report(event, ticket(1), 1));
    desk.store().release();
    // Decided on the same rows: another device, the same device with another nonce, the same scan.
    let others = [
        ("another device", ScanReport { device: DeviceId(9), ..report(event, ticket(1), 1) }),
        ("another nonce", report(event, ticket(1), 2)),
        ("the same scan", report(event, ticket(1), 1)),
        ("its nonce for another ticket", report(event, ticket(2), 1)),
    ]
    .map(|(what, report)| {
        let changes = decide(desk, report);
        desk.store().release();
        (what, changes)
    });
    desk.store().load(&Keys { events: vec![event], ..Keys::default() }, &[]).expect("load");
    desk.commit_door(&one).expect("the first wins");
    for (what, changes) in others {
        desk.store().load(&Keys { events: vec![event], ..Keys::default() }, &[]).expect("load");
        let fault = desk.commit_door(&changes).expect_err(what);
        assert!(!matches!(fault, Fault::Unknown(_)), "{what}: {fault}");
    }
    let taken = desk.at_the_door(&[DoorCommand::CheckIn(report(event, ticket(1), 3))]);
    let Err(DoorRefusal::Objection(Objection::AlreadyIn(seen))) = &taken[0] else {
        panic!("{taken:?}")
    };
    assert_eq!((seen.turn, &*seen.gate), (1, NORTH));
    let mut reader = desk.database.reader();
    let counts = door::counts(reader.tables(), event).expect("counts");
    assert_eq!(counts.iter().map(|row| row.entered).collect::<Vec<_>>(), [1]);
    assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
}

/// What cannot be read is told apart from what does not exist. Nothing is decided upon it, and everything else is decided
/// in the same batch.
pub(super) fn damage_keeps_back_no_other<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 50));
    let event = desk.event;
    let order = desk.paid("a", 6);
    let ticket = |number| TicketRef { order, number };
    let late = |report: ScanReport| ScanReport { late: true, ..report };
    let put = DoorCommand::PutDoor { event, spec: DoorSpec::default() };
    desk.at_the_door(&[
        put.clone(),
        DoorCommand::CheckIn(report(event, ticket(1), 1)),
        DoorCommand::CheckIn(late(report(event, ticket(1), 2))),
    ]);
    let id = |nonce| ScanId { event, device: DeviceId(7), nonce: Nonce(nonce) };
    let undo = |nonce| DoorCommand::Undo { scan: id(nonce), by: UndoneBy::Manager(1) };
    let mut number = 1;
    for (odd, mended) in [
        (
            "UPDATE scans SET objection = 'x' WHERE nonce = $1",
            "UPDATE scans SET objection = 'already_in' WHERE nonce = $1",
        ),
        (
            "UPDATE scans SET objection_of = 7 WHERE nonce = $1",
            "UPDATE scans SET objection_of = 1 WHERE nonce = $1",
        ),
        (
            "UPDATE scans SET turn = 3 WHERE nonce = $1",
            "UPDATE scans SET turn = 2 WHERE nonce = $1",
        ),
        (
            "UPDATE scans SET admission = 9 WHERE nonce = $1",
            "UPDATE scans SET admission = 0 WHERE nonce = $1",
        ),
    ] {
        let run = |sql| [RecordChange::Run(sql, vec![2u128.value()])];
        desk.commit_with(&[], &[], &run(odd)).expect("commit");
        number += 1;
        let replies = desk.at_the_door(&[
            DoorCommand::CheckIn(report(event, ticket(1), 1)),
            DoorCommand::CheckIn(late(report(event, ticket(1), 3))),
            DoorCommand::CheckOut(report(event, ticket(1), 4)),
            undo(1),
            undo(2),
            undo(99),
            DoorCommand::CheckIn(report(event, ticket(number), 10 + u128::from(number))),
        ]);
        let (damaged, others) = replies.split_at(5);
        assert!(
            damaged.iter().all(|reply| *reply == Err(DoorRefusal::Unreadable)),
            "{odd}: {replies:?}"
        );
        assert_eq!(others[0], Err(DoorRefusal::UnknownScan), "{odd}");
        assert_eq!(scan_of(&others[1]).visit, Some(1), "{odd}");
        let wrong = desk.database.reader().verify().expect("verify");
        assert!(wrong.iter().any(|text| text.contains("of ticket 1 of order")), "{odd}: {wrong:?}");
        desk.commit_with(&[], &[], &run(mended)).expect("commit");
    }
    let odd =
        RecordChange::Run("UPDATE doors SET gates = '{' WHERE event = $1", vec![event.value()]);
    desk.commit_with(&[], &[], &[odd]).expect("commit");
    let wrong = desk.database.reader().verify().expect("verify");
    assert!(wrong.iter().any(|text| text.contains("doors.gates")), "{wrong:?}");
    let last = DoorCommand::CheckIn(report(event, ticket(6), 6));
    let replies = desk.at_the_door(&[last.clone(), undo(2), put, last]);
    assert_eq!(replies[0], Err(DoorRefusal::Unreadable));
    assert!(replies[1..].iter().all(Result::is_ok), "{replies:?}");
    assert_eq!(desk.database.reader().verify().expect("verify"), Vec::<String>::new());
}
