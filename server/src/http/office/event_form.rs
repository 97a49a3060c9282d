//! The form of an event: what was typed, and the event that it makes. The rules are those of the API
//! (`event_body`), and each reason is shown at its field.

use super::form::Faults;
use crate::event_body;
use crate::http::extract::Form;
use crate::language::Lang;
use crate::language::format::Style;
use crate::text::begin;
use crate::when;
use boxoffice::{Currency, EventSpec, Flaw};
use nts_api::{CodeBody, EventBody, Money, PhaseBody, PoolBody, QuestionBody, TicketTypeBody};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// The most rows of pools, and of ticket types.
const MOST_ROWS: usize = 100;
/// An event with more codes than this keeps them as they are: programs change so many.
const MOST_CODES: usize = 50;

/// What can be said of a ticket type besides, of its price phases, and of codes: the fields of their rows.
const OF_TYPE: [&str; 5] = ["opens", "closes", "capacity", "hidden", "vat"];
const OF_PHASE: [&str; 4] = ["name", "price", "until", "capacity"];
/// Of questions to buyers. The first is empty in a row that is none.
const OF_QUESTION: [&str; 7] = ["text", "id", "kind", "choices", "required", "per", "types"];
const OF_CODE: [&str; 8] = ["code", "uses", "percent", "amount", "types", "opens", "from", "until"];
/// How much of a field is shown again.
const SHOWN: usize = 6_000;

/// The fields that are there once, and what they are called.
pub const FIELDS: [(&str, &str); 18] = [
    ("name", "Name"),
    ("starts", "Start"),
    ("zone", "Time zone"),
    ("place", "Place"),
    ("currency", "Currency"),
    ("description", "Description"),
    ("slug", "Address"),
    ("ends", "End"),
    ("opens", "Sale opens"),
    ("closes", "Sale closes"),
    ("per_order", "Most tickets in one order"),
    ("per_buyer", "Most tickets of one buyer"),
    ("hold", "Minutes to pay"),
    ("contact", "Address for questions"),
    ("names_until", "Names can be changed until"),
    ("keep", "Days to keep buyers"),
    ("tags", "Tags in addresses are ignored"),
    ("pdf", "Tickets as PDF in the mail"),
];

/// What was typed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Typed {
    fields: BTreeMap<String, String>,
    /// Pools of places.
    pub pools: Vec<PoolRow>,
    /// Ticket types.
    pub types: Vec<TypeRow>,
    /// Codes.
    pub codes: Vec<Row>,
    /// Questions to buyers.
    pub questions: Vec<Row>,
    /// Whether the event has too many codes for a form, and keeps them.
    pub keeps_codes: bool,
}

/// A row of fields of which all may be empty.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Row(BTreeMap<&'static str, String>);

impl Row {
    /// What stands in a field.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    fn is_empty(&self) -> bool {
        self.0.values().all(String::is_empty)
    }

    /// What was sent in the fields that begin so.
    fn read(form: &Form, begin_with: &str, fields: &[&'static str]) -> Row {
        let value = |name: &&'static str| {
            let sent = form.get(&format!("{begin_with}-{name}"));
            (*name, begin(sent, 4_000).to_owned())
        };
        Row(fields.iter().map(value).collect())
    }

    /// The rows that were sent, without those that are empty.
    fn all(form: &Form, begin_with: &str, fields: &[&'static str]) -> Vec<Row> {
        let there = |n: &usize| form.has(&format!("{begin_with}-{n}-{}", fields[0]));
        let rows = (0..MOST_ROWS).take_while(there);
        let rows = rows.map(|n| Row::read(form, &format!("{begin_with}-{n}"), fields));
        rows.filter(|row| !row.is_empty()).collect()
    }
}

/// A pool as it was typed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PoolRow {
    /// Its name, which is its id as well.
    pub name: String,
    /// How many places.
    pub places: String,
    /// Whether the event has it already: then its name stays.
    pub known: bool,
    /// Whether it is to go.
    pub gone: bool,
}

