//! An event as the core has it, from what an organiser wrote in JSON or TOML, and back: as the API tells it.

#[cfg(test)]
mod tests;

use crate::when;
use boxoffice::{Currency, Event, EventSpec, PoolSpec, TicketTypeSpec, TimeMs};
use nts_api::{self as wire, EventBody};

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
    let defaults = EventSpec::new(slug, currency, time("starts_at", &body.starts_at)?);
    Ok(EventSpec {
        name: body.name,
        place: body.place,
        // TOML's texts of several lines end with a line break, and may have those of Windows.
        description: body.description.replace("\r\n", "\n").trim().into(),
        ends_ms: optional("ends_at", &body.ends_at)?,
        zone: body.zone,
        limit_per_order: body.limit_per_order.unwrap_or(defaults.limit_per_order),
        limit_per_buyer: body.limit_per_buyer,
        ignore_email_tags: body.ignore_email_tags,
        hold_ms: body.hold_seconds.map_or(defaults.hold_ms, |s| i64::from(s) * 1000),
        sale_opens_ms: optional("sale_opens", &body.sale_opens)?,
        sale_closes_ms: optional("sale_closes", &body.sale_closes)?,
        hidden: body.hidden,
        keep_buyers_days: body.keep_buyers_days,
        pools: body
            .pools
            .into_iter()
            .map(|p| PoolSpec { name: p.id, capacity: p.capacity })
            .collect(),
        ticket_types,
        ..defaults
    })
}

/// An event with its counts as the API tells it, true as of `as_of`.
pub fn told(event: &Event, now: TimeMs, as_of: TimeMs) -> wire::Event<'_> {
    let spec = &event.spec;
    let time = |ms: Option<TimeMs>| ms.map(|ms| when::rfc3339(ms).into());
    let wire::EventCounts { as_of, on_sale, pools, ticket_types } = counts(event, now, as_of);
    wire::Event {
        as_of,
        currency: spec.currency.code().into(),
        description: (&spec.description).into(),
        ends_at: time(spec.ends_ms),
        hidden: spec.hidden,
        hold_seconds: spec.hold_ms / 1000,
        id: (&spec.slug).into(),
        ignore_email_tags: spec.ignore_email_tags,
        keep_buyers_days: spec.keep_buyers_days,
        limit_per_buyer: spec.limit_per_buyer,
        limit_per_order: spec.limit_per_order,
        name: (&spec.name).into(),
        on_sale,
        over: event.is_over(now),
        place: (&spec.place).into(),
        pools,
        sale_closes: time(spec.sale_closes_ms),
        sale_opens: time(spec.sale_opens_ms),
        starts_at: when::rfc3339(spec.starts_ms).into(),
        ticket_types,
        zone: (&spec.zone).into(),
    }
}

/// The counts of an event, true as of `as_of`: of what is on sale, and of what is held or sold. And whether
/// the sale is open at `now`.
pub fn counts(event: &Event, now: TimeMs, as_of: TimeMs) -> wire::EventCounts<'_> {
    let pools = event.pools.iter().filter(|p| p.capacity > 0 || p.held + p.sold > 0);
    let pools = pools.map(|p| wire::Pool {
        capacity: p.capacity,
        held: p.held,
        id: (&p.name).into(),
        left: p.left(),
        sold: p.sold,
    });
    let ticket_types = event.ticket_types.iter().filter(|t| !t.retired).map(|t| {
        let pool = &event.pools[usize::from(t.pool)];
        wire::TicketType {
            id: (&t.id).into(),
            left: pool.left(),
            name: (&t.name).into(),
            pool: (&pool.name).into(),
            price: money(t.price_minor, &event.spec.currency),
        }
    });
    wire::EventCounts {
        as_of: when::rfc3339(as_of).into(),
        on_sale: event.on_sale(now),
        pools: pools.collect(),
        ticket_types: ticket_types.collect(),
    }
}

/// An amount on the wire.
pub fn money(minor: i64, currency: &Currency) -> wire::Money<'_> {
    wire::Money { amount: minor, currency: currency.code().into() }
}
