//! The file of an event: TOML, of which all mistakes are told at once, each with its line.
//!
//! What a file may say follows from [`EventBody`], which the API takes as well: the file is read into it by
//! a deserializer that notes each mistake, goes on with a stand-in for what is wrong, and so finds the
//! next one. What is well-formed and cannot be right is found by [`event_body::spec`], as on the server.

mod advice;
mod slips;
#[cfg(test)]
mod tests;

use boxoffice::{Currency, Flaw, Money};
use nts_api::EventBody;
use nts_server::event_body;
use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A mistake in a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would be right, in one sentence.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// The id of the event that a file describes, and the rest of it.
///
/// # Errors
/// All mistakes, in the order of their lines.
pub fn read(text: &str) -> Result<(String, EventBody), Vec<Mistake>> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    if !errors.is_empty() {
        let errors = errors.iter().map(|error| {
            let at = error.span().map_or(1, |span| line(span.start));
            (at, error.message())
        });
        return Err(slips::told(text, errors.collect()));
    }
    let found = RefCell::new(Found::new(text, tree.get_ref()));
    let (id, body) = Root(tree.get_ref()).read(&found);
    let mut found = found.into_inner();
    if let Err(flaws) = event_body::spec(body.clone(), &id) {
        flaws.into_iter().for_each(|flaw| found.add_flaw(flaw));
    }
    if found.mistakes.is_empty() {
        return Ok((id, body));
    }
    let mistake = |(at, text): (usize, String)| Mistake { line: line(at), text };
    let mut mistakes: Vec<Mistake> = found.mistakes.into_iter().map(mistake).collect();
    mistakes.sort();
    Err(mistakes)
}

/// What is known of a file so far.
struct Found<'a> {
    text: &'a str,
    /// The currency of the event, if the file says one.
    currency: Option<Currency>,
    /// The first `[[…]]`, which ends what is said of the event itself.
    first_part: Option<(usize, &'a str)>,
    /// Mistakes with their offsets in the file.
    mistakes: BTreeSet<(usize, String)>,
    /// Where the fields stand that were read, by their paths.
    places: BTreeMap<String, usize>,
    /// The paths of mistakes: what is said of their stand-ins is not told.
    broken: BTreeSet<String>,
    /// Fields that must be there and are not.
    missing: BTreeSet<(String, &'static str)>,
    /// What can be said of the event itself.
    of_event: &'static [&'static str],
    /// The zone of the event, as the file says it.
    zone: &'a str,
    /// Tables whose fields were listed for one that is none.
    listed: BTreeSet<&'static str>,
}