/// A ticket type as it was typed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TypeRow {
    /// Its id; empty: it is made from the name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its price, as people write it.
    pub price: String,
    /// The name of its pool; empty: the first.
    pub pool: String,
    /// Whether the event has it already.
    pub known: bool,
    /// Whether it is to be taken off sale.
    pub gone: bool,
    /// When, how many, and to whom it is sold.
    pub more: Row,
    /// Its price phases.
    pub phases: Vec<Row>,
}

impl PoolRow {
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.places.is_empty()
    }
}

impl TypeRow {
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.price.is_empty()
    }
}

/// A text of the form as it is shown again: what is far too long is cut.
fn short(text: &str) -> String {
    begin(text, SHOWN).to_owned()
}

impl Typed {
    /// The form of a new event, in this zone and currency.
    pub fn fresh(zone: &str, currency: &str) -> Typed {
        let mut typed = Typed::default();
        typed.set("zone", zone);
        typed.set("currency", currency);
        typed.pools.push(PoolRow::default());
        typed.types.push(TypeRow { name: "Ticket".into(), ..TypeRow::default() });
        typed
    }

    /// The form of an event that is there.
    pub fn of(body: &EventBody, slug: &str) -> Typed {
        let mut typed = Typed::default();
        let local = |time: &str| match when::parse(time) {
            Ok(ms) => when::local(ms, &body.zone),
            Err(_) => time.to_owned(),
        };
        let optional = |time: &Option<String>| time.as_deref().map(local).unwrap_or_default();
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let yes = |yes: bool| if yes { "yes" } else { "" }.to_owned();
        let hold = body.hold_seconds.map(minutes).unwrap_or_default();
        for (name, value) in [
            ("name", body.name.clone()),
            ("starts", local(&body.starts_at)),
            ("zone", body.zone.clone()),
            ("place", body.place.clone()),
            ("currency", body.currency.clone()),
            ("description", body.description.clone().unwrap_or_default()),
            ("slug", slug.to_owned()),
            ("ends", optional(&body.ends_at)),
            ("opens", optional(&body.sale_opens)),
            ("closes", optional(&body.sale_closes)),
            ("per_order", number(body.limit_per_order)),
            ("per_buyer", number(body.limit_per_buyer)),
            ("hold", hold),
            ("contact", body.contact.clone().unwrap_or_default()),
            ("names_until", optional(&body.names_until)),
            ("keep", number(body.keep_buyers_days)),
            ("tags", yes(body.ignore_email_tags)),
            ("pdf", yes(body.attach_pdf.unwrap_or_default())),
        ] {
            typed.set(name, &value);
        }
        let currency = Currency::parse(&body.currency);
        typed.pools = body.pools.iter().map(PoolRow::of).collect();
        let local = |time: &Option<String>| match time.as_deref().map(when::parse) {
            Some(Ok(ms)) => when::local(ms, &body.zone),
            _ => String::new(),
        };
        typed.types = body.ticket_types.iter().map(|t| TypeRow::of(t, currency, local)).collect();
        let questions = body.questions.iter().flatten();
        typed.questions = questions.map(|q| question_row(q, body)).collect();
        let codes = body.codes.as_deref().unwrap_or_default();
        typed.keeps_codes = codes.len() > MOST_CODES;
        if !typed.keeps_codes {
            let row = |code: &CodeBody| code_row(code, body, currency, local);
            typed.codes = codes.iter().map(row).collect();
        }
        typed
    }

    /// What was sent.
    pub fn read(form: &Form) -> Typed {
        let mut typed = Typed::default();
        for (name, _) in FIELDS {
            typed.set(name, &short(form.get(name)));
        }
        let rows = |kind: &str, field: &str| -> usize {
            let there = |n: &usize| form.has(&format!("{kind}-{n}-{field}"));
            (0..MOST_ROWS).take_while(there).count()
        };
        let row = |kind: &str, n: usize, field: &str| {
            begin(form.get(&format!("{kind}-{n}-{field}")), 200).to_owned()
        };
        for n in 0..rows("pool", "places") {
            typed.pools.push(PoolRow {
                name: row("pool", n, "name"),
                places: row("pool", n, "places"),
                known: !row("pool", n, "known").is_empty(),
                gone: !row("pool", n, "gone").is_empty(),
            });
        }
        for n in 0..rows("type", "name") {
            typed.types.push(TypeRow {
                id: row("type", n, "id"),
                name: row("type", n, "name"),
                price: row("type", n, "price"),
                pool: row("type", n, "pool"),
                known: !row("type", n, "known").is_empty(),
                gone: !row("type", n, "gone").is_empty(),
                more: Row::read(form, &format!("type-{n}"), &OF_TYPE),
                phases: Row::all(form, &format!("type-{n}-phase"), &OF_PHASE),
            });
        }
        typed.codes = Row::all(form, "code", &OF_CODE);
        typed.questions = Row::all(form, "question", &OF_QUESTION);
        // What is chosen of a list is never empty.
        typed.questions.retain(|row| !row.get("text").is_empty());
        typed.keeps_codes = !form.get("keeps-codes").is_empty();
        typed
    }

