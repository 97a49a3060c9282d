//! The steps of a story at the door: CONTRIBUTING.md, "Scripts", lists them.

use crate::{Stage, Step, Words, same, time, told};
use boxoffice::*;

impl Stage {
    /// The command of a step, if it is one of the door.
    pub fn door_command(
        &mut self,
        verb: &str,
        words: &mut Words,
    ) -> Result<Option<DoorCommand>, String> {
        Ok(Some(match verb {
            "door" => self.put_door(words)?,
            "in" => DoorCommand::CheckIn(self.report(words)?),
            "out" => DoorCommand::CheckOut(self.report(words)?),
            "undo" => {
                let (manager, by) = (words.take("manager"), words.after("by")?);
                let scan = self.scan_id(words)?;
                let by = match by {
                    _ if manager => UndoneBy::Manager(1),
                    Some(device) => UndoneBy::Device(DeviceId(self.number(&device).into())),
                    None => UndoneBy::Device(scan.device),
                };
                DoorCommand::Undo { scan, by }
            }
            _ => return Ok(None),
        }))
    }

    /// `door SLUG [once|come_back|once_a_day] [opens T] [GATE[=TYPE,TYPE]]…`
    fn put_door(&mut self, words: &mut Words) -> Result<DoorCommand, String> {
        let slug = words.next()?;
        let modes = Admission::ALL.into_iter().filter(|mode| words.take(mode.word()));
        let admission = modes.last().unwrap_or_default();
        let opens_ms = words.after("opens")?.map(|w| time(&w)).transpose()?;
        let name = words.after("named")?;
        let mut gates = Vec::new();
        while !words.is_empty() {
            let word = words.next()?;
            let (id, types) = word.split_once('=').unwrap_or((&word, ""));
            let ticket_types = types.split_terminator(',').map(String::from).collect();
            let name = name.clone().unwrap_or_else(|| format!("The {id}"));
            gates.push(GateSpec { id: id.into(), name, ticket_types });
        }
        let event = self.event_id(&slug);
        Ok(DoorCommand::PutDoor { event, spec: DoorSpec { admission, opens_ms, gates } })
    }

    /// `O N GATE DEVICE/NONCE [of SLUG] [revision N] [clock T] [day N] [late]`
    fn report(&mut self, words: &mut Words) -> Result<ScanReport, String> {
        let late = words.take("late");
        let revision = words.number_after("revision")?;
        let at_ms = words.after("clock")?.map_or(Ok(self.now), |w| time(&w))?;
        let day = words.number_after("day")?;
        let (order, number, gate) = (words.next()?, words.number()?, words.next()?);
        let ScanId { event, device, nonce } = self.scan_id(words)?;
        let ticket = TicketRef { order: self.order_id(&order), number };
        let known = self.world.state.orders.get(&ticket.order);
        let present = known.and_then(|o| o.ticket(number)).map_or(0, |t| t.revision);
        let day_of = if late { at_ms } else { self.now };
        let day = day.unwrap_or(day_of.div_euclid(86_400_000) as i32);
        let revision = revision.unwrap_or(present);
        Ok(ScanReport { event, ticket, revision, gate, device, nonce, at_ms, day, late })
    }

    /// `DEVICE/NONCE [of SLUG]`
    fn scan_id(&mut self, words: &mut Words) -> Result<ScanId, String> {
        let event = words.after("of")?.unwrap_or_else(|| self.event.clone());
        let word = words.next()?;
        let (device, nonce) = word.split_once('/').ok_or("a scan is DEVICE/NONCE")?;
        let (device, nonce) = (self.number(device).into(), self.number(nonce).into());
        let event = self.event_id(&event);
        Ok(ScanId { event, device: DeviceId(device), nonce: Nonce(nonce) })
    }

    pub fn ask_door(&mut self, command: &DoorCommand) -> String {
        let decision = match self.door.step(&self.world, command, self.now) {
            Err(refusal) => return format!("refused {}", self.door_refusal(&refusal)),
            Ok(decision) => decision,
        };
        let mut text = match decision.reply {
            DoorReply::Door(_) => "door".into(),
            DoorReply::Undone(_) => "undone".into(),
            DoorReply::Scanned(scan) => self.scan_told(&scan),
        };
        if decision.changes.is_empty() {
            text += ", unchanged";
        }
        text
    }

