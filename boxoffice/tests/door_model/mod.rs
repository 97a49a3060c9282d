//! A second, naive door, to be compared with the core. It is one pile of slips in the order in which they were
//! written; every answer and every count is made anew from that pile. It knows the words of a command and what an
//! order looks like, and shares no rule with the core.

use boxoffice::{
    Admission, Direction, DoorCommand, DoorSpec, EventId, OrderState, ScanReport, State,
    TicketState, TimeMs, UndoneBy,
};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct DoorModel {
    slips: Vec<Slip>,
    rules: BTreeMap<EventId, DoorSpec>,
}

/// What somebody at a gate has written down.
struct Slip {
    report: ScanReport,
    way: Direction,
    written: TimeMs,
    /// How many came in before with this ticket, each in turn, and this one; 0: it is not one of them.
    came: usize,
    but: String,
    /// Who has torn it up, and when.
    torn: Option<(&'static str, TimeMs)>,
}

impl Slip {
    fn is_of(&self, other: &ScanReport) -> bool {
        self.report.event == other.event && self.report.ticket == other.ticket
    }

    fn named(&self, (event, device, nonce): (EventId, u128, u128)) -> bool {
        let own = &self.report;
        own.event == event && own.device.0 == device && own.nonce.0 == nonce
    }

    /// When and where, as people are told.
    fn told(&self) -> String {
        let late = self.report.late && self.report.at_ms < self.written;
        let at = if late { self.report.at_ms } else { self.written };
        format!("{at} {}", self.report.gate)
    }

    fn answer(&self) -> String {
        let way = match (self.way, self.came) {
            (Direction::Out, _) => "out".into(),
            (Direction::In, 0) => "in again".into(),
            (Direction::In, came) => format!("in {came}"),
        };
        if self.but.is_empty() { way } else { format!("{way} but {}", self.but) }
    }

    /// In which column it is counted.
    fn column(&self) -> &'static str {
        match (self.way, self.came, self.but.starts_with("not_in")) {
            (Direction::In, 0, _) => "again",
            (Direction::In, ..) => "entered",
            (Direction::Out, _, true) => "unseen",
            (Direction::Out, ..) => "left",
        }
    }
}

impl DoorModel {
    /// What is answered.
    pub fn tell(&mut self, sale: &State, command: &DoorCommand, now: TimeMs) -> String {
        match command {
            DoorCommand::PutDoor { event, spec } => {
                let Some(show) = sale.events.get(event) else {
                    return "refused unknown_event".into();
                };
                let mut types = spec.gates.iter().flat_map(|gate| &gate.ticket_types);
                if types.any(|id| !show.ticket_types.iter().any(|t| t.id == *id)) {
                    return "refused unknown_ticket_type".into();
                }
                self.rules.insert(*event, spec.clone());
                "door".into()
            }
            DoorCommand::CheckIn(report) => self.pass(sale, report, Direction::In, now),
            DoorCommand::CheckOut(report) => self.pass(sale, report, Direction::Out, now),
            DoorCommand::Undo { scan, by } => {
                self.tear((scan.event, scan.device.0, scan.nonce.0), *by, now)
            }
        }
    }

    fn pass(&mut self, sale: &State, report: &ScanReport, way: Direction, now: TimeMs) -> String {
        let name = (report.event, report.device.0, report.nonce.0);
        if let Some(slip) = self.slips.iter().find(|slip| slip.named(name)) {
            return match slip.torn {
                _ if !slip.is_of(report) || slip.way != way => "refused nonce_used".into(),
                Some((who, at)) => format!("refused undone by {who} at {at}"),
                None => slip.answer(),
            };
        }
        if report.gate.is_empty() {
            return "refused invalid".into();
        }
        if !sale.events.contains_key(&report.event) {
            return "refused unknown_event".into();
        }
        let rules = self.rules.get(&report.event).cloned().unwrap_or_default();
        let blocking = match way {
            Direction::In => self.blocking(report, rules.admission),
            Direction::Out if self.people(report) > 0 => None,
            Direction::Out => {
                let out = |slip: &&Slip| {
                    slip.is_of(report) && slip.torn.is_none() && slip.way == Direction::Out
                };
                let last = self.slips.iter().rfind(out).map(Slip::told);
                Some(format!("not_in {}", last.unwrap_or_default()).trim_end().to_owned())
            }
        };
        let came = match (way, &blocking) {
            (Direction::In, None) => 1 + self.turns(report).count(),
            _ => 0,
        };
        let known = rules.gates.is_empty() || rules.gates.iter().any(|g| g.id == report.gate);
        let but = match (blocking, way) {
            (Some(blocking), _) => blocking,
            (None, _) if !known => "unknown_gate".into(),
            (None, Direction::Out) => String::new(),
            (None, Direction::In) => flaw(sale, &rules, report, now),
        };
        if !report.late && !but.is_empty() {
            return format!("refused {but}");
        }
        let report = report.clone();
        let slip = Slip { report, way, written: now, came, but, torn: None };
        let answer = slip.answer();
        self.slips.push(slip);
        answer
    }

