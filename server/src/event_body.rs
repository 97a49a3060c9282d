//! An event as the core has it, from what an organiser wrote in JSON or TOML, and back: as the API tells it.

#[cfg(test)]
mod tests;

use crate::ids::Secrets;
use crate::language::Lang;
use crate::language::format::Style;
use crate::text::counted;
use crate::when;
use boxoffice::{
    CodeSpec, CounterKind, Currency, Discount, Event, EventPart, EventSpec, Flaw, Money, Offer,
    PhaseSpec, Pool, PoolSpec, QuestionKind, QuestionSpec, Sale, TicketTypeSpec, TimeMs, TypeRules,
    Warning, read_rate, told_rate,
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
        let times = |at: &str, text: &Option<String>, flaws: &mut Vec<Flaw>| {
            let at = format!("ticket_types[{n}].{at}");
            time_of(text.as_deref()?, &body.zone, &at, flaws)
        };
        let sale_opens_ms = times("sale_opens", &t.sale_opens, &mut flaws);
        let sale_closes_ms = times("sale_closes", &t.sale_closes, &mut flaws);
        let mut phases = Vec::new();
        for (p, phase) in t.phases.unwrap_or_default().into_iter().enumerate() {
            if currency.is_some() && Currency::parse(&phase.price.currency) != currency {
                let text = format!(
                    "ticket type “{}”, price phase “{}”: its price must be in the event's currency, {}",
                    t.id,
                    phase.name,
                    currency.as_ref().map_or("", Currency::code)
                );
                flaws.push(Flaw::new(format!("ticket_types[{n}].phases[{p}].price"), text));
            }
            phases.push(PhaseSpec {
                until_ms: times(&format!("phases[{p}].until"), &phase.until, &mut flaws),
                name: phase.name,
                price_minor: phase.price.amount,
                capacity: phase.capacity,
            });
        }
        let (hidden, capacity) = (t.hidden.unwrap_or_default(), t.capacity);
        let vat = t.vat_percent.as_deref().and_then(|text| {
            let read = read_rate(text);
            if read.is_none() {
                let text =
                    format!("ticket type “{}”: vat_percent is 0 to 100, such as 19 or 5.5", t.id);
                flaws.push(Flaw::new(format!("ticket_types[{n}].vat_percent"), text));
            }
            read
        });
        let rules = TypeRules { hidden, sale_opens_ms, sale_closes_ms, capacity, phases, vat };
        let (id, name, pool, price_minor) = (t.id, t.name, t.pool, t.price.amount);
        ticket_types.push(TicketTypeSpec { id, name, pool, price_minor, rules });
    }
    let questions = body.questions.unwrap_or_default().into_iter().enumerate();
    let questions = questions.map(|(n, q)| question_spec(n, q, &mut flaws)).collect();
    let codes = body.codes.unwrap_or_default().into_iter().enumerate();
    let codes = codes.map(|(n, code)| code_spec(code, n, currency, &body.zone, &mut flaws));
    let codes: Vec<CodeSpec> = codes.collect();
    // What could not be read is replaced by what is right, so that the rest can be checked.
    let pounds = Currency::parse("GBP").expect("a currency");
    let defaults = EventSpec::new(slug, currency.unwrap_or(pounds), starts_ms.unwrap_or(i64::MIN));
    let pool = |p: wire::PoolBody| PoolSpec { name: p.id, capacity: p.capacity };
    let spec = EventSpec {
        name: body.name,
        place: body.place,
        // TOML's texts of several lines end with a line break, and may have those of Windows.
        description: body.description.unwrap_or_default().replace("\r\n", "\n").trim().into(),
        ends_ms,
        zone: when::zone_as_written(&body.zone),
        limit_per_order: body.limit_per_order.unwrap_or(defaults.limit_per_order),
        limit_per_buyer: body.limit_per_buyer,
        ignore_email_tags: body.ignore_email_tags,
        hold_ms: body.hold_seconds.map_or(defaults.hold_ms, |s| i64::from(s) * 1000),
        sale_opens_ms,
        sale_closes_ms,
        names_until_ms,
        hidden: body.hidden.unwrap_or_default(),
        keep_buyers_days: body.keep_buyers_days,
        contact: body.contact.unwrap_or_default().trim().into(),
        attach_pdf: body.attach_pdf.unwrap_or_default(),
        questions,
        pools: body.pools.into_iter().map(pool).collect(),
        ticket_types,
        codes,
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
    let money = |amount: i64| {
        let currency = spec.currency.code().to_owned().into();
        wire::Money { amount, currency }
    };
    let phase = |phase: &PhaseSpec| wire::PhaseBody {
        name: phase.name.clone(),
        price: money(phase.price_minor),
        until: phase.until_ms.map(time),
        capacity: phase.capacity,
    };
    let ticket_type = |t: &TicketTypeSpec| wire::TicketTypeBody {
        id: t.id.clone(),
        name: t.name.clone(),
        pool: t.pool.clone(),
        price: money(t.price_minor),
        hidden: t.rules.hidden.then_some(true),
        sale_opens: t.rules.sale_opens_ms.map(time),
        sale_closes: t.rules.sale_closes_ms.map(time),
        capacity: t.rules.capacity,
        phases: some(&t.rules.phases).map(|all| all.iter().map(phase).collect()),
        vat_percent: t.rules.vat.map(|rate| told_rate(rate, '.')),
    };
    let code = |code: &CodeSpec| {
        let (percent_off, amount_off) = match code.discount {
            None => (None, None),
            Some(Discount::Percent(percent)) => (Some(percent.into()), None),
            Some(Discount::Minor(minor)) => (None, Some(money(minor))),
        };
        wire::CodeBody {
            code: code.code.clone(),
            uses: code.uses,
            opens: code.opens.clone(),
            percent_off,
            amount_off,
            ticket_types: code.ticket_types.clone(),
            valid_from: code.valid_from_ms.map(time),
            valid_until: code.valid_until_ms.map(time),
        }
    };
    EventBody {
        name: spec.name.clone(),
        place: spec.place.clone(),
        description: text(&spec.description),
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
        hidden: spec.hidden.then_some(true),
        keep_buyers_days: spec.keep_buyers_days,
        contact: text(&spec.contact),
        attach_pdf: spec.attach_pdf.then_some(true),
        questions: some(&spec.questions).map(|all| all.iter().map(question_body).collect()),
        pools: spec.pools.iter().map(pool).collect(),
        ticket_types: spec.ticket_types.iter().map(ticket_type).collect(),
        codes: Some(spec.codes.iter().map(code).collect()),
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

/// What a body of `PUT`, in JSON, does not say and an event that is there keeps. Null says nothing, but for
/// `keep_buyers_days`, where it is the only word for "never".
pub fn left_out(body: &[u8]) -> Vec<EventPart> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return Vec::new() };
    let says = |part: &serde_json::Map<String, Value>, name: &str| {
        part.get(name).is_some_and(|value| !value.is_null())
    };
    let parts = [
        ("description", EventPart::Description),
        ("hidden", EventPart::Hidden),
        ("contact", EventPart::Contact),
        ("attach_pdf", EventPart::AttachPdf),
        ("questions", EventPart::Questions),
        ("codes", EventPart::Codes),
    ];
    let parts = parts.into_iter().filter(|(name, _)| !says(&body, name)).map(|(_, part)| part);
    let mut kept: Vec<EventPart> = parts.collect();
    if !body.contains_key("keep_buyers_days") {
        kept.push(EventPart::KeepBuyersDays);
    }
    let types = body.get("ticket_types").and_then(Value::as_array).into_iter().flatten();
    for ticket_type in types.filter_map(Value::as_object) {
        if let Some(id) = ticket_type.get("id").and_then(Value::as_str)
            && !RULES.iter().any(|name| says(ticket_type, name))
        {
            kept.push(EventPart::Rules(id.to_owned()));
        }
    }
    kept
}