    /// What stands in a field.
    pub fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Puts something into a field.
    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.insert(name.to_owned(), value.to_owned());
    }

    /// Whether a box is ticked.
    pub fn ticked(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// The same as the form of another event.
    pub fn as_copy(mut self) -> Typed {
        self.set("slug", "");
        self.pools.iter_mut().for_each(|row| row.known = false);
        self.types.iter_mut().for_each(|row| row.known = false);
        self
    }

    /// Whether there is a name for the pools to choose from.
    pub fn has_several_pools(&self) -> bool {
        self.pools.len() > 1
    }

    /// The name that a pool has: that of the only one need not be typed.
    fn pool_name(&self, n: usize) -> &str {
        match self.pools.get(n) {
            Some(row) if !row.name.is_empty() => &row.name,
            _ if n == 0 => "Places",
            _ => "",
        }
    }

    /// The names of the pools that stay.
    pub fn pool_names(&self) -> Vec<String> {
        let stays = |(n, row): (usize, &PoolRow)| {
            let name = self.pool_name(n);
            (!row.gone && !name.is_empty()).then(|| name.to_owned())
        };
        self.pools.iter().enumerate().filter_map(stays).collect()
    }

    /// Of what nobody has typed into this form, what others have changed meanwhile is taken over. `old` is
    /// what stood in the form at first, `new` what would stand there now.
    pub fn merge(&mut self, old: &Typed, new: &Typed) {
        for (name, _) in FIELDS {
            if self.get(name) == old.get(name) {
                self.set(name, new.get(name));
            }
        }
        if self.pools == old.pools {
            self.pools.clone_from(&new.pools);
        }
        if self.types == old.types {
            self.types.clone_from(&new.types);
        }
        if self.codes == old.codes {
            self.codes.clone_from(&new.codes);
        }
        if self.questions == old.questions {
            self.questions.clone_from(&new.questions);
        }
    }

    /// What others have changed: of each field its name, what stood there, and what stands there now.
    pub fn changes(old: &Typed, new: &Typed) -> Vec<(String, String, String)> {
        let shown = |value: &str| if value.is_empty() { "nothing".into() } else { short_of(value) };
        let mut all: Vec<(String, String, String)> = FIELDS
            .iter()
            .filter(|(name, _)| old.get(name) != new.get(name))
            .map(|(name, label)| ((*label).to_owned(), shown(old.get(name)), shown(new.get(name))))
            .collect();
        let pools = |typed: &Typed| -> String {
            let told = |row: &PoolRow| format!("{}: {}", row.name, row.places);
            typed.pools.iter().map(told).collect::<Vec<_>>().join(", ")
        };
        let types = |typed: &Typed| -> String {
            let told = |row: &TypeRow| {
                let more = OF_TYPE.iter().map(|name| row.more.get(name));
                let phases = row.phases.iter().flat_map(|p| OF_PHASE.map(|name| p.get(name)));
                let all = [row.price.as_str()].into_iter().chain(more).chain(phases);
                let all: Vec<&str> = all.filter(|part| !part.is_empty()).collect();
                format!("{}: {}", row.name, all.join(" "))
            };
            typed.types.iter().map(told).collect::<Vec<_>>().join(", ")
        };
        let codes = |typed: &Typed| -> String {
            let told = |row: &Row| {
                let all: Vec<&str> =
                    OF_CODE.iter().map(|n| row.get(n)).filter(|p| !p.is_empty()).collect();
                all.join(" ")
            };
            typed.codes.iter().map(told).collect::<Vec<_>>().join(", ")
        };
        let questions = |typed: &Typed| -> String {
            let told = |row: &Row| {
                let all: Vec<&str> =
                    OF_QUESTION.iter().map(|n| row.get(n)).filter(|p| !p.is_empty()).collect();
                all.join(" ")
            };
            typed.questions.iter().map(told).collect::<Vec<_>>().join(", ")
        };
        for (label, was, is) in [
            ("Places", pools(old), pools(new)),
            ("Ticket types", types(old), types(new)),
            ("Codes", codes(old), codes(new)),
            ("Questions", questions(old), questions(new)),
        ] {
            if was != is {
                all.push((label.into(), shown(&was), shown(&is)));
            }
        }
        all
    }

    /// The event of this form. `seen` is what the form was made from: of that stays what the form has no
    /// field for.
    ///
    /// # Errors
    /// All that is wrong, at the fields.
    pub fn event(
        &self,
        slug: &str,
        seen: Option<&EventBody>,
        hidden: bool,
    ) -> Result<EventSpec, Faults> {
        let mut faults = Faults::none();
        let zone = self.get("zone");
        let currency = Currency::parse(self.get("currency"));
        let mut time = |name: &'static str, needed: bool| -> Option<String> {
            let text = self.get(name);
            if text.is_empty() && !needed {
                return None;
            }
            match when::parse_local(text, zone) {
                Ok(ms) => Some(when::rfc3339_in(ms, zone)),
                Err(why) => {
                    if when::check_zone(zone).is_ok() {
                        faults.add(name, sentence(&why));
                    }
                    None
                }
            }
        };
        let starts_at = time("starts", true);
        let (ends_at, sale_opens) = (time("ends", false), time("opens", false));
        let (sale_closes, names_until) = (time("closes", false), time("names_until", false));
        let mut number = |name: &'static str, words: &str| -> Option<u32> {
            let text = self.get(name);
            let read = text.parse().ok();
            if read.is_none() && !text.is_empty() {
                faults.add(name, words);
            }
            read
        };
        let limit_per_order = number("per_order", PER_ORDER);
        let limit_per_buyer = number("per_buyer", PER_BUYER);
        let keep_buyers_days = number("keep", KEEP);
        let hold_seconds = match self.get("hold") {
            "" => None,
            text => seconds(text).or_else(|| {
                faults.add("hold", HOLD);
                None
            }),
        };
        let (pools, pool_rows) = self.pools(&mut faults);
        let (ticket_types, type_rows) = self.ticket_types(currency, &mut faults);
        let codes = match self.keeps_codes {
            true => seen.and_then(|seen| seen.codes.clone()).unwrap_or_default(),
            false => self.codes(currency, &mut faults),
        };
        let body = EventBody {
            name: self.get("name").into(),
            place: self.get("place").into(),
            description: Some(self.get("description").into()),
            // What could not be read was told; the rest is checked all the same.
            starts_at: starts_at.clone().unwrap_or_else(|| "2000-01-01T00:00:00Z".into()),
            ends_at: ends_at.filter(|_| starts_at.is_some()),
            zone: zone.into(),
            currency: self.get("currency").into(),
            limit_per_order,
            limit_per_buyer,
            ignore_email_tags: self.ticked("tags"),
            hold_seconds,
            sale_opens,
            sale_closes,
            names_until,
            hidden: Some(hidden),
            keep_buyers_days,
            contact: Some(self.get("contact").into()),
            attach_pdf: Some(self.ticked("pdf")),
            pools,
            ticket_types,
            codes: Some(codes),
            questions: Some(self.questions()),
        };
        match event_body::spec(body, slug) {
            Ok(spec) if faults.is_empty() => Ok(spec),
            Ok(_) => Err(faults),
            Err(flaws) => {
                for flaw in &flaws {
                    place(flaw, &pool_rows, &type_rows, self.get("slug"), &mut faults);
                }
                Err(faults)
            }
        }
    }

    /// The pools, and of each the number of its row.
    fn pools(&self, faults: &mut Faults) -> (Vec<PoolBody>, Vec<usize>) {
        let (mut pools, mut rows) = (Vec::new(), Vec::new());
        for (n, row) in self.pools.iter().enumerate() {
            if row.gone || (row.is_empty() && n > 0) {
                continue;
            }
            let capacity = row.places.parse().unwrap_or_else(|_| {
                faults.add(
                    format!("pool-{n}-places"),
                    "Write how many places there are, such as 100.",
                );
                1
            });
            pools.push(PoolBody { id: self.pool_name(n).into(), capacity });
            rows.push(n);
        }
        (pools, rows)
    }

    /// The ticket types, and of each the number of its row.
    fn ticket_types(
        &self,
        currency: Option<Currency>,
        faults: &mut Faults,
    ) -> (Vec<TicketTypeBody>, Vec<usize>) {
        let (mut types, mut rows): (Vec<TicketTypeBody>, Vec<usize>) = (Vec::new(), Vec::new());
        let names = self.pool_names();
        for (n, row) in self.types.iter().enumerate() {
            if row.gone || (row.is_empty() && n > 0) {
                continue;
            }
            let amount = match currency.map(|currency| minor(&row.price, currency)) {
                Some(Ok(amount)) => amount,
                Some(Err(why)) => {
                    faults.add(format!("type-{n}-price"), why);
                    0
                }
                // The currency is told.
                None => 0,
            };
            let taken = |id: &str| {
                self.types.iter().any(|other| other.id == id) || types.iter().any(|t| t.id == id)
            };
            let id = match row.id.as_str() {
                "" => unused(&slug_of(&row.name, "ticket"), taken),
                id => id.to_owned(),
            };
            let first = || names.first().cloned().unwrap_or_default();
            let money = Money { amount, currency: self.get("currency").to_owned().into() };
            let pool = if row.pool.is_empty() { first() } else { row.pool.clone() };
            let at = |field: &str| format!("type-{n}-{field}");
            types.push(TicketTypeBody {
                id,
                name: row.name.clone(),
                pool,
                price: money,
                hidden: Some(!row.more.get("hidden").is_empty()),
                sale_opens: self.time(row.more.get("opens"), at("opens"), faults),
                sale_closes: self.time(row.more.get("closes"), at("closes"), faults),
                capacity: count(row.more.get("capacity"), at("capacity"), faults),
                phases: Some(self.phases(n, row, currency, faults)),
                vat_percent: Some(row.more.get("vat").to_owned()).filter(|vat| !vat.is_empty()),
            });
            rows.push(n);
        }
        (types, rows)
    }
}

