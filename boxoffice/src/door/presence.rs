//! What the scans of one ticket come to.

use super::{Admission, Direction, Scan, Seen};

/// What follows from the scans of a ticket at an event, but for those that were undone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// How many people are in with it, by all that was recorded. More than one after an entry of a ticket that was in
    /// already; less than none after an exit whose entry is not recorded yet, because it happened at a device that
    /// has no network.
    pub inside: i32,
    /// How many entries had a [`Scan::visit`].
    pub visits: u32,
    /// The first of them.
    first: Option<Seen>,
    /// The last entry, with or without a visit.
    last_in: Option<Seen>,
    /// The last exit.
    pub last_out: Option<Seen>,
}

impl Presence {
    /// Of all scans of a ticket at an event, by their turns.
    pub fn of(scans: &[Scan]) -> Presence {
        let mut presence = Presence::default();
        for scan in scans.iter().filter(|scan| scan.undone.is_none()) {
            presence.add(scan);
        }
        presence
    }

    /// How many people are in with a ticket after a scan that counts, if so many were before it.
    pub fn inside_after(inside: i32, direction: Direction, is_visit: bool, late: bool) -> i32 {
        match (direction, is_visit) {
            (Direction::Out, _) => inside - 1,
            // Whatever is missing of what was before: now one is in.
            (Direction::In, true) if !late => 1,
            // The exit that belongs to it may be recorded already. Whoever was in since another day has gone without an
            // exit.
            (Direction::In, true) => inside.min(0) + 1,
            (Direction::In, false) => inside + 1,
        }
    }

    fn add(&mut self, scan: &Scan) {
        let is_visit = scan.visit.is_some();
        self.inside = Presence::inside_after(self.inside, scan.direction, is_visit, scan.late);
        match scan.direction {
            Direction::Out => {
                self.last_out = Some(scan.seen());
            }
            Direction::In => {
                self.visits += u32::from(scan.visit.is_some());
                if scan.visit.is_some() && self.first.is_none() {
                    self.first = Some(scan.seen());
                }
                self.last_in = Some(scan.seen());
            }
        }
    }

    /// The scan because of which nobody else comes in with the ticket on this day; `None`: somebody may come in.
    /// `scans` are those of which this is the presence.
    pub(crate) fn taken(&self, scans: &[Scan], admission: Admission, day: i32) -> Option<Seen> {
        match admission {
            Admission::Once => self.first.clone(),
            Admission::ComeBack if self.inside > 0 => self.last_in.clone(),
            Admission::ComeBack => None,
            Admission::OnceADay => {
                let today =
                    |scan: &&Scan| scan.undone.is_none() && scan.visit.is_some() && scan.day == day;
                scans.iter().find(today).map(Scan::seen)
            }
        }
    }
}