/// The rules of a ticket type. Who says one of them says all.
const RULES: [&str; 6] =
    ["capacity", "hidden", "phases", "sale_closes", "sale_opens", "vat_percent"];

/// The version of an event: it follows from what its organiser says of it, codes included, and from our secret, so that
/// nobody can try which codes there are. What is sold changes it not.
pub fn version(secrets: &Secrets, spec: &EventSpec) -> String {
    let body = serde_json::to_vec(&body(spec)).expect("an event is JSON");
    secrets.event_version(&spec.slug, &body)
}

/// A time in a part of an event.
fn time_of(text: &str, zone: &str, at: &str, flaws: &mut Vec<Flaw>) -> Option<TimeMs> {
    let read = when::parse_in(text, zone);
    read.map_err(|why| flaws.push(Flaw::new(at, format!("{at}: {why}")))).ok()
}

/// The code with this number as the core wants it.
fn code_spec(
    body: wire::CodeBody,
    n: usize,
    currency: Option<Currency>,
    zone: &str,
    flaws: &mut Vec<Flaw>,
) -> CodeSpec {
    let code = CodeSpec::normal(&body.code);
    let mut wrong = |field: &str, text: &str| {
        flaws.push(Flaw::new(format!("codes[{n}].{field}"), format!("code “{code}”: {text}")));
    };
    if let Some(off) = &body.amount_off
        && currency.is_some()
        && Currency::parse(&off.currency) != currency
    {
        wrong("amount_off", "its amount_off must be in the event's currency");
    }
    let discount = match (body.percent_off, body.amount_off) {
        (Some(_), Some(_)) => {
            wrong("amount_off", "it has percent_off or amount_off, not both");
            None
        }
        // One that is too large is refused as 0 is.
        (Some(percent), None) => Some(Discount::Percent(percent.try_into().unwrap_or(0))),
        (None, off) => off.map(|off| Discount::Minor(off.amount)),
    };
    let mut time = |at: &str, text: Option<String>| {
        time_of(text.as_deref()?, zone, &format!("codes[{n}].{at}"), flaws)
    };
    CodeSpec {
        valid_from_ms: time("valid_from", body.valid_from),
        valid_until_ms: time("valid_until", body.valid_until),
        code,
        uses: body.uses,
        opens: body.opens,
        discount,
        ticket_types: body.ticket_types,
    }
}

