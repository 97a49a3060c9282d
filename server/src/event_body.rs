//! An event as the core has it, from what an organiser wrote in JSON or TOML, and back: as the API tells it.

#[cfg(test)]
mod tests;

use crate::ids::digest;
use crate::language::Lang;
use crate::language::format::Style;
use crate::text::counted;
use crate::when;
use boxoffice::{
    Currency, Event, EventSpec, Flaw, Money, Pool, PoolSpec, QuestionKind, QuestionSpec, Sale,
    TicketTypeSpec, TimeMs, Warning,
};
use nts_api::{self as wire, EventBody};
use serde_json::Value;

/// The event with this id as the core wants it.
///
/// # Errors
/// All that is wrong with it, whether it is seen here or by the core.
pub fn spec(body: EventBody, slug: &str) -> Result<EventSpec, Vec<Flaw>> {
    let mut flaws = Vec::new();
    if let Err(text) = when::check_zone(&body.zone) {
        flaws.push(Flaw::new("zone", text));
    }
    let mut time = |at: &str, text: &str| {
        let read = when::parse_in(text, &body.zone);
        read.map_err(|why| flaws.push(Flaw::new(at, format!("{at}: {why}")))).ok()
    };
    let starts_ms = time("starts_at", &body.starts_at);
    let mut optional = |at: &str, text: &Option<String>| text.as_deref().and_then(|t| time(at, t));
    let ends_ms = optional("ends_at", &body.ends_at);
    let sale_opens_ms = optional("sale_opens", &body.sale_opens);
    let sale_closes_ms = optional("sale_closes", &body.sale_closes);
    let names_until_ms = optional("names_until", &body.names_until);
    let currency = Currency::parse(&body.currency);
    if currency.is_none() {
        let text = "currency: write an ISO 4217 code such as GBP";
        flaws.push(Flaw::new("currency", text));
    }
    let mut ticket_types = Vec::new();
    for (n, t) in body.ticket_types.into_iter().enumerate() {
        if currency.is_some() && Currency::parse(&t.price.currency) != currency {
            let text = format!(
                "ticket type “{}”: its price must be in the event's currency, {}",
                t.id,
                currency.as_ref().map_or("", Currency::code)
            );
            flaws.push(Flaw::new(format!("ticket_types[{n}].price"), text));
        }
        let (id, name, pool, price_minor) = (t.id, t.name, t.pool, t.price.amount);
        ticket_types.push(TicketTypeSpec { id, name, pool, price_minor });
    }
    let questions = body.questions.into_iter().enumerate();
    let questions = questions.map(|(n, q)| question_spec(n, q, &mut flaws)).collect();
    // What could not be read is replaced by what is right, so that the rest can be checked.
    let pounds = Currency::parse("GBP").expect("a currency");
    let defaults = EventSpec::new(slug, currency.unwrap_or(pounds), starts_ms.unwrap_or(i64::MIN));
    let pool = |p: wire::PoolBody| PoolSpec { name: p.id, capacity: p.capacity };
    let spec = EventSpec {
        name: body.name,
        place: body.place,
        // TOML's texts of several lines end with a line break, and may have those of Windows.
        description: body.description.replace("\r\n", "\n").trim().into(),
        ends_ms,
        zone: when::zone_as_written(&body.zone),
        limit_per_order: body.limit_per_order.unwrap_or(defaults.limit_per_order),
        limit_per_buyer: body.limit_per_buyer,
        ignore_email_tags: body.ignore_email_tags,
        hold_ms: body.hold_seconds.map_or(defaults.hold_ms, |s| i64::from(s) * 1000),
        sale_opens_ms,
        sale_closes_ms,
        names_until_ms,
        hidden: body.hidden,
        keep_buyers_days: body.keep_buyers_days,
        contact: body.contact.trim().into(),
        attach_pdf: body.attach_pdf,
        questions,
        pools: body.pools.into_iter().map(pool).collect(),
        ticket_types,
        ..defaults
    };
    let of_price = |flaw: &Flaw| currency.is_none() && flaw.at.ends_with(".price");
    flaws.extend(spec.flaws().into_iter().filter(|flaw| !of_price(flaw)));
    if flaws.is_empty() { Ok(spec) } else { Err(flaws) }
}