impl<'a> Found<'a> {
    fn new(text: &'a str, tree: &'a DeTable<'_>) -> Found<'a> {
        let text_of = |name| tree.get(name).and_then(|value| value.get_ref().as_str());
        let currency = text_of("currency");
        let mut lines = text.lines().enumerate();
        let first_part = lines.find(|(_, line)| line.trim_start().starts_with("[["));
        Found {
            text,
            currency: currency.and_then(Currency::parse).filter(Currency::is_charged),
            zone: text_of("zone").unwrap_or("UTC"),
            listed: BTreeSet::new(),
            first_part: first_part.map(|(n, line)| (n + 1, line.trim())),
            mistakes: BTreeSet::new(),
            places: BTreeMap::new(),
            broken: BTreeSet::new(),
            missing: BTreeSet::new(),
            of_event: &[],
        }
    }

    fn add(&mut self, path: &str, at: usize, text: String) {
        self.mistakes.insert((at, text));
        self.broken.insert(path.to_owned());
    }

    /// Adds what is wrong with the values, unless it follows from a mistake that is told already.
    fn add_flaw(&mut self, flaw: Flaw) {
        // Whether it is this field, or a part of it.
        let within = |at: &str, path: &str| {
            at.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let names_pools = |path: &String| {
            path.starts_with("pools")
                && (path == "pools" || path.ends_with(']') || path.ends_with("].id"))
        };
        let follows = self
            .broken
            .iter()
            .any(|path| path.is_empty() || within(&flaw.at, path) || within(path, &flaw.at))
            || flaw.at.ends_with(".pool") && self.broken.iter().any(names_pools);
        if !follows {
            let mut path = flaw.at.as_str();
            while !self.places.contains_key(path) && !path.is_empty() {
                path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
            }
            let at = self.places.get(path).copied().unwrap_or(0);
            self.mistakes.insert((at, flaw.text));
        }
    }

    /// What stands in the file there, in short.
    fn source(&self, value: &Spanned<DeValue<'_>>) -> String {
        let source = self.text.get(value.span()).unwrap_or_default();
        let line = source.lines().next().unwrap_or_default();
        let short: String = line.chars().take(40).collect();
        if short.len() < source.len() { format!("{short}…") } else { short }
    }
}

/// The whole file.
struct Root<'t>(&'t DeTable<'t>);

impl<'t> Root<'t> {
    /// Reads it, with stand-ins for what is wrong.
    fn read(&self, found: &RefCell<Found<'t>>) -> (String, EventBody) {
        let table = || Value::Table(self.0);
        let id = self.0.get("id");
        if let Some(id) = id {
            found.borrow_mut().places.insert("id".into(), id.span().start);
        }
        let id = Node { value: id.map(Value::One), path: "id".into(), name: "id", found };
        let id = match (id.value.is_some(), String::deserialize(id)) {
            (true, Ok(id)) => id,
            _ => {
                let text = "the event has no id: add a line such as id = \"harbour-night\"";
                found.borrow_mut().add("id", 0, text.into());
                "x".into()
            }
        };
        // Each time, one field more is known to be missing.
        loop {
            let root = Node { value: Some(table()), path: String::new(), name: "the event", found };
            match EventBody::deserialize(root) {
                Ok(body) => return (id, body),
                Err(Stop::Missing) => {}
                Err(stop) => {
                    found.borrow_mut().add("", 0, stop.to_string());
                    return (id, EventBody::default());
                }
            }
        }
    }
}

/// What a field is read from.
#[derive(Clone, Copy)]
enum Value<'t> {
    One(&'t Spanned<DeValue<'t>>),
    /// The file itself.
    Table(&'t DeTable<'t>),
}

/// A field, or a stand-in for one that is wrong or missing.
struct Node<'t, 'f> {
    value: Option<Value<'t>>,
    /// As in [`Flaw::at`].
    path: String,
    /// The last name in its path.
    name: &'t str,
    found: &'f RefCell<Found<'t>>,
}

/// Why reading stopped.
#[derive(Debug)]
enum Stop {
    /// A table lacks this field.
    Lacks(&'static str),
    /// A field is missing, which is noted: read once more.
    Missing,
    /// The file can say something that is not thought of here.
    Other(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Lacks(_) | Stop::Missing => f.write_str("a field is missing"),
            Stop::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(text: T) -> Stop {
        Stop::Other(text.to_string())
    }

    fn missing_field(field: &'static str) -> Stop {
        Stop::Lacks(field)
    }
}

impl<'t, 'f> Node<'t, 'f> {
    fn value(&self) -> Option<&'t Spanned<DeValue<'t>>> {
        match self.value? {
            Value::One(value) => Some(value),
            Value::Table(_) => None,
        }
    }

    /// What this is a part of, in words: nothing for the event itself.
    fn whose(&self) -> String {
        let part = self.path.rfind(']').map_or("", |end| &self.path[..=end]);
        if part.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.found.borrow().called(part))
        }
    }

    /// Notes a mistake in what stands here.
    fn wrong(&self, text: impl FnOnce(&str) -> String) {
        let Some(value) = self.value() else { return };
        let source = self.found.borrow().source(value);
        let text = self.whose() + &text(&source);
        self.found.borrow_mut().add(&self.path, value.span().start, text);
    }

