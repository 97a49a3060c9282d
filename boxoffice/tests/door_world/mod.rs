//! The door in memory for tests: it loads for each command only what the command names, as a store does, records
//! what was decided, and checks after each step what must always be true.

use crate::world::World;
use boxoffice::*;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was ever recorded at the doors.
#[derive(Default)]
pub struct DoorWorld {
    /// All of it.
    pub state: DoorState,
}

impl DoorWorld {
    /// Decides a command on the slices that it names, records it and checks everything.
    pub fn step(
        &mut self,
        sale: &World,
        command: &DoorCommand,
        now: TimeMs,
    ) -> Result<DoorDecision, DoorRefusal> {
        let before = self.state.clone();
        let answer = self.decide(sale, command, now);
        if let DoorCommand::CheckIn(report) | DoorCommand::CheckOut(report) = command {
            check_report(report, &answer);
        }
        let decision = answer?;
        for change in &decision.changes {
            self.state.apply(change);
        }
        self.check();
        check_step(&before, &self.state, &decision);
        if let DoorCommand::CheckIn(report) = command {
            check_green(&sale.state, report, &decision);
        }
        // Asked again, at any time, it says the same and changes nothing.
        let later = now + 3 * 86_400_000;
        let again = DoorDecision { changes: Vec::new(), reply: decision.reply.clone() };
        assert_eq!(self.decide(sale, command, later), Ok(again), "the same request again");
        Ok(decision)
    }

    fn decide(
        &self,
        sale: &World,
        command: &DoorCommand,
        now: TimeMs,
    ) -> Result<DoorDecision, DoorRefusal> {
        let (mut keys, mut door) = (Keys::default(), DoorKeys::default());
        command.add_keys(&mut keys, &mut door);
        let (sale, door) = (sale.load(keys), self.load(door));
        let decision = decide_door(&sale, &door, command, now)?;
        // The next decision of the batch sees the changes in the slice: they must fit into it.
        let mut next = door;
        decision.changes.iter().for_each(|change| next.apply(change));
        Ok(decision)
    }

    /// What a store loads for some keys: what is named and not one row more.
    fn load(&self, keys: DoorKeys) -> DoorState {
        let (all, mut slice) = (&self.state, DoorState::default());
        for event in keys.doors {
            slice.doors.extend(all.doors.get(&event).map(|spec| (event, spec.clone())));
            slice.gates.extend(all.gates.get(&event).map(|gates| (event, gates.clone())));
        }
        let of_scan = |id: ScanId| all.scans.get(&id).map(|(ticket, _)| (id.event, *ticket));
        let of_scans = keys.scans.into_iter().filter_map(of_scan);
        for (event, ticket) in keys.tickets.into_iter().chain(of_scans) {
            if let Some(scans) = all.tickets.get(&(event, ticket)) {
                slice.load(event, ticket, scans.clone());
            }
        }
        slice
    }

    /// Everything that must be true at every moment.
    fn check(&self) {
        let mut names = BTreeSet::new();
        let mut counts: BTreeMap<(EventId, String, i32), [i64; 4]> = BTreeMap::new();
        for ((event, ticket), scans) in &self.state.tickets {
            check_ticket(scans);
            for (at, scan) in scans.iter().enumerate() {
                assert_eq!(
                    (scan.id.event, scan.ticket),
                    (*event, *ticket),
                    "filed where it belongs"
                );
                assert_eq!(scan.turn as usize, at + 1, "the scans of a ticket are numbered");
                assert!(names.insert(scan.id), "{:?} stands twice in the records", scan.id);
                assert_eq!(self.state.scans.get(&scan.id), Some(&(*ticket, scan.turn)));
                if scan.undone.is_none() {
                    let key = (*event, scan.gate.clone(), scan.day);
                    counts.entry(key).or_default()[kind(scan)] += 1;
                }
            }
        }
        assert_eq!(names.len(), self.state.scans.len(), "a name without a scan");
        let nothing = GateCounts::default();
        let there = self.state.counts.iter().filter(|(_, counts)| **counts != nothing);
        let there: BTreeMap<_, _> = there
            .map(|(key, c)| (key.clone(), [c.entered, c.entered_again, c.left, c.left_unseen]))
            .collect();
        assert_eq!(there, counts, "the counts are the sums of the scans");
    }
}

/// Entered, entered again, left, left unseen.
fn kind(scan: &Scan) -> usize {
    match (scan.direction, &scan.objection) {
        (Direction::In, Some(Objection::AlreadyIn(_))) => 1,
        (Direction::In, _) => 0,
        (Direction::Out, Some(Objection::NotIn(_))) => 3,
        (Direction::Out, _) => 2,
    }
}

