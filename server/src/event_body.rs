//! What an event means to the core that an organiser wrote in JSON or in TOML.

#[cfg(test)]
mod tests;

use crate::when;
use boxoffice::{Currency, EventSpec, PoolSpec, TicketTypeSpec};
use nts_api::EventBody;

/// The event with this id as the core wants it.
///
/// # Errors
/// One sentence that says what is wrong.
pub fn spec(body: EventBody, slug: &str) -> Result<EventSpec, String> {
    let time = |what: &str, text: &str| when::parse(text).map_err(|e| format!("{what}: {e}"));
    let optional = |what: &str, text: &Option<String>| {
        text.as_deref().map(|text| time(what, text)).transpose()
    };
    when::check_zone(&body.zone)?;
    let currency =
        Currency::parse(&body.currency).ok_or("currency: expected an ISO 4217 code such as GBP")?;
    let mut ticket_types = Vec::new();
    for t in body.ticket_types {
        if Currency::parse(&t.price.currency) != Some(currency) {
            return Err(format!("ticket type {}: its price must be in the event's currency", t.id));
        }
        let (id, name, pool, price_minor) = (t.id, t.name, t.pool, t.price.amount);
        ticket_types.push(TicketTypeSpec { id, name, pool, price_minor });
    }
    let pools = body.pools.into_iter();
    Ok(EventSpec {
        slug: slug.into(),
        starts_ms: time("starts_at", &body.starts_at)?,
        sale_opens_ms: optional("sale_opens", &body.sale_opens)?,
        sale_closes_ms: optional("sale_closes", &body.sale_closes)?,
        name: body.name,
        place: body.place,
        zone: body.zone,
        currency,
        limit_per_order: body.limit_per_order.unwrap_or(10),
        limit_per_buyer: body.limit_per_buyer,
        ignore_email_tags: body.ignore_email_tags,
        hold_ms: i64::from(body.hold_seconds.unwrap_or(300)) * 1000,
        pools: pools.map(|p| PoolSpec { name: p.id, capacity: p.capacity }).collect(),
        ticket_types,
    })
}