/// A number that may be left out.
fn count(text: &str, at: String, faults: &mut Faults) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let read = text.parse().ok();
    if read.is_none() {
        faults.add(at, "Write a number, such as 50, or leave it empty.");
    }
    read
}

/// The parts of a list.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

impl Typed {
    /// A time in the zone of the event that may be left out.
    fn time(&self, text: &str, at: String, faults: &mut Faults) -> Option<String> {
        let zone = self.get("zone");
        if text.is_empty() || when::check_zone(zone).is_err() {
            return None;
        }
        match when::parse_local(text, zone) {
            Ok(ms) => Some(when::rfc3339_in(ms, zone)),
            Err(why) => {
                faults.add(at, sentence(&why));
                None
            }
        }
    }

    fn money(
        &self,
        text: &str,
        currency: Option<Currency>,
        at: String,
        faults: &mut Faults,
    ) -> Money<'static> {
        let amount = match currency.map(|currency| minor(text, currency)) {
            Some(Ok(amount)) => amount,
            Some(Err(why)) => {
                faults.add(at, why);
                0
            }
            // The currency is told.
            None => 0,
        };
        Money { amount, currency: self.get("currency").to_owned().into() }
    }

    fn phases(
        &self,
        n: usize,
        row: &TypeRow,
        currency: Option<Currency>,
        faults: &mut Faults,
    ) -> Vec<PhaseBody> {
        let mut phases = Vec::new();
        for (p, phase) in row.phases.iter().enumerate() {
            let at = |field: &str| format!("type-{n}-phase-{p}-{field}");
            phases.push(PhaseBody {
                name: phase.get("name").into(),
                price: self.money(phase.get("price"), currency, at("price"), faults),
                until: self.time(phase.get("until"), at("until"), faults),
                capacity: count(phase.get("capacity"), at("capacity"), faults),
            });
        }
        phases
    }

    /// The ids of the ticket types that a list names, by their names or ids.
    fn type_ids(&self, text: &str) -> Vec<String> {
        let id = |part: &str| {
            let named = |row: &&TypeRow| row.name.eq_ignore_ascii_case(part) || row.id == part;
            let row = self.types.iter().find(named);
            row.map_or_else(
                || part.to_owned(),
                |row| if row.id.is_empty() { slug_of(&row.name, "ticket") } else { row.id.clone() },
            )
        };
        listed(text).map(id).collect()
    }

    fn questions(&self) -> Vec<QuestionBody> {
        let mut all: Vec<QuestionBody> = Vec::new();
        for row in &self.questions {
            let taken = |id: &str| {
                let known = self.questions.iter().any(|other| other.get("id") == id);
                known || all.iter().any(|q| q.id == id)
            };
            let id = match row.get("id") {
                "" => unused(&slug_of(row.get("text"), "question"), taken),
                id => id.to_owned(),
            };
            // One choice a line.
            let choices = row.get("choices").lines().map(str::trim).filter(|c| !c.is_empty());
            let kind = if row.get("kind").is_empty() { "text" } else { row.get("kind") };
            all.push(QuestionBody {
                id,
                text: row.get("text").into(),
                kind: kind.into(),
                choices: choices.map(str::to_owned).collect(),
                required: row.get("required") == "yes",
                per: (row.get("per") == "ticket").then(|| "ticket".into()),
                ticket_types: self.type_ids(row.get("types")),
            });
        }
        all
    }

    fn codes(&self, currency: Option<Currency>, faults: &mut Faults) -> Vec<CodeBody> {
        let mut codes = Vec::new();
        for (n, row) in self.codes.iter().enumerate() {
            let at = |field: &str| format!("code-{n}-{field}");
            let uses = count(row.get("uses"), at("uses"), faults);
            if uses.is_none() {
                faults
                    .add(at("uses"), "Write how many tickets can be bought with it, such as 100.");
            }
            let amount = row.get("amount");
            codes.push(CodeBody {
                code: row.get("code").into(),
                uses: uses.unwrap_or(1),
                opens: self.type_ids(row.get("opens")),
                percent_off: count(row.get("percent"), at("percent"), faults),
                amount_off: (!amount.is_empty())
                    .then(|| self.money(amount, currency, at("amount"), faults)),
                ticket_types: self.type_ids(row.get("types")),
                valid_from: self.time(row.get("from"), at("from"), faults),
                valid_until: self.time(row.get("until"), at("until"), faults),
            });
        }
        codes
    }
}

