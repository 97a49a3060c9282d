//! An event as organisers write it, in JSON or in TOML, and what it means to the core.

#[cfg(test)]
mod tests;

use crate::when;
use boxoffice::{Currency, EventSpec, PoolSpec, TicketTypeSpec};
use nts_api::Money;
use serde::{Deserialize, Serialize};

/// An event as an organiser writes it, in JSON or in TOML.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    name: String,
    #[serde(default)]
    place: String,
    starts_at: String,
    zone: String,
    currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_per_order: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_per_buyer: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignore_email_tags: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sale_opens: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sale_closes: Option<String>,
    pools: Vec<PoolBody>,
    ticket_types: Vec<TicketTypeBody>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolBody {
    id: String,
    capacity: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketTypeBody {
    id: String,
    name: String,
    pool: String,
    price: Money<'static>,
}

impl EventBody {
    /// As the core wants it. The error says in one sentence what is wrong.
    pub fn spec(self, slug: &str) -> Result<EventSpec, String> {
        let time = |what: &str, text: &str| when::parse(text).map_err(|e| format!("{what}: {e}"));
        let optional = |what: &str, text: &Option<String>| {
            text.as_deref().map(|text| time(what, text)).transpose()
        };
        when::check_zone(&self.zone)?;
        let currency = Currency::parse(&self.currency)
            .ok_or("currency: expected an ISO 4217 code such as GBP")?;
        let mut ticket_types = Vec::new();
        for t in self.ticket_types {
            if Currency::parse(&t.price.currency) != Some(currency) {
                return Err(format!(
                    "ticket type {}: its price must be in the event's currency",
                    t.id
                ));
            }
            let (id, name, pool, price_minor) = (t.id, t.name, t.pool, t.price.amount);
            ticket_types.push(TicketTypeSpec { id, name, pool, price_minor });
        }
        let pools = self.pools.into_iter();
        Ok(EventSpec {
            slug: slug.into(),
            starts_ms: time("starts_at", &self.starts_at)?,
            sale_opens_ms: optional("sale_opens", &self.sale_opens)?,
            sale_closes_ms: optional("sale_closes", &self.sale_closes)?,
            name: self.name,
            place: self.place,
            zone: self.zone,
            currency,
            limit_per_order: self.limit_per_order.unwrap_or(10),
            limit_per_buyer: self.limit_per_buyer,
            ignore_email_tags: self.ignore_email_tags,
            hold_ms: i64::from(self.hold_seconds.unwrap_or(300)) * 1000,
            pools: pools.map(|p| PoolSpec { name: p.id, capacity: p.capacity }).collect(),
            ticket_types,
        })
    }
}