/// What the API tells of an event and nobody can set, of the event itself and of its parts.
const TOLD: &[&str] = &["as_of", "canceled", "on_sale", "over", "paused", "warnings"];
const TOLD_OF_PARTS: [(&str, &[&str]); 3] = [
    ("pools", &["held", "left", "sold"]),
    (
        "ticket_types",
        &[
            "discount",
            "held",
            "left",
            "next_price",
            "on_sale",
            "price_left",
            "price_now",
            "price_until",
        ],
    ),
    ("codes", &["held", "left", "sold"]),
];

/// What may be left out, and is left out if it is null.
const OPTIONAL: [&str; 8] = [
    "attach_pdf",
    "codes",
    "contact",
    "description",
    "hidden",
    "ignore_email_tags",
    "place",
    "questions",
];

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

/// The media type of a patch (RFC 7396).
pub const MERGE_PATCH: &str = "application/merge-patch+json";

/// A value with a patch: members of an object that are null are removed, other values are put in the place of what was
/// there (RFC 7396, section 2).
fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(target) => target,
        _ => serde_json::Map::new(),
    };
    for (name, value) in patch {
        let before = target.remove(name);
        if !value.is_null() {
            target.insert(name.clone(), merged(before.unwrap_or_default(), value));
        }
    }
    target.into()
}

