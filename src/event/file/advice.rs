//! What to write instead of what is wrong. Whatever is advised is accepted.

use boxoffice::{Currency, check_slug};
use nts_server::when;

/// The largest amount of a price, in minor units.
const MOST_MINOR: i64 = 99_999_999;

/// Whether a ticket can have this price, in minor units.
pub fn is_price(minor: i64, currency: Currency) -> bool {
    let fits = (currency.least_minor()..=MOST_MINOR).contains(&minor);
    minor == 0 || fits && minor % currency.step_minor() == 0
}

/// A price for an example, in minor units.
pub fn example_minor(currency: Currency) -> i64 {
    currency.least_minor().max(2_500)
}

/// The least and the greatest number that a field takes.
pub fn range(name: &str) -> (u32, u32) {
    match name {
        "limit_per_order" => (1, 1_000),
        "limit_per_buyer" => (1, u32::MAX),
        "hold_seconds" => (1, 3_600),
        "keep_buyers_days" => (0, 3_650),
        "percent_off" => (1, 100),
        "uses" => (1, 10_000_000),
        _ => (0, 10_000_000),
    }
}

/// A line that says a text: `source` in quotes if the field takes that, or else an example. `path`: the
/// field, as in a flaw; `currency`: that of the event, for the field of a price.
pub fn text(
    path: &str,
    name: &str,
    source: &str,
    zone: &str,
    currency: Option<&Currency>,
) -> String {
    let quoted = |right: &str| format!("{name} = \"{right}\"");
    let such_as = |right: &str| format!("such as {name} = \"{right}\"");
    match name {
        "starts_at" | "ends_at" | "sale_opens" | "sale_closes" | "names_until" | "until"
        | "valid_from" | "valid_until" => {
            if when::parse_in(source, zone).is_ok() {
                return quoted(source);
            }
            match when::written_in(source, zone) {
                Some(right) => such_as(&right),
                None => such_as("2030-07-05T20:00:00Z"),
            }
        }
        "zone" if when::check_zone(source).is_err() => such_as("Europe/London"),
        "currency" if currency.is_some() => quoted(currency.map_or("GBP", Currency::code)),
        "currency" if !Currency::parse(source).is_some_and(|c| c.is_charged()) => such_as("GBP"),
        "id" if path == "id" && check_slug(source).is_err() => such_as("harbour-night"),
        "pool" => "the id of one of the pools, in quotes".into(),
        _ if source.is_empty() => such_as("…"),
        _ => quoted(source),
    }
}