/// A question as the form shows it.
fn question_row(question: &QuestionBody, body: &EventBody) -> Row {
    let name = |id: &String| {
        let named = body.ticket_types.iter().find(|t| t.id == *id);
        named.map_or(id, |t| &t.name).clone()
    };
    let types: Vec<String> = question.ticket_types.iter().map(name).collect();
    let mut row = Row::default();
    row.set("text", question.text.as_str());
    row.set("id", question.id.as_str());
    row.set("kind", question.kind.as_str());
    row.set("choices", question.choices.join("\n"));
    row.set("required", if question.required { "yes" } else { "no" });
    row.set("per", question.per.as_deref().unwrap_or("order"));
    row.set("types", types.join(", "));
    row
}

/// A code as the form shows it.
fn code_row(
    code: &CodeBody,
    body: &EventBody,
    currency: Option<Currency>,
    local: impl Fn(&Option<String>) -> String,
) -> Row {
    let name = |id: &String| {
        let named = body.ticket_types.iter().find(|t| t.id == *id);
        named.map_or(id, |t| &t.name).clone()
    };
    let names = |ids: &[String]| ids.iter().map(name).collect::<Vec<_>>().join(", ");
    let amount = code.amount_off.as_ref().zip(currency);
    let mut row = Row::default();
    row.set("code", code.code.as_str());
    row.set("uses", code.uses.to_string());
    row.set("percent", code.percent_off.map(|p| p.to_string()).unwrap_or_default());
    row.set("amount", amount.map(|(off, c)| major(off.amount, c)).unwrap_or_default());
    row.set("types", names(&code.ticket_types));
    row.set("opens", names(&code.opens));
    row.set("from", local(&code.valid_from));
    row.set("until", local(&code.valid_until));
    row
}

