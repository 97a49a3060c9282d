//! Random evenings at two doors: the core and the naive door of `door_model` are told the same, and must say and show
//! the same.

use crate::door_model::DoorModel;
use crate::door_world::DoorWorld;
use crate::world::World;
use boxoffice::*;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

const DAY_MS: TimeMs = 86_400_000;

/// What happens, before it is known to whom.
#[derive(Clone, Debug)]
pub enum Happens {
    /// Tickets are given away: the order, its event and how many of two types.
    Sold(u128, u64, [i64; 2]),
    /// Somebody holds tickets, which are never paid.
    Held(u128, u64),
    /// An order that is held is given back.
    Released(u128),
    /// A ticket of a type is refunded.
    Refunded(u128, u128, usize),
    /// A ticket is passed on.
    Named(u128, u16, &'static str),
    EventCanceled(u64),
    Door(u64, DoorSpec),
    Scanned {
        way: Direction,
        event: u64,
        ticket: (u128, u16),
        old_code: bool,
        gate: &'static str,
        scan: (u128, u128),
        /// How wrong the clock of the device is, and how long ago it was.
        clock_ms: i64,
        late: bool,
    },
    Undone(u64, (u128, u128), Option<u128>),
    /// The n-th command at the door of before once more; if it is a scan, as a late one or not.
    Again(usize, bool),
}

fn orders() -> std::ops::Range<u128> {
    1..5
}

fn spec() -> impl Strategy<Value = DoorSpec> {
    let types = || select(vec![vec![], vec![], vec!["adult"], vec!["vip"], vec!["adult", "vip"]]);
    let gate = |id: &'static str| {
        types().prop_map(move |types| GateSpec {
            id: id.into(),
            name: id.into(),
            ticket_types: types.into_iter().map(String::from).collect(),
        })
    };
    let gates = prop_oneof![
        2 => Just(vec![]),
        1 => gate("north").prop_map(|gate| vec![gate]),
        3 => (gate("north"), gate("south")).prop_map(|(north, south)| vec![north, south]),
    ];
    let opens = select(vec![None, None, None, Some(700_000), Some(2 * DAY_MS)]);
    (select(Admission::ALL.to_vec()), opens, gates)
        .prop_map(|(admission, opens_ms, gates)| DoorSpec { admission, opens_ms, gates })
}

fn happens() -> impl Strategy<Value = Happens> {
    let event = || select(vec![1u64, 1, 1, 1, 2, 9]);
    let scan = || (1..4u128, 0..9u128);
    let clock = select(vec![0, 0, -1_000, -400_000, -DAY_MS, 60_000, 30 * DAY_MS, -400 * DAY_MS]);
    let scanned = (
        select(vec![Direction::In, Direction::In, Direction::In, Direction::Out]),
        event(),
        (orders(), select(vec![1u16, 1, 1, 1, 2, 2, 0, 7])),
        (0..9u8).prop_map(|n| n == 0),
        select(vec!["north", "north", "north", "south", "south", "east", ""]),
        scan(),
        (clock, (0..5u8).prop_map(|n| n < 2)),
    );
    prop_oneof![
        4 => (orders(), select(vec![1u64, 1, 1, 2]), 0..3i64, 0..3i64)
            .prop_map(|(order, event, adults, vips)| Happens::Sold(order, event, [adults, vips])),
        3 => (orders(), 1..3u64).prop_map(|(order, event)| Happens::Held(order, event)),
        5 => orders().prop_map(Happens::Released),
        3 => (orders(), 1..9u128, 0..2usize)
            .prop_map(|(order, refund, of)| Happens::Refunded(order, refund, of)),
        3 => (orders(), 1..3u16, select(vec!["Ann", "Bob"]))
            .prop_map(|(order, number, name)| Happens::Named(order, number, name)),
        1 => (0..30u64).prop_map(|n| Happens::EventCanceled(if n == 0 { 1 } else { 2 })),
        3 => (event(), spec()).prop_map(|(event, spec)| Happens::Door(event, spec)),
        50 => scanned.prop_map(|(way, event, ticket, old_code, gate, scan, (clock_ms, late))| {
            Happens::Scanned { way, event, ticket, old_code, gate, scan, clock_ms, late }
        }),
        9 => (event(), scan(), select(vec![None, None, Some(0), Some(1), Some(2)]))
            .prop_map(|(event, scan, by)| Happens::Undone(event, scan, by)),
        10 => (0..200usize, any::<bool>()).prop_map(|(nth, late)| Happens::Again(nth, late)),
    ]
}

/// A walk: what happens, and how long nothing happens before it.
pub fn walks() -> impl Strategy<Value = Vec<(TimeMs, Happens)>> {
    let waits = prop_oneof![
        20 => Just(0),
        10 => select(vec![1, 500, 60_000]),
        4 => select(vec![599_999, 600_000, DAY_MS / 2, DAY_MS]),
    ];
    proptest::collection::vec((waits, happens()), 1..90)
}