    fn text(&self) -> String {
        let name = self.name;
        match self.value().map(Spanned::get_ref) {
            Some(DeValue::String(text)) => return text.to_string(),
            Some(DeValue::Array(_) | DeValue::Table(_)) => self.wrong(|source| {
                let right = self.text_for("");
                format!("{name} is {source}: write one text in quotes, {right}")
            }),
            Some(_) => self.wrong(|source| {
                let right = self.text_for(source);
                format!("{name} is {source} without quotes: write {right}")
            }),
            None => {}
        }
        String::new()
    }

    fn whole(&self, most: i64) -> i64 {
        let name = self.name;
        let Some(value) = self.value() else { return 0 };
        if let DeValue::Integer(digits) = value.get_ref() {
            match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) if (0..=most).contains(&number) || name == "amount" => return number,
                Ok(number) if number < 0 => self.wrong(|source| {
                    format!("{name} is {source}: write a whole number that is not below 0")
                }),
                _ => self.wrong(|source| format!("{name} is {source}, which is too large")),
            }
        } else if name == "amount" {
            self.wrong(|source| {
                let right = self.amount_for(source);
                format!("amount is {source}, but it is counted in the smallest unit: {right}")
            });
        } else {
            self.wrong(|source| {
                let digits = source.trim_matches(['"', '\'']).trim();
                let digits = digits.strip_suffix(".0").unwrap_or(digits);
                let (least, most) = advice::range(name);
                match digits.parse::<u32>() {
                    Ok(number) if !(least..=most).contains(&number) => {
                        format!("{name} is {source}: write a whole number from {least} to {most}")
                    }
                    Ok(number) => {
                        format!(
                            "{name} is {source}: write {name} = {number}, without quotes or point"
                        )
                    }
                    Err(_) => format!("{name} is {source}: write a whole number without quotes"),
                }
            });
        }
        0
    }

    /// What to write for an amount of money as people write it.
    fn amount_for(&self, source: &str) -> String {
        let said = source.trim_matches(['"', '\'', ' ']);
        let currency = self.found.borrow().currency.or_else(|| Currency::parse("GBP"));
        let Some(currency) = currency else { return String::new() };
        match minor(said, currency) {
            Some(minor) if advice::is_price(minor, currency) => {
                let told = Money { minor, currency };
                format!("write amount = {minor} for {told}")
            }
            _ => {
                let minor = advice::example_minor(currency);
                let told = Money { minor, currency };
                format!("write a whole number without quotes, such as {minor} for {told}")
            }
        }
    }

    /// What to write for a text: what stands there in quotes if that will do, or an example.
    fn text_for(&self, source: &str) -> String {
        let found = self.found.borrow();
        let currency = found
            .currency
            .as_ref()
            .filter(|_| ["price", "amount_off"].iter().any(|money| self.path.contains(money)));
        advice::text(&self.path, self.name, source, found.zone, currency)
    }

    fn yes(&self) -> bool {
        let name = self.name;
        if let Some(DeValue::Boolean(yes)) = self.value().map(Spanned::get_ref) {
            return *yes;
        }
        self.wrong(|source| {
            format!("{name} is {source}: write {name} = true or {name} = false, without quotes")
        });
        false
    }

    /// The members of a table; none if it is no table. `fields`: what it may have.
    fn members(&self, what: &str, fields: &'static [&'static str]) -> Vec<Member<'t>> {
        let table = match self.value {
            Some(Value::Table(table)) => table,
            Some(Value::One(value)) => match value.get_ref() {
                DeValue::Table(table) => table,
                _ => {
                    self.no_table(what);
                    return Vec::new();
                }
            },
            None => return Vec::new(),
        };
        if self.path.is_empty() {
            self.found.borrow_mut().of_event = fields;
        }
        let mut members = Vec::new();
        for (key, value) in table {
            let name: &'t str = key.get_ref();
            if fields.contains(&name) {
                members.push(Member { name, value: Some(value) });
            } else if !(self.path.is_empty() && name == "id") {
                self.unknown(name, key.span().start, fields);
            }
        }
        members
    }

    fn no_table(&self, what: &str) {
        let name = self.name;
        if what == "Money" {
            self.wrong(|source| {
                let code = self.found.borrow().currency.map(|c| c.code().to_owned());
                let code = code.unwrap_or_else(|| "GBP".into());
                // A whole number is in the smallest unit already, as likely as not.
                let currency = self.found.borrow().currency.or_else(|| Currency::parse("GBP"));
                let right = currency.map_or(2500, |currency| {
                    let said = source.parse::<i64>().ok();
                    let said = said.or_else(|| minor(source.trim_matches(['"', '\'', ' ']), currency));
                    let said = said.filter(|minor| advice::is_price(*minor, currency));
                    said.unwrap_or_else(|| advice::example_minor(currency))
                });
                format!(
                    "{name} is {source}: write {name} = {{ amount = {right}, currency = \"{code}\" }}, \
                     with the amount in the smallest unit"
                )
            });
        } else {
            self.wrong(|source| format!("{name} has {source}: write a table with its fields"));
        }
    }

    fn unknown(&self, name: &str, at: usize, fields: &'static [&'static str]) {
        let mut found = self.found.borrow_mut();
        let inside = !self.path.is_empty();
        let near = fields.iter().min_by_key(|field| strsim::osa_distance(field, name));
        let near = near.filter(|field| strsim::osa_distance(field, name) <= 1 + field.len() / 4);
        let of_event = inside && found.of_event.contains(&name);
        let text = match (near, found.first_part) {
            _ if of_event => {
                let above = found.first_part.map_or("the first [[…]]".into(), |(line, part)| {
                    format!("the first [[…]], {part} in line {line}")
                });
                format!("{name} is said of the event, so it belongs above {above}")
            }
            (Some(near), _) => format!("there is no field {name} here; is {near} meant?"),
            // They are listed once.
            (None, _) if !found.listed.insert(fields.last().copied().unwrap_or_default()) => {
                format!("there is no field {name} here")
            }
            (None, _) => {
                let id = if inside { "" } else { "id, " };
                format!("there is no field {name} here; there are {id}{}", fields.join(", "))
            }
        };
        let text = match self.path.as_str() {
            "" => text,
            path => format!("{}: {text}", found.called(path)),
        };
        if let Some(near) = near {
            found.broken.insert(join(&self.path, near));
        }
        found.mistakes.insert((at, text));
    }

    /// A field that must be there and is not.
    fn lacks(&self, field: &'static str) {
        let mut found = self.found.borrow_mut();
        let path = join(&self.path, field);
        let at = self.value().map_or(0, |value| value.span().start);
        let text = match (self.path.as_str(), field) {
            ("", "pools" | "ticket_types") => {
                format!("the event has no [[{field}]]: describe at least one, as in show.toml")
            }
            ("", field) => {
                format!("the event has no {field}: add {field} = … above the first [[…]]")
            }
            (path, field) => format!("{} has no {field}", found.called(path)),
        };
        // A stand-in lacks everything, which is told of what it stands for.
        let is_stand_in = self.value.is_none() || found.broken.contains(&self.path);
        if found.missing.insert((self.path.clone(), field)) && !is_stand_in {
            found.add(&path, at, text);
        }
    }
}

