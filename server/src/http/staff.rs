//! What staff name in an address. A draft of which they have no role is as an event that does not exist, and its orders
//! as orders that do not exist: nobody learns by a refusal that it is there.

use super::api::organiser::for_organiser;
use super::problem::Problem;
use crate::access::Caller;
use crate::app::App;
use crate::sales::SaleError;
use boxoffice::{Event, Order, OrderId, Refusal};
use std::sync::Arc;

/// The event of this name, for somebody of the staff. What they may do with it, the use case asks.
pub(in crate::http) async fn event_for(
    app: &App,
    caller: &Caller,
    slug: &str,
) -> Result<Arc<Event>, SaleError> {
    let event = app.sales.event_named(slug).await?;
    match event.spec.hidden && !caller.knows(event.id) {
        true => Err(SaleError::Refused(Refusal::UnknownEvent)),
        false => Ok(event),
    }
}

/// The order of this id, for somebody of the staff. What they may do with it, the use case asks.
pub(in crate::http) async fn order_for(
    app: &App,
    caller: &Caller,
    id: OrderId,
) -> Result<Arc<Order>, Problem> {
    let order = app.sales.find(id).await.map_err(|no| for_organiser(no.into()))?;
    let hidden = || app.catalogue.event_by_id(order.event).is_none_or(|event| event.spec.hidden);
    if !caller.knows(order.event) && hidden() {
        return Err(for_organiser(Problem::unknown_order()));
    }
    Ok(order)
}
