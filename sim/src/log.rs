//! Whether the audit log tells what happened: its lines are committed with the changes that they tell of,
//! so whatever a crash or a lost answer has left, both are there or neither is.

use crate::trace::Promise;
use crate::world::World;
use boxoffice::RefundState;
use nts_server::store::records::audit_log::{Action, AuditLine, Filter, last};
use nts_server::store::{Fault, Reader};
use std::collections::BTreeMap;

/// What the log should say and does not, or says twice.
fn wrong(reader: &mut dyn Reader) -> Result<Vec<String>, Fault> {
    let every = Filter { limit: usize::MAX, ..Filter::default() };
    let lines: Vec<AuditLine> = last(reader.tables(), &every)?;
    let created = |event| {
        let of_event = |line: &&AuditLine| line.action == Action::EventCreated;
        lines.iter().filter(of_event).filter(|line| line.event == Some(event)).count()
    };
    let mut refunds: BTreeMap<&str, Vec<&AuditLine>> = BTreeMap::new();
    for line in &lines {
        if let Action::RefundRequested | Action::RefundRecorded | Action::RefundAnswered =
            line.action
        {
            let id = line.detail.split(' ').nth(1).unwrap_or_default();
            refunds.entry(id).or_default().push(line);
        }
    }
    let mut wrong = Vec::new();
    for event in reader.events()? {
        let created = created(event.id);
        if created != 1 {
            wrong.push(format!("event {} was created {created} times", event.spec.slug));
        }
    }
    let mut after = None;
    loop {
        let page = reader.all_orders(after, 1_000)?;
        for refund in page.orders.iter().flat_map(|order| &order.refunds) {
            let id = uuid::Uuid::from_u128(refund.id.0).to_string();
            let told = refunds.get(id.as_str()).map_or(&[][..], Vec::as_slice);
            let requested = |line: &&&AuditLine| line.action == Action::RefundRequested;
            let twice = told.iter().filter(requested).count() > 1;
            // One of the lines says what became of it, the only one where nothing was paid.
            let decided = told.iter().any(|line| !line.detail.ends_with(": pending"));
            let missing = refund.state != RefundState::Pending && !decided;
            if told.is_empty() || twice || missing {
                let told: Vec<_> = told.iter().map(|line| &line.detail).collect();
                wrong.push(format!("refund {id} is {:?}, and it says {told:?}", refund.state));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(wrong);
        }
    }
}

/// Reads the whole log at the end of a run.
pub fn check(world: &World) {
    let Ok((mut watching, _)) = world.backend.watch() else { return };
    match wrong(&mut *watching.reader) {
        Ok(wrong) => wrong.into_iter().for_each(|text| {
            world.broken(Promise::NothingLost, None, format!("the audit log: {text}"));
        }),
        Err(fault) => {
            world.broken(Promise::AllSettles, None, format!("the audit log is not read: {fault}"));
        }
    }
}
