//! Whether the audit log tells what happened: its lines are committed with the changes that they tell of,
//! so whatever a crash or a lost answer has left, both are there or neither is.

use crate::story::Promise;
use crate::world::World;
use boxoffice::RefundState;
use nts_server::store::records::audit_log::{Action, AuditLine, Filter, last};
use nts_server::store::{Fault, Reader};
use std::collections::BTreeMap;

/// What the log should say and does not, or says twice.
fn wrong(reader: &mut dyn Reader) -> Result<Vec<String>, Fault> {
    let every = Filter { limit: usize::MAX, ..Filter::default() };
    let lines: Vec<AuditLine> = last(reader.tables(), &every)?;
    // By what was done and what the detail begins with: a refund, by its id.
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for line in &lines {
        let of = match line.action {
            Action::RefundRequested | Action::RefundRecorded | Action::RefundAnswered => {
                line.detail.chars().take("refund ".len() + 36).collect()
            }
            _ => format!("event {}", line.event.map_or(0, |event| event.0)),
        };
        *counts.entry((line.action.word(), of)).or_default() += 1;
    }
    let count = |action: Action, of: &str| {
        counts.get(&(action.word(), of.to_owned())).copied().unwrap_or_default()
    };
    let mut wrong = Vec::new();
    for event in reader.events()? {
        let created = count(Action::EventCreated, &format!("event {}", event.id.0));
        if created != 1 {
            wrong.push(format!("event {} was created {created} times", event.spec.slug));
        }
    }
    let mut after = None;
    loop {
        let page = reader.all_orders(after, 1_000)?;
        for refund in page.orders.iter().flat_map(|order| &order.refunds) {
            let of = format!("refund {}", uuid::Uuid::from_u128(refund.id.0));
            let requested = count(Action::RefundRequested, &of);
            let recorded = count(Action::RefundRecorded, &of);
            let answered = count(Action::RefundAnswered, &of);
            let began = requested + recorded + answered;
            let decided = refund.state != RefundState::Pending;
            if began == 0 || requested > 1 || (decided && answered == 0) {
                wrong.push(format!(
                    "{of} ({:?}): {requested} times requested, {recorded} recorded, {answered} \
                     answered",
                    refund.state
                ));
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
    let Ok((mut watching, _)) = world.base.watch() else { return };
    match wrong(&mut *watching.reader) {
        Ok(wrong) => wrong.into_iter().for_each(|text| {
            world.broken(Promise::NothingLost, None, format!("the audit log: {text}"));
        }),
        Err(fault) => {
            world.broken(Promise::AllSettles, None, format!("the audit log is not read: {fault}"));
        }
    }
}