/// An event as its organiser would write it: [`spec`] makes the same of it again.
pub fn body(spec: &EventSpec) -> EventBody {
    let time = |ms: TimeMs| when::rfc3339_in(ms, &spec.zone);
    let usual = EventSpec::new(&spec.slug, spec.currency, spec.starts_ms);
    let pool = |p: &PoolSpec| wire::PoolBody { id: p.name.clone(), capacity: p.capacity };
    let hold_s = u32::try_from(spec.hold_ms / 1000).unwrap_or_default();
    let ticket_type = |t: &TicketTypeSpec| wire::TicketTypeBody {
        id: t.id.clone(),
        name: t.name.clone(),
        pool: t.pool.clone(),
        price: wire::Money {
            amount: t.price_minor,
            currency: spec.currency.code().to_owned().into(),
        },
    };
    EventBody {
        name: spec.name.clone(),
        place: spec.place.clone(),
        description: spec.description.clone(),
        starts_at: time(spec.starts_ms),
        ends_at: spec.ends_ms.map(time),
        zone: spec.zone.clone(),
        currency: spec.currency.code().to_owned(),
        limit_per_order: (spec.limit_per_order != usual.limit_per_order)
            .then_some(spec.limit_per_order),
        limit_per_buyer: spec.limit_per_buyer,
        ignore_email_tags: spec.ignore_email_tags,
        hold_seconds: (spec.hold_ms != usual.hold_ms).then_some(hold_s),
        sale_opens: spec.sale_opens_ms.map(time),
        sale_closes: spec.sale_closes_ms.map(time),
        names_until: spec.names_until_ms.map(time),
        hidden: spec.hidden,
        keep_buyers_days: spec.keep_buyers_days,
        contact: spec.contact.clone(),
        attach_pdf: spec.attach_pdf,
        questions: spec.questions.iter().map(question_body).collect(),
        pools: spec.pools.iter().map(pool).collect(),
        ticket_types: spec.ticket_types.iter().map(ticket_type).collect(),
    }
}

/// The version of an event: a digest of what its organiser says of it. What is sold changes it not.
pub fn version(spec: &EventSpec) -> String {
    let body = serde_json::to_vec(&body(spec)).expect("an event is JSON");
    format!("{:032x}", digest(&[b"event version", spec.slug.as_bytes(), &body]))
}

/// What the API tells of an event and nobody can set, of the event itself and of its parts.
const TOLD: &[&str] = &["as_of", "canceled", "on_sale", "over", "paused", "warnings"];
const TOLD_OF_PARTS: [(&str, &[&str]); 2] =
    [("pools", &["held", "left", "sold"]), ("ticket_types", &["left"])];

/// What may be left out, and is left out if it is null.
const OPTIONAL: [&str; 7] =
    ["attach_pdf", "contact", "description", "hidden", "ignore_email_tags", "place", "questions"];

/// What `PUT` takes of a body that may be what `GET` has told: without the counts and what else changes by
/// itself, whatever they are, for they were true at another moment; without the id, if it is that of the
/// address; and without what is null. `None` if the body has nothing of it, or is not understood otherwise.
///
/// # Errors
/// One sentence that names the field which cannot be set.
pub fn settable(body: &[u8], slug: &str) -> Result<Option<EventBody>, String> {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else { return Ok(None) };
    let mut removed = false;
    if let Some(id) = body.remove("id") {
        removed = true;
        if id != slug {
            return Err(format!(
                "id cannot be set; it is “{slug}”. Leave it out, or send it as it is. Nothing was changed."
            ));
        }
    }
    for name in TOLD {
        removed |= body.remove(*name).is_some();
    }
    for name in OPTIONAL {
        if body.get(name).is_some_and(Value::is_null) {
            removed |= body.remove(name).is_some();
        }
    }
    for (list, names) in TOLD_OF_PARTS {
        let parts = body.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for part in parts.filter_map(Value::as_object_mut) {
            for name in names {
                removed |= part.remove(*name).is_some();
            }
        }
    }
    if !removed {
        return Ok(None);
    }
    let read = serde_json::from_value(body.into());
    read.map(Some)
        .map_err(|error| format!("The event is not understood: {error}. Nothing was changed."))
}