    /// The entries of a ticket that took its turn.
    fn turns(&self, report: &ScanReport) -> impl Iterator<Item = &Slip> {
        let turn = |slip: &&Slip| slip.is_of(report) && slip.torn.is_none() && slip.came > 0;
        self.slips.iter().filter(turn)
    }

    /// The entry because of which the ticket is not good now.
    fn blocking(&self, report: &ScanReport, admission: Admission) -> Option<String> {
        let slip = match admission {
            Admission::Once => self.turns(report).next(),
            Admission::OnceADay => self.turns(report).find(|slip| slip.report.day == report.day),
            Admission::ComeBack if self.people(report) == 0 => None,
            Admission::ComeBack => {
                let entry = |slip: &&Slip| {
                    slip.is_of(report) && slip.torn.is_none() && slip.way == Direction::In
                };
                self.slips.iter().rfind(entry)
            }
        };
        slip.map(|slip| format!("already_in {}", slip.told()))
    }

    /// How many are in with a ticket: played through with people, and with those who were seen to leave and not yet to
    /// come.
    fn people(&self, report: &ScanReport) -> usize {
        let (mut people, mut gone_before) = (0, 0);
        for slip in self.slips.iter().filter(|slip| slip.is_of(report) && slip.torn.is_none()) {
            match slip.way {
                Direction::Out if people > 0 => people -= 1,
                Direction::Out => gone_before += 1,
                Direction::In if !slip.report.late => (people, gone_before) = (1, 0),
                Direction::In if gone_before > 0 => gone_before -= 1,
                Direction::In if slip.came > 0 => people = 1,
                Direction::In => people += 1,
            }
        }
        people
    }

    fn tear(&mut self, name: (EventId, u128, u128), by: UndoneBy, now: TimeMs) -> String {
        let Some(at) = self.slips.iter().position(|slip| slip.named(name)) else {
            return "refused unknown_scan".into();
        };
        let who = match by {
            UndoneBy::Device(device) if device.0 != name.1 => return "refused other_device".into(),
            UndoneBy::Device(_) => "device",
            UndoneBy::Manager(_) => "manager",
        };
        let slip = &self.slips[at];
        if slip.torn.is_some() {
            return "undone".into();
        }
        if who == "device" && now - slip.written >= 600_000 {
            return "refused too_late".into();
        }
        let later = |other: &Slip| other.is_of(&slip.report) && other.torn.is_none();
        if self.slips[at + 1..].iter().any(later) {
            return "refused scanned_since".into();
        }
        self.slips[at].torn = Some((who, now));
        "undone".into()
    }

    /// Everything that can be seen: the slips, and what is counted at each gate on each day.
    pub fn seen(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut counts: BTreeMap<(u64, &str, i32, &str), usize> = BTreeMap::new();
        for slip in &self.slips {
            let own = &slip.report;
            let (order, number) = (own.ticket.order.0, own.ticket.number);
            lines.push(format!(
                "scan {} {}/{} of {order} {number} at {} day {} {} clock {} revision {}: {} {:?}",
                own.event.0,
                own.device.0,
                own.nonce.0,
                slip.written,
                own.day,
                own.gate,
                own.at_ms,
                own.revision,
                slip.answer(),
                slip.torn,
            ));
            if slip.torn.is_none() {
                let key = (own.event.0, own.gate.as_str(), own.day, slip.column());
                *counts.entry(key).or_default() += 1;
            }
        }
        let told = |((event, gate, day, column), count): (&(u64, &str, i32, &str), &usize)| {
            format!("gate {event} {gate} day {day} {column} {count}")
        };
        lines.extend(counts.iter().map(told));
        lines.sort();
        lines
    }
}

/// What is wrong with a ticket with which nobody is in; nothing, if nothing is.
fn flaw(sale: &State, rules: &DoorSpec, report: &ScanReport, now: TimeMs) -> String {
    let show = &sale.events[&report.event];
    if show.sale == boxoffice::Sale::Canceled {
        return "event_canceled".into();
    }
    let Some(order) = sale.orders.get(&report.ticket.order) else {
        return "unknown_ticket".into();
    };
    if order.event != report.event {
        return format!("other_event {}", order.event.0);
    }
    if order.state == OrderState::Released {
        return "void released".into();
    }
    if order.state == OrderState::Held {
        return "unpaid held".into();
    }
    let tickets = order.tickets.iter().zip(1u16..);
    let Some((ticket, _)) = tickets.into_iter().find(|(_, n)| *n == report.ticket.number) else {
        return "unknown_ticket".into();
    };
    if ticket.state == TicketState::Revoked {
        return "revoked".into();
    }
    if ticket.revision != report.revision {
        return "replaced".into();
    }
    let index = order.lines[usize::from(ticket.line)].ticket_type;
    let id = &show.ticket_types[usize::from(index)].id;
    let gate = rules.gates.iter().find(|gate| gate.id == report.gate);
    if gate.is_some_and(|gate| !gate.ticket_types.is_empty() && !gate.ticket_types.contains(id)) {
        return "wrong_gate".into();
    }
    if rules.opens_ms.is_some_and(|opens| now < opens) { "not_open".into() } else { String::new() }
}