const PER_ORDER: &str = "Write a number from 1 to 1000.";
const PER_BUYER: &str = "Write a number from 1 on, or leave it empty for no limit.";
const KEEP: &str = "Write a number from 0 to 3650, or leave it empty to keep them.";
const HOLD: &str = "Write the minutes, from 1 to 60.";

impl PoolRow {
    fn of(pool: &PoolBody) -> PoolRow {
        let (name, places) = (pool.id.clone(), pool.capacity.to_string());
        PoolRow { name, places, known: true, gone: false }
    }
}

impl TypeRow {
    fn of(
        t: &TicketTypeBody,
        currency: Option<Currency>,
        local: impl Fn(&Option<String>) -> String,
    ) -> TypeRow {
        let price =
            |minor: i64| currency.map(|currency| major(minor, currency)).unwrap_or_default();
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let mut more = Row::default();
        more.set("opens", local(&t.sale_opens));
        more.set("closes", local(&t.sale_closes));
        more.set("capacity", number(t.capacity));
        more.set("hidden", if t.hidden == Some(true) { "yes" } else { "" });
        more.set("vat", t.vat_percent.as_deref().unwrap_or_default());
        let phase = |phase: &PhaseBody| {
            let mut row = Row::default();
            row.set("name", phase.name.as_str());
            row.set("price", price(phase.price.amount));
            row.set("until", local(&phase.until));
            row.set("capacity", number(phase.capacity));
            row
        };
        TypeRow {
            id: t.id.clone(),
            name: t.name.clone(),
            price: price(t.price.amount),
            pool: t.pool.clone(),
            known: true,
            gone: false,
            more,
            phases: t.phases.iter().flatten().map(phase).collect(),
        }
    }
}