/// What is odd about an event, in words, each a sentence.
pub fn warnings(spec: &EventSpec, now: TimeMs) -> Vec<String> {
    let at = |ms: TimeMs| Lang::En.moment(ms, &spec.zone, Style::Long);
    let (starts, ends) = (at(spec.starts_ms), at(spec.ends()));
    let (opens, closes) = (at(spec.sale_opens_ms.unwrap_or_default()), at(spec.sale_ends()));
    let told = |warning| match warning {
        Warning::Over if spec.sale_ends() > now => {
            format!("The event is over: it ended on {ends}. Its sale goes on until {closes}.")
        }
        Warning::Over => format!("The event is over: it ended on {ends}. Is the year right?"),
        Warning::Started => format!("The event has begun: it started on {starts}."),
        Warning::FarAway => format!("The event starts on {starts}. Is the year right?"),
        Warning::SaleClosed => format!("The sale is over: it closed on {closes}."),
        Warning::SaleClosesAfterEnd => {
            format!("The sale closes on {closes}, after the end of the event on {ends}.")
        }
        Warning::SaleClosesAfterStart => {
            format!("The sale closes on {closes}, after the start of the event on {starts}.")
        }
        Warning::SaleNeverOpens => {
            format!("Nothing can be sold: the sale opens on {opens}, and it is over on {closes}.")
        }
        Warning::SaleOpensAfterStart => {
            format!("The sale opens on {opens}, after the start of the event on {starts}.")
        }
        Warning::NoLength => format!("The event ends when it starts, on {starts}."),
        Warning::LastsLong => {
            let days = spec.ends().saturating_sub(spec.starts_ms) / 86_400_000;
            format!("The event lasts {days} days, until {ends}. Is the year right?")
        }
        Warning::BuyersErased => format!(
            "The names and addresses of its buyers are erased now: it ended on {ends}, and they are kept for \
             {} after that (keep_buyers_days).",
            counted(spec.keep_buyers_days.unwrap_or_default(), "day")
        ),
        Warning::BuyerBelowOrder => format!(
            "One buyer gets at most {} (limit_per_buyer), so no order reaches the {} that one may have \
             (limit_per_order).",
            counted(spec.limit_per_buyer.unwrap_or_default(), "ticket"),
            spec.limit_per_order
        ),
        Warning::SameName(name) => {
            format!("Two ticket types are called “{name}”; buyers cannot tell them apart.")
        }
        Warning::SmallPrice(id, minor) => format!(
            "Ticket type “{id}” costs {}. Cards may not be charged so little: the least is worth about \
             0.50 USD where Stripe names none for {}.",
            Money { minor, currency: spec.currency },
            spec.currency.code()
        ),
        Warning::ShortHold => format!(
            "An unpaid order is held for {} only; few people pay in less than a minute.",
            counted(spec.hold_ms.unsigned_abs() / 1000, "second")
        ),
        Warning::EmptyPool(pool) => format!("Pool “{pool}” has a capacity of 0."),
        Warning::UnusedPool(pool) => format!("No ticket type draws on pool “{pool}”."),
        Warning::NeverSold(id) => {
            format!("Ticket type “{id}” cannot be sold: its pool has a capacity of 0.")
        }
    };
    spec.warnings(now).into_iter().map(told).collect()
}