    /// `in VISIT`, `in again` or `out`, and the objection after `but`.
    fn scan_told(&self, scan: &Scan) -> String {
        let way = match (scan.direction, scan.visit) {
            (Direction::In, Some(visit)) => format!("in {visit}"),
            (Direction::In, None) => "in again".into(),
            (Direction::Out, _) => "out".into(),
        };
        let but = scan.objection.as_ref().map(|why| format!(" but {}", self.objection(why)));
        way + &but.unwrap_or_default()
    }

    fn objection(&self, objection: &Objection) -> String {
        let rest = match objection {
            Objection::AlreadyIn(seen) | Objection::NotIn(Some(seen)) => {
                format!("{} {}", told(seen.when_ms), seen.gate)
            }
            Objection::OtherEvent(event) => {
                let named = |(_, n): &(&String, &u32)| u64::from(**n) == event.0;
                self.names.iter().find(named).map_or("?".into(), |(name, _)| name.clone())
            }
            Objection::Unpaid(state) | Objection::Void(state) => state.word().into(),
            Objection::NotOpen(at) => format!("until {}", told(*at)),
            _ => String::new(),
        };
        format!("{} {rest}", objection.word()).trim_end().into()
    }

    fn door_refusal(&self, refusal: &DoorRefusal) -> String {
        match refusal {
            DoorRefusal::Invalid(text) => format!("invalid {text}"),
            DoorRefusal::UnknownEvent => "unknown_event".into(),
            DoorRefusal::UnknownTicketType(id) => format!("unknown_ticket_type {id}"),
            DoorRefusal::Objection(objection) => self.objection(objection),
            DoorRefusal::NonceUsed => "nonce_used".into(),
            DoorRefusal::Undone(Undone { by, at_ms }) => {
                let by = match by {
                    UndoneBy::Device(_) => "device",
                    UndoneBy::Manager(_) => "manager",
                };
                format!("undone by {by} at {}", told(*at_ms))
            }
            DoorRefusal::UnknownScan => "unknown_scan".into(),
            DoorRefusal::OtherDevice => "other_device".into(),
            DoorRefusal::TooLateToUndo(until) => format!("too_late since {}", told(*until)),
            DoorRefusal::ScannedSince => "scanned_since".into(),
            DoorRefusal::Unreadable => "unreadable".into(),
        }
    }

    /// `gate SLUG GATE [day N] IN OUT [again N] [unseen N]`: its counts, of one day or of all.
    pub fn look_gate(&mut self, words: &mut Words) -> Step {
        let day: Option<i32> = words.number_after("day")?;
        let again = words.number_after("again")?.unwrap_or(0i64);
        let unseen = words.number_after("unseen")?.unwrap_or(0i64);
        let (event, gate) = (words.next()?, words.next()?);
        let event = self.event_id(&event);
        let its = self.door.state.counts.iter().filter(|((of, named, on), _)| {
            *of == event && *named == gate && day.is_none_or(|day| day == *on)
        });
        let there = its.fold(GateCounts::default(), |sum, (_, more)| sum.plus(*more));
        let (entered, left) = (words.number()?, words.number()?);
        let said = GateCounts { entered, entered_again: again, left, left_unseen: unseen };
        same("counts", &format!("{there:?}"), &format!("{said:?}"))
    }

    /// `scans O N [of SLUG] SCAN…`: each as it is answered, `-` before one that was undone, with commas between.
    pub fn look_scans(&mut self, words: &mut Words) -> Step {
        let event = words.after("of")?.unwrap_or_else(|| self.event.clone());
        let (order, number) = (words.next()?, words.number()?);
        let (event, order) = (self.event_id(&event), self.order_id(&order));
        let scans = self.door.state.scans_of(event, TicketRef { order, number });
        let minus = |scan: &Scan| if scan.undone.is_some() { "-" } else { "" };
        let there = scans.iter().map(|scan| format!("{}{}", minus(scan), self.scan_told(scan)));
        same("scans", &there.collect::<Vec<_>>().join(", "), &words.rest())
    }
}