/// Plays one. The error says where the core and the naive door differ; what must always hold is asserted. `heard`
/// gets the answers.
pub fn walk(happened: &[(TimeMs, Happens)], heard: &mut BTreeSet<String>) -> Result<(), String> {
    let (mut sale, mut door) = (World::default(), DoorWorld::default());
    let (mut model, mut now, mut before) = (DoorModel::default(), 1_000, Vec::new());
    for (id, slug) in [(1, "rock"), (2, "folk")] {
        let put = Command::PutEvent { id: EventId(id), spec: event(slug) };
        sale.step(&put, now).map_err(|no| format!("{no:?}"))?;
    }
    // Something to begin with: else most walks scan what there is not.
    let first = [Happens::Sold(1, 1, [2, 0]), Happens::Sold(2, 1, [1, 1])].map(|sold| (0, sold));
    for (wait, happens) in first.iter().chain(happened) {
        now += wait;
        let Some(command) = door_command(happens, &sale, &before, now) else {
            if let Some(command) = sale_command(happens, &sale) {
                // The box office may refuse it: it has its own tests.
                let _ = sale.step(&command, now);
            }
            continue;
        };
        let was = door.state.clone();
        let answer = door.step(&sale, &command, now);
        if answer.is_err() && was != door.state {
            return Err("a refusal changes something".into());
        }
        let (said, told) = (said(&answer), model.tell(&sale.state, &command, now));
        if said != told {
            return Err(format!("to {command:?} at {now}: {said:?}, and the model: {told:?}"));
        }
        let (seen, there) = (seen(&door.state), model.seen());
        if seen != there {
            return Err(format!("after {command:?} at {now}: {seen:#?}, the model: {there:#?}"));
        }
        // Without the times.
        let kept = |word: &&str| word.parse::<TimeMs>().is_err() || word.len() == 1;
        heard.insert(said.split(' ').filter(kept).collect::<Vec<_>>().join(" "));
        before.push(command);
    }
    Ok(())
}

fn event(slug: &str) -> EventSpec {
    let of = |id: &str| TicketTypeSpec {
        id: id.into(),
        name: id.into(),
        pool: "stalls".into(),
        price_minor: 999,
        rules: TypeRules::default(),
    };
    EventSpec {
        pools: vec![PoolSpec { name: "stalls".into(), capacity: 1_000 }],
        ticket_types: vec![of("adult"), of("vip")],
        ..EventSpec::new(slug, Currency::parse("GBP").unwrap(), 900 * DAY_MS)
    }
}

fn sale_command(happens: &Happens, sale: &World) -> Option<Command> {
    let order = |id: &u128| OrderId(*id);
    let lines = |quantities: [i64; 2]| -> Vec<LineWish> {
        let wish = |(id, quantity): (&str, i64)| LineWish { ticket_type: id.into(), quantity };
        ["adult", "vip"].into_iter().zip(quantities).filter(|(_, n)| *n > 0).map(wish).collect()
    };
    let buyer = |id: &u128| Buyer {
        name: "Ann".into(),
        email: String::new(),
        // Not the order's id: that would be a buyer who was erased.
        key: BuyerKey(id + 500),
        language: Language::EN,
    };
    Some(match happens {
        Happens::Sold(id, event, quantities) => Command::Sell {
            order: order(id),
            event: EventId(*event),
            buyer: buyer(id),
            untagged: None,
            lines: lines(*quantities),
            tender: Tender::Free,
            reference: String::new(),
            metadata: boxoffice::Metadata::default(),
            shown_minor: None,
        },
        Happens::Held(id, event) => Command::Hold {
            order: order(id),
            event: EventId(*event),
            buyer: buyer(id),
            untagged: None,
            lines: lines([1, 0]),
            terms: Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        },
        Happens::Released(id) => {
            sale.state.orders.get(&order(id)).filter(|o| o.state == OrderState::Held)?;
            Command::Cancel { order: order(id) }
        }
        Happens::Refunded(id, refund, of) => Command::Refund {
            order: order(id),
            refund: RefundId(refund + 10 * id),
            wish: RefundWish::Lines(lines(if *of == 0 { [1, 0] } else { [0, 1] })),
            restock: false,
        },
        Happens::Named(id, number, name) => {
            Command::NameTicket { order: order(id), number: *number, name: (*name).into() }
        }
        Happens::EventCanceled(event) => {
            Command::SetSale { event: EventId(*event), to: Sale::Canceled, seen: None }
        }
        _ => return None,
    })
}

fn scan_id(event: u64, (device, nonce): (u128, u128)) -> ScanId {
    ScanId { event: EventId(event), device: DeviceId(device), nonce: Nonce(nonce) }
}