/// An event with a patch of what its organiser says of it. The counts of its parts are passed over, as [`settable`]
/// does. A ticket type of which no rule is said keeps its rules, as with `PUT`.
///
/// # Errors
/// The outer one is a sentence: the patch is none of an event. The inner one is all that is wrong with the event.
pub fn patched(seen: &EventSpec, patch: &Value) -> Result<Result<EventSpec, Vec<Flaw>>, String> {
    let Value::Object(said) = patch else {
        return Err(
            "A patch is an object with the members that change. Nothing was changed.".into()
        );
    };
    if let Some(name) = TOLD.iter().find(|name| said.contains_key(**name)) {
        return Err(format!("{name} changes by itself and cannot be set. Nothing was changed."));
    }
    let mut kept = left_out(&serde_json::to_vec(patch).expect("it was JSON before"));
    kept.retain(|part| matches!(part, EventPart::Rules(_)));
    let body = serde_json::to_value(body(seen)).expect("an event is JSON");
    let whole = serde_json::to_vec(&merged(body, patch)).expect("it was JSON before");
    let body = match settable(&whole, &seen.slug)? {
        Some(body) => body,
        None => serde_json::from_slice(&whole)
            .map_err(|why| format!("The event is not understood: {why}. Nothing was changed."))?,
    };
    Ok(spec(body, &seen.slug).and_then(|mut spec| {
        let flaws = spec.keep(&kept, seen);
        if flaws.is_empty() { Ok(spec) } else { Err(flaws) }
    }))
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
        Warning::TypeNeverOnSale(id) => {
            format!("Ticket type “{id}” is never on sale while the event is on sale.")
        }
        Warning::NeverShown(id) => {
            format!("Ticket type “{id}” is hidden, and no code opens it, so nobody can buy it.")
        }
        Warning::DearerPhase(id, minor) => format!(
            "Ticket type “{id}” costs more in its first price phase ({}) than when all are over.",
            Money { minor, currency: spec.currency }
        ),
        Warning::EmptyPool(pool) => format!("Pool “{pool}” has a capacity of 0."),
        Warning::UnusedPool(pool) => format!("No ticket type draws on pool “{pool}”."),
        Warning::NeverSold(id) => {
            format!("Ticket type “{id}” cannot be sold: its pool has a capacity of 0.")
        }
    };
    spec.warnings(now).into_iter().map(told).collect()
}

/// Who asks for an event.
#[derive(Clone, Copy)]
pub enum Viewer<'e> {
    /// Anybody; with a code of the event, or without.
    Buyer(Option<&'e CodeSpec>),
    /// Somebody of the staff, who sees hidden ticket types, and no codes.
    Staff,
    /// Whoever may change it, who sees codes as well.
    Organiser,
}

impl Viewer<'_> {
    /// Anybody without a code.
    pub const ANYBODY: Viewer<'static> = Viewer::Buyer(None);
}

/// An event with its counts as the API tells it, true as of `as_of`.
pub fn told<'e>(
    event: &'e Event,
    viewer: Viewer<'e>,
    now: TimeMs,
    as_of: TimeMs,
) -> wire::Event<'e> {
    let spec = &event.spec;
    let time = |ms: Option<TimeMs>| ms.map(|ms| when::rfc3339(ms).into());
    let wire::EventCounts { as_of, on_sale, pools, ticket_types } =
        counts(event, viewer, now, as_of);
    let organiser = matches!(viewer, Viewer::Organiser) && !spec.codes.is_empty();
    wire::Event {
        as_of,
        attach_pdf: spec.attach_pdf,
        canceled: event.is_canceled(),
        codes: organiser.then(|| spec.codes.iter().map(|code| code_told(event, code)).collect()),
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
pub fn counts<'e>(
    event: &'e Event,
    viewer: Viewer<'e>,
    now: TimeMs,
    as_of: TimeMs,
) -> wire::EventCounts<'e> {
    let named = |p: &Pool| event.spec.pools.iter().any(|said| said.name == p.name);
    let pools = event.pools.iter().filter(|p| p.held + p.sold > 0 || named(p));
    let pools = pools.map(|p| wire::Pool {
        capacity: p.capacity,
        held: p.held,
        id: (&p.name).into(),
        left: p.left(),
        sold: p.sold,
    });
    let offers = match viewer {
        Viewer::Buyer(code) => event.offers(code, now),
        Viewer::Staff | Viewer::Organiser => event.all_offers(now),
    };
    let ticket_types = offers.iter().map(|offer| type_told(event, offer, now)).collect();
    wire::EventCounts {
        as_of: when::rfc3339(as_of).into(),
        on_sale: event.on_sale(now),
        pools: pools.collect(),
        ticket_types,
    }
}