/// Puts a flaw to the field where it was typed.
fn place(flaw: &Flaw, pools: &[usize], types: &[usize], slug: &str, faults: &mut Faults) {
    let text = match flaw.at.as_str() {
        "limit_per_order" => PER_ORDER.into(),
        "limit_per_buyer" => PER_BUYER.into(),
        "keep_buyers_days" => KEEP.into(),
        "hold_seconds" => HOLD.into(),
        "ends_at" => "The event ends before it starts.".into(),
        "sale_closes" => "The sale must open before it closes.".into(),
        "currency" => "Write a currency in which cards can be charged, such as EUR or GBP.".into(),
        _ => sentence(&flaw.text),
    };
    let row = |kind: &str, rows: &[usize]| -> Option<String> {
        let rest = flaw.at.strip_prefix(kind)?.strip_prefix('[')?;
        let (n, field) = rest.split_once("].")?;
        let row = rows.get(n.parse::<usize>().ok()?)?;
        Some(format!("{row}-{field}"))
    };
    if let Some(at) = row("pools", pools) {
        return faults.add(
            format!("pool-{}", at.replace("-id", "-name").replace("-capacity", "-places")),
            text,
        );
    }
    // A part of a part: `phases[1].price` of a ticket type is `phase-1-price` of its row.
    let inner = |at: String| at.replace("phases[", "phase-").replace("].", "-");
    if let Some(question) = flaw.at.strip_prefix("questions[") {
        let at = question.replace("].", "-").replace("ticket_types", "types");
        // Of its choices one may be wrong.
        let at = at.split('[').next().unwrap_or(&at).replace("-id", "-text");
        return faults.add(format!("question-{at}"), text);
    }
    if let Some(code) = flaw.at.strip_prefix("codes[") {
        let at = code.replace("].", "-");
        let at = at.replace("percent_off", "percent").replace("amount_off", "amount");
        let at = at.replace("ticket_types", "types").replace("valid_", "");
        return faults.add(format!("code-{at}"), text);
    }
    if let Some(at) = row("ticket_types", types).map(inner) {
        let at = at.replace("sale_", "").replace("vat_percent", "vat");
        if at.ends_with("-phases") {
            return faults.add_whole(text);
        }
        return faults.add(format!("type-{}", at.replace("-id", "-name")), text);
    }
    let field = match flaw.at.as_str() {
        // It was made from the name.
        "id" if slug.is_empty() => "name",
        "id" => "slug",
        "starts_at" => "starts",
        "ends_at" => "ends",
        "sale_opens" => "opens",
        "sale_closes" => "closes",
        "limit_per_order" => "per_order",
        "limit_per_buyer" => "per_buyer",
        "hold_seconds" => "hold",
        "keep_buyers_days" => "keep",
        other if FIELDS.iter().any(|(name, _)| *name == other) => other,
        _ => return faults.add_whole(text),
    };
    faults.add(field, text);
}