/// An event with its counts as the API tells it, true as of `as_of`.
pub fn told(event: &Event, now: TimeMs, as_of: TimeMs) -> wire::Event<'_> {
    let spec = &event.spec;
    let time = |ms: Option<TimeMs>| ms.map(|ms| when::rfc3339(ms).into());
    let wire::EventCounts { as_of, on_sale, pools, ticket_types } = counts(event, now, as_of);
    wire::Event {
        as_of,
        attach_pdf: spec.attach_pdf,
        canceled: event.is_canceled(),
        contact: (&spec.contact).into(),
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
        names_until: time(spec.names_until_ms),
        on_sale,
        over: event.is_over(now),
        paused: event.sale == Sale::Paused,
        place: (&spec.place).into(),
        pools,
        questions: spec.questions.iter().map(question).collect(),
        sale_closes: time(spec.sale_closes_ms),
        sale_opens: time(spec.sale_opens_ms),
        starts_at: when::rfc3339(spec.starts_ms).into(),
        ticket_types,
        zone: (&spec.zone).into(),
    }
}

fn question(question: &QuestionSpec) -> wire::Question<'_> {
    let (kind, choices) = match &question.kind {
        QuestionKind::Line => ("text", &[][..]),
        QuestionKind::Lines => ("long_text", &[][..]),
        QuestionKind::Choice(choices) => ("choice", choices.as_slice()),
        QuestionKind::YesNo => ("yes_no", &[][..]),
    };
    wire::Question {
        choices: choices.iter().map(Into::into).collect(),
        id: (&question.id).into(),
        kind: kind.into(),
        per: if question.per_ticket { "ticket" } else { "order" }.into(),
        required: question.required,
        text: (&question.text).into(),
        ticket_types: question.ticket_types.iter().map(Into::into).collect(),
    }
}

/// A question as its organiser would write it.
fn question_body(spec: &QuestionSpec) -> wire::QuestionBody {
    let told = question(spec);
    wire::QuestionBody {
        id: told.id.into_owned(),
        text: told.text.into_owned(),
        kind: told.kind.into_owned(),
        choices: told.choices.into_iter().map(|choice| choice.into_owned()).collect(),
        required: told.required,
        per: spec.per_ticket.then(|| told.per.into_owned()),
        ticket_types: told.ticket_types.into_iter().map(|id| id.into_owned()).collect(),
    }
}

/// A question as the core wants it. What is wrong with its words is noted, and replaced by what is right.
fn question_spec(n: usize, body: wire::QuestionBody, flaws: &mut Vec<Flaw>) -> QuestionSpec {
    let wire::QuestionBody { id, text, kind, choices, required, per, ticket_types } = body;
    let mut wrong = |field: &str, text: String| {
        flaws.push(Flaw::new(format!("questions[{n}].{field}"), text));
    };
    if kind != "choice" && !choices.is_empty() {
        wrong("choices", format!("question “{id}”: only one of kind = \"choice\" has choices"));
    }
    let kind = match kind.as_str() {
        "text" => QuestionKind::Line,
        "long_text" => QuestionKind::Lines,
        "choice" => QuestionKind::Choice(choices),
        "yes_no" => QuestionKind::YesNo,
        _ => {
            let all = "text, long_text, choice or yes_no";
            wrong("kind", format!("question “{id}”: kind is one of {all}"));
            QuestionKind::Line
        }
    };
    let per_ticket = match per.as_deref() {
        None | Some("order") => false,
        Some("ticket") => true,
        Some(_) => {
            wrong("per", format!("question “{id}”: per is order or ticket"));
            false
        }
    };
    QuestionSpec { id, text: text.trim().into(), kind, required, per_ticket, ticket_types }
}

/// The counts of an event, true as of `as_of`: of what is on sale, and of what is held or sold. And whether
/// the sale is open at `now`.
pub fn counts(event: &Event, now: TimeMs, as_of: TimeMs) -> wire::EventCounts<'_> {
    let named = |p: &Pool| event.spec.pools.iter().any(|said| said.name == p.name);
    let pools = event.pools.iter().filter(|p| p.held + p.sold > 0 || named(p));
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