fn type_told<'e>(event: &'e Event, offer: &Offer<'e>, now: TimeMs) -> wire::TicketType<'e> {
    let (spec, currency) = (offer.spec, &event.spec.currency);
    let rules = &spec.rules;
    let time = |ms: Option<TimeMs>| ms.map(|ms| when::rfc3339(ms).into());
    let price = offer.price();
    let next = offer.next_price().filter(|next| next.unit_minor != price.unit_minor);
    let has_times = rules.sale_opens_ms.is_some() || rules.sale_closes_ms.is_some();
    let phase = |phase: &'e PhaseSpec| wire::Phase {
        capacity: phase.capacity,
        name: (&phase.name).into(),
        price: money(phase.price_minor, currency),
        until: time(phase.until_ms),
    };
    wire::TicketType {
        capacity: rules.capacity,
        discount: (price.discount_minor > 0).then(|| money(price.discount_minor, currency)),
        held: rules.capacity.map(|_| offer.held),
        hidden: rules.hidden,
        id: (&spec.id).into(),
        left: offer.left,
        name: (&spec.name).into(),
        next_price: next.map(|next| money(next.unit_minor, currency)),
        on_sale: has_times.then(|| offer.check_sale(now).is_ok()),
        phases: rules.phases.iter().map(phase).collect(),
        pool: (&spec.pool).into(),
        price: money(spec.price_minor, currency),
        price_left: price.left.filter(|_| next.is_some()),
        price_now: (price.unit_minor != spec.price_minor)
            .then(|| money(price.unit_minor, currency)),
        price_until: time(price.until_ms.filter(|_| next.is_some())),
        sale_closes: time(rules.sale_closes_ms),
        sale_opens: time(rules.sale_opens_ms),
        vat_percent: rules.vat.map(|rate| told_rate(rate, '.').into()),
    }
}

/// A code as its organiser sees it.
fn code_told<'e>(event: &'e Event, code: &'e CodeSpec) -> wire::Code<'e> {
    let time = |ms: Option<TimeMs>| ms.map(|ms| when::rfc3339(ms).into());
    let counter = event.counter(CounterKind::Code, &code.code);
    let count = counter.and_then(|index| event.stock(index));
    let (percent_off, amount_off) = match code.discount {
        None => (None, None),
        Some(Discount::Percent(percent)) => (Some(percent), None),
        Some(Discount::Minor(minor)) => (None, Some(money(minor, &event.spec.currency))),
    };
    wire::Code {
        amount_off,
        code: (&code.code).into(),
        held: count.map_or(0, |count| count.held),
        left: event.code_left(code).0,
        opens: code.opens.iter().map(Into::into).collect(),
        percent_off,
        sold: count.map_or(0, |count| count.sold),
        ticket_types: code.ticket_types.iter().map(Into::into).collect(),
        uses: code.uses,
        valid_from: time(code.valid_from_ms),
        valid_until: time(code.valid_until_ms),
    }
}

/// An amount on the wire.
pub fn money(minor: i64, currency: &Currency) -> wire::Money<'_> {
    wire::Money { amount: minor, currency: currency.code().into() }
}