/// A ticket admits once: read from its scans alone.
fn check_ticket(scans: &[Scan]) {
    for scan in scans {
        assert!(scan.late || scan.objection.is_none(), "online, with an objection: {scan:?}");
        let turn = scan.direction == Direction::In && kind(scan) == 0;
        assert_eq!(scan.visit.is_some(), turn, "who comes in first takes the turn: {scan:?}");
        let other = match &scan.objection {
            Some(Objection::AlreadyIn(other)) => Some((Direction::In, other)),
            Some(Objection::NotIn(Some(other))) => Some((Direction::Out, other)),
            _ => None,
        };
        if let Some((direction, other)) = other {
            let fact = &scans[other.turn as usize - 1];
            assert!(other.turn < scan.turn && fact.direction == direction, "{scan:?}: {fact:?}");
            assert_eq!((&other.gate, other.when_ms), (&fact.gate, fact.when_ms()), "{scan:?}");
        }
    }
    let counting: Vec<&Scan> = scans.iter().filter(|scan| scan.undone.is_none()).collect();
    let visits: Vec<&Scan> = counting.iter().copied().filter(|s| s.visit.is_some()).collect();
    for (at, scan) in visits.iter().enumerate() {
        assert_eq!(scan.visit, Some(at as u32 + 1), "a visit takes place once: {scan:?}");
        match scan.admission {
            Admission::Once => assert_eq!(at, 0, "a ticket admits once: {scan:?}"),
            Admission::OnceADay => {
                let same = visits[..at].iter().any(|other| other.day == scan.day);
                assert!(!same, "a ticket admits once a day: {scan:?}");
            }
            Admission::ComeBack => {
                let before = visits[..at].iter().rfind(|other| !other.late);
                let Some(before) = before.filter(|_| !scan.late) else { continue };
                let left = |s: &&&Scan| {
                    s.direction == Direction::Out && (before.turn..scan.turn).contains(&s.turn)
                };
                let exits = counting.iter().filter(left).count();
                assert!(exits > 0, "two were shown green, and nobody left: {before:?} {scan:?}");
            }
        }
    }
    if scans.iter().all(|scan| scan.admission == Admission::ComeBack) {
        let exits = counting.iter().filter(|s| s.direction == Direction::Out).count();
        assert!(visits.len() <= exits + 1, "more visits than exits and one: {scans:?}");
    }
}

/// What a device has let pass is never lost: it is recorded, or it was.
fn check_report(report: &ScanReport, answer: &Result<DoorDecision, DoorRefusal>) {
    match answer {
        Ok(DoorDecision { reply: DoorReply::Scanned(scan), .. }) => {
            assert_eq!((scan.id, scan.ticket), (report.id(), report.ticket), "another's answer");
        }
        Ok(other) => panic!("{report:?} is answered with {other:?}"),
        Err(refusal) if report.late => {
            let known = matches!(
                refusal,
                DoorRefusal::Invalid(_)
                    | DoorRefusal::UnknownEvent
                    | DoorRefusal::NonceUsed
                    | DoorRefusal::Undone(_)
            );
            assert!(known, "a late report is lost: {report:?}: {refusal:?}");
        }
        Err(_) => {}
    }
}

/// Whom the device shows green online for the first time: the ticket is good, by the whole sale.
fn check_green(sale: &State, report: &ScanReport, decision: &DoorDecision) {
    if report.late || decision.changes.is_empty() {
        return;
    }
    let order = &sale.orders[&report.ticket.order];
    let ticket = &order.tickets[usize::from(report.ticket.number) - 1];
    assert_eq!(order.event, report.event, "green for another event's ticket: {report:?}");
    assert_eq!(ticket.state, TicketState::Valid, "green for a refunded ticket: {report:?}");
    assert_eq!(ticket.revision, report.revision, "green for an old code: {report:?}");
    assert!(!sale.events[&report.event].is_canceled(), "green, and nothing takes place");
}

/// Nothing that was recorded is changed, but that it may be undone.
fn check_step(before: &DoorState, after: &DoorState, decision: &DoorDecision) {
    let (mut added, mut undone) = (0, 0);
    for (key, scans) in &after.tickets {
        let old = before.tickets.get(key).map_or(&[][..], Vec::as_slice);
        assert!(old.len() <= scans.len(), "a scan is gone");
        added += scans.len() - old.len();
        for (was, is) in old.iter().zip(scans) {
            assert_eq!(*was, Scan { undone: was.undone, ..is.clone() }, "only undoing changes it");
            if was.undone != is.undone {
                assert_eq!(was.undone, None, "it is undone once");
                undone += 1;
            }
        }
    }
    let counted = decision.changes.iter().filter(|c| matches!(c, DoorChange::Counted { .. }));
    assert_eq!(counted.count(), added + undone, "each scan is counted");
    assert!(added + undone <= 1, "one scan at a time");
    for key in before.tickets.keys() {
        assert!(after.tickets.contains_key(key), "a ticket's scans are gone");
    }
}