impl Found<'_> {
    /// A part of the event in words, by its path.
    fn called(&self, path: &str) -> String {
        let (list, rest) = path.split_once('[').unwrap_or((path, ""));
        let number: usize = rest.split(']').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let what = match list {
            "pools" => "pool",
            "ticket_types" => "ticket type",
            "questions" => "question",
            "codes" => "code",
            other => other,
        };
        let part = format!("{list}[{number}]");
        let inside = path[part.len().min(path.len())..].trim_start_matches('.');
        let field = if list == "codes" { "code" } else { "id" };
        let id = self.places.get(&format!("{part}.{field}")).and_then(|at| {
            let source = self.text.get(*at..)?.lines().next()?;
            source.strip_prefix('"')?.split('"').next().filter(|id| !id.is_empty())
        });
        let named = match id {
            Some(id) => format!("{what} “{id}”"),
            None => format!("{what} number {}", number + 1),
        };
        if inside.is_empty() { named } else { format!("{named}, {inside}") }
    }
}

/// An amount as people write it, in minor units: `40`, `40.00`.
fn minor(said: &str, currency: Currency) -> Option<i64> {
    let decimals = currency.decimals() as usize;
    let (whole, part) = said.split_once('.').unwrap_or((said, ""));
    if whole.is_empty() || part.len() > decimals {
        return None;
    }
    let digits = format!("{whole}{part:0<decimals$}");
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.into() } else { format!("{path}.{field}") }
}

