//! Deliberate breaks of who may do what, and of keys: a request is changed on its way to the server, as
//! if the server had not looked at what is changed. So nothing of them stands in what is shipped.

use crate::strangers::Told;
use crate::world::{Ask, ORGANISER};
use boxoffice::OrderId;
use boxoffice::mutant::{Mutant, on};
use std::collections::BTreeMap;

/// What was asked first under a key.
pub type Breaks = BTreeMap<String, Ask>;

/// A request as a broken server would understand it; `None`: as it is.
pub fn bend(told: &Told, seen: &mut Breaks, ask: &Ask) -> Option<Ask> {
    let parts: Vec<&str> = ask.path.split('/').skip(1).collect();
    let own = |id: &str| {
        let id = uuid::Uuid::try_parse(id).ok()?.as_u128();
        told.get(&OrderId(id)).map(|own| own.secret.clone())
    };
    let as_organiser = || Some(ask.clone().bearer(ORGANISER));
    match parts[..] {
        ["api", "v1", "orders", id, "cancel"] if on(Mutant::CancelWithoutSecret) => {
            return Some(ask.clone().bearer(&own(id)?));
        }
        ["api", "v1", "orders", _, "refunds"] if on(Mutant::RefundWithoutKey) => {
            return as_organiser();
        }
        ["api", "v1", "events", _] if on(Mutant::PutWithoutKey) => return as_organiser(),
        ["api", "v1", "events", _, "orders"] if on(Mutant::ListWithoutKey) => {
            return as_organiser();
        }
        ["api", "v1", "orders", id] if on(Mutant::OrderShownToAnybody) => {
            ask.bearer.as_ref()?;
            return Some(ask.clone().bearer(&own(id)?));
        }
        ["orders", id, secret, ..] if on(Mutant::PageWithoutSecret) => {
            let path = ask.path.replace(&format!("/{secret}"), &format!("/{}", own(id)?));
            return Some(Ask { path, ..ask.clone() });
        }
        _ => {}
    }
    let key = ask.key.as_ref()?;
    let route = |n: usize| parts.get(n).copied().unwrap_or_default();
    let under = if on(Mutant::KeyWithoutBody) {
        format!("{key} {}", ask.path)
    } else if on(Mutant::KeyOfAllOrders) {
        format!("{key} {} {}", route(2), route(4))
    } else if on(Mutant::KeyOfAllRoutes) {
        format!("{key} {} {}", route(2), route(3))
    } else {
        return None;
    };
    let first = seen.entry(under).or_insert_with(|| ask.clone()).clone();
    // What was asked is compared in all but the first.
    let body = match () {
        () if on(Mutant::KeyWithoutBody) => first.body.clone(),
        // Another request, as one that can be read there.
        () if on(Mutant::KeyOfAllRoutes) && first.path != ask.path => format!("{} ", first.body),
        () => ask.body.clone(),
    };
    Some(Ask { path: first.path, bearer: first.bearer, body, ..ask.clone() })
}