/// A reason as a sentence.
fn sentence(why: &str) -> String {
    let mut chars = why.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if why.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

fn short_of(value: &str) -> String {
    let short = begin(value, 200);
    if short.len() < value.len() { format!("{short}…") } else { short.to_owned() }
}

/// A price as people write it in minor units: `12`, `12.5`, `12,50`.
pub(super) fn minor(text: &str, currency: Currency) -> Result<i64, String> {
    let decimals = currency.decimals() as usize;
    let example = major(1_250, currency);
    let wrong = || format!("Write the price in {} such as {example}; 0 is free.", currency.code());
    let (whole, part) = match text.rsplit_once(['.', ',']) {
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 9
        || part.len() > decimals
        || !digits(whole)
        || !digits(part)
    {
        return Err(wrong());
    }
    let padded = format!("{whole}{part:0<decimals$}");
    padded.parse().map_err(|_| wrong())
}

/// An amount as people write it into the form.
pub(super) fn major(minor: i64, currency: Currency) -> String {
    let text = boxoffice::Money { minor, currency }.to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Seconds as minutes: `5`, `7.5`.
fn minutes(seconds: u32) -> String {
    if seconds.is_multiple_of(60) {
        (seconds / 60).to_string()
    } else {
        // Never a float: tenths of a second are of no use here.
        let thousandths = u64::from(seconds) * 1_000 / 60;
        let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Minutes as seconds, rounded to the nearest.
fn seconds(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 4 || part.len() > 3 || !digits(whole) || !digits(part) {
        return None;
    }
    let thousandths: u32 = format!("{whole}{part:0<3}").parse().ok()?;
    Some((thousandths * 60 + 500) / 1_000)
}

/// The name of an event in addresses, made from what people read: `Jazz im Hof ’27` becomes `jazz-im-hof-27`.
/// `or`: where nothing is left of it.
pub fn slug_of(name: &str, or: &str) -> String {
    let mut slug = String::new();
    for c in name.nfkd().flat_map(char::to_lowercase) {
        let plain = match c {
            'ß' => "ss",
            'æ' => "ae",
            'œ' => "oe",
            'ø' => "o",
            'ł' => "l",
            'đ' | 'ð' => "d",
            'þ' => "th",
            'ı' => "i",
            _ => "",
        };
        slug.push_str(plain);
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            // The accents that were taken from their letters, and apostrophes.
            '\u{300}'..='\u{36f}' | '\'' | '’' => {}
            _ if plain.is_empty() && !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = begin(&slug, 60).trim_end_matches('-');
    if slug.is_empty() { or.to_owned() } else { slug.to_owned() }
}

/// The same with a number behind it, if it is taken.
pub fn unused(slug: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = |n: u32| if n == 1 { slug.to_owned() } else { format!("{slug}-{n}") };
    (1..1_000).map(numbered).find(|slug| !taken(slug)).unwrap_or_else(|| slug.to_owned())
}

/// When an event is, in words, for a list.
pub fn when_in_words(spec: &EventSpec) -> String {
    Lang::En.moment(spec.starts_ms, &spec.zone, Style::Short)
}

#[cfg(test)]
mod tests;