/// A member of a table.
struct Member<'t> {
    name: &'t str,
    value: Option<&'t Spanned<DeValue<'t>>>,
}

impl<'de> Deserializer<'de> for Node<'_, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::Other(format!("{} is of a type that no file can have", self.path)))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_string(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_string(self.text())
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_i64(self.whole(u32::MAX.into()))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_i64(self.whole(i64::MAX))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bool(self.yes())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let items = match self.value().map(Spanned::get_ref) {
            Some(DeValue::Array(items)) => items.iter().collect::<Vec<_>>(),
            Some(DeValue::Table(_)) => {
                let name = self.name;
                self.wrong(|_| format!("[{name}] needs double brackets, for each one: [[{name}]]"));
                Vec::new()
            }
            _ => {
                let (name, inside) = (self.name, self.path.contains(']'));
                self.wrong(|source| match inside {
                    true => format!("{name} is {source}: write a list of texts, {name} = [\"…\"]"),
                    false => format!("{name} is {source}: describe each below a line [[{name}]]"),
                });
                Vec::new()
            }
        };
        visitor.visit_seq(Items { node: self, items: items.into_iter().enumerate() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        what: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let mut members = self.members(what, fields);
        let missing = self.found.borrow().missing.clone();
        let missing = missing.into_iter().filter(|(path, _)| *path == self.path);
        members.extend(missing.map(|(_, name)| Member { name, value: None }));
        let members = Members { node: &self, members: members.into_iter(), value: None };
        match visitor.visit_map(members) {
            // It tells one at a time.
            Err(Stop::Lacks(field)) => {
                self.lacks(field);
                Err(Stop::Missing)
            }
            read => read,
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// The members of a table, one after the other.
struct Members<'n, 't, 'f> {
    node: &'n Node<'t, 'f>,
    members: std::vec::IntoIter<Member<'t>>,
    value: Option<Node<'t, 'f>>,
}

impl<'de> MapAccess<'de> for Members<'_, '_, '_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        let Some(Member { name, value }) = self.members.next() else { return Ok(None) };
        let (path, found) = (join(&self.node.path, name), self.node.found);
        if let Some(value) = value {
            found.borrow_mut().places.insert(path.clone(), value.span().start);
        }
        self.value = Some(Node { value: value.map(Value::One), path, name, found });
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(self.value.take().expect("a value after its key"))
    }
}

/// The items of a list, one after the other.
struct Items<'t, 'f> {
    node: Node<'t, 'f>,
    items: std::iter::Enumerate<std::vec::IntoIter<&'t Spanned<DeValue<'t>>>>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let Some((n, value)) = self.items.next() else { return Ok(None) };
        let (path, found) = (format!("{}[{n}]", self.node.path), self.node.found);
        found.borrow_mut().places.insert(path.clone(), value.span().start);
        // Its id first, by which mistakes in the rest are told.
        for field in ["id", "code"] {
            if let Some(id) = value.get_ref().as_table().and_then(|table| table.get(field)) {
                found.borrow_mut().places.insert(format!("{path}.{field}"), id.span().start);
            }
        }
        let node = Node { value: Some(Value::One(value)), path, name: self.node.name, found };
        seed.deserialize(node).map(Some)
    }
}