fn door_command(
    happens: &Happens,
    sale: &World,
    before: &[DoorCommand],
    now: TimeMs,
) -> Option<DoorCommand> {
    Some(match happens {
        Happens::Door(event, spec) => {
            DoorCommand::PutDoor { event: EventId(*event), spec: spec.clone() }
        }
        Happens::Scanned { way, event, ticket, old_code, gate, scan, clock_ms, late } => {
            let ticket = TicketRef { order: OrderId(ticket.0), number: ticket.1 };
            let known = sale.state.orders.get(&ticket.order);
            let revision = known.and_then(|o| o.ticket(ticket.number)).map_or(0, |t| t.revision);
            let ScanId { event, device, nonce } = scan_id(*event, *scan);
            let at_ms = now + clock_ms;
            let day = (if *late { at_ms } else { now }).div_euclid(DAY_MS) as i32;
            let report = ScanReport {
                event,
                ticket,
                revision: if *old_code { revision.saturating_sub(1) } else { revision },
                gate: (*gate).into(),
                device,
                nonce,
                at_ms,
                day,
                late: *late,
            };
            match way {
                Direction::In => DoorCommand::CheckIn(report),
                Direction::Out => DoorCommand::CheckOut(report),
            }
        }
        Happens::Undone(event, scan, by) => {
            let id = scan_id(*event, *scan);
            let by = match by {
                None => UndoneBy::Device(id.device),
                Some(0) => UndoneBy::Manager(7),
                Some(device) => UndoneBy::Device(DeviceId(*device)),
            };
            DoorCommand::Undo { scan: id, by }
        }
        Happens::Again(nth, late) => {
            let again = before.get(nth % before.len().max(1))?.clone();
            match again {
                DoorCommand::CheckIn(report) => {
                    DoorCommand::CheckIn(ScanReport { late: *late, ..report })
                }
                DoorCommand::CheckOut(report) => {
                    DoorCommand::CheckOut(ScanReport { late: *late, ..report })
                }
                other => other,
            }
        }
        _ => return None,
    })
}

/// An answer of the core in the words of the model.
fn said(answer: &Result<DoorDecision, DoorRefusal>) -> String {
    match answer.as_ref().map(|decision| &decision.reply) {
        Ok(DoorReply::Door(_)) => "door".into(),
        Ok(DoorReply::Scanned(scan)) => scan_said(scan),
        Ok(DoorReply::Undone(_)) => "undone".into(),
        Err(refusal) => format!(
            "refused {}",
            match refusal {
                DoorRefusal::Invalid(_) => "invalid".into(),
                DoorRefusal::UnknownEvent => "unknown_event".into(),
                DoorRefusal::UnknownTicketType(_) => "unknown_ticket_type".into(),
                DoorRefusal::Objection(objection) => objection_said(objection),
                DoorRefusal::NonceUsed => "nonce_used".into(),
                DoorRefusal::Undone(undone) => {
                    let (who, at) = undone_said(*undone);
                    format!("undone by {who} at {at}")
                }
                DoorRefusal::UnknownScan => "unknown_scan".into(),
                DoorRefusal::OtherDevice => "other_device".into(),
                DoorRefusal::TooLateToUndo(_) => "too_late".into(),
                DoorRefusal::ScannedSince => "scanned_since".into(),
                DoorRefusal::Unreadable => "unreadable".into(),
            }
        ),
    }
}

fn undone_said(undone: Undone) -> (&'static str, TimeMs) {
    let by = match undone.by {
        UndoneBy::Device(_) => "device",
        UndoneBy::Manager(_) => "manager",
    };
    (by, undone.at_ms)
}

fn scan_said(scan: &Scan) -> String {
    let way = match (scan.direction, scan.visit) {
        (Direction::In, Some(visit)) => format!("in {visit}"),
        (Direction::In, None) => "in again".into(),
        (Direction::Out, _) => "out".into(),
    };
    let but = scan.objection.as_ref().map(|why| format!(" but {}", objection_said(why)));
    way + &but.unwrap_or_default()
}

fn objection_said(objection: &Objection) -> String {
    let rest = match objection {
        Objection::AlreadyIn(seen) | Objection::NotIn(Some(seen)) => {
            format!(" {} {}", seen.when_ms, seen.gate)
        }
        Objection::OtherEvent(event) => format!(" {}", event.0),
        Objection::Unpaid(state) | Objection::Void(state) => format!(" {}", state.word()),
        _ => String::new(),
    };
    format!("{}{rest}", objection.word())
}

/// The core's scans and counts in the words of the model.
fn seen(state: &DoorState) -> Vec<String> {
    let mut lines = Vec::new();
    for scan in state.tickets.values().flatten() {
        let (order, number) = (scan.ticket.order.0, scan.ticket.number);
        lines.push(format!(
            "scan {} {}/{} of {order} {number} at {} day {} {} clock {} revision {}: {} {:?}",
            scan.id.event.0,
            scan.id.device.0,
            scan.id.nonce.0,
            scan.recorded_ms,
            scan.day,
            scan.gate,
            scan.at_ms,
            scan.revision,
            scan_said(scan),
            scan.undone.map(undone_said),
        ));
    }
    for ((event, gate, day), counts) in &state.counts {
        let columns = [
            ("entered", counts.entered),
            ("again", counts.entered_again),
            ("left", counts.left),
            ("unseen", counts.left_unseen),
        ];
        for (column, count) in columns.into_iter().filter(|(_, count)| *count != 0) {
            lines.push(format!("gate {} {gate} day {day} {column} {count}", event.0));
        }
    }
    lines.sort();
    lines
}
