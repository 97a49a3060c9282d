//! Money, numbers, dates and times as each language writes them.
//!
//! German, French and Spanish follow CLDR 48 (<https://cldr.unicode.org>), and a test compares them with what
//! Node's `Intl` writes; where they differ, `format/tests.rs` says why. English is that of Great Britain.

mod amounts;
mod places;
#[cfg(test)]
mod tests;

pub use amounts::Amounts;

use super::{Lang, words};
use crate::text::capital;
use boxoffice::{Currency, Money, TimeMs, Vat, told_rate};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// How much of a moment is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// `Saturday 5 June 2027, 20:00`
    Long,
    /// `Sat 5 June 2027, 20:00`
    Short,
    /// `Saturday 5 June 2027`
    Day,
    /// `20:00`
    Clock,
    /// `20:00:05`
    ClockSeconds,
}

words! {
    /// The price of what costs nothing.
    fn free() {
        en: "Free",
        de: "Kostenlos",
        fr: "Gratuit",
        es: "Gratis",
    }
}

/// Monday to Sunday.
type Week = [&'static str; 7];

const MONTHS: [[&str; 12]; 4] = [
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
];

const DAYS: [Week; 4] = [
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
];

const SHORT_DAYS: [Week; 4] = [
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."],
    ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
];

/// The marks of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks {
    /// Before the decimals.
    pub decimal: &'static str,
    /// Between thousands.
    pub group: &'static str,
    /// A number with fewer digits before its decimals is not grouped: Spanish writes 1234 and 12.345.
    pub group_from: usize,
}

/// A moment in its zone; without one that is known, in UTC. `None` if it is too far away.
fn zoned(ms: TimeMs, zone: &str) -> Option<ZonedDateTime> {
    let tz = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    Some(Timestamp::from_millisecond(ms).ok()?.to_zoned_datetime(tz))
}

impl Lang {
    /// Where its words stand in a table of four.
    fn at(self) -> usize {
        match self {
            Lang::En | Lang::Pseudo => 0,
            Lang::De => 1,
            Lang::Fr => 2,
            Lang::Es => 3,
        }
    }

    /// As what is in a catalogue, in the language of tests.
    fn marked(self, text: String) -> String {
        if self == Lang::Pseudo { format!("⟦{text}⟧") } else { text }
    }

    /// The marks of its numbers.
    pub fn marks(self) -> Marks {
        let (decimal, group, group_from) = match self {
            Lang::En | Lang::Pseudo => (".", ",", 4),
            Lang::De => (",", ".", 4),
            // A narrow space that does not break.
            Lang::Fr => (",", "\u{202f}", 4),
            Lang::Es => (",", ".", 5),
        };
        Marks { decimal, group, group_from }
    }

    /// A whole number: `12,345`.
    pub fn number(self, number: i64) -> String {
        let sign = if number < 0 { "−" } else { "" };
        format!("{sign}{}", self.marks().grouped(number.unsigned_abs()))
    }

    /// How amounts of a currency are written.
    pub fn amounts(self, currency: Currency) -> Amounts {
        Amounts::of(self, currency)
    }

    /// An amount as people write it: `£9.99`, `9,99 €`.
    pub fn money(self, money: Money) -> String {
        self.amounts(money.currency).write(money.minor)
    }

    /// A price as people say it: what costs nothing is free.
    pub fn price(self, money: Money) -> String {
        if money.minor == 0 { self.free().into_owned() } else { self.money(money) }
    }

    /// The VAT of one rate within a sum, as a sentence.
    pub fn vat_of(self, vat: &Vat) -> String {
        let mark = self.marks().decimal.chars().next().unwrap_or('.');
        let number = told_rate(vat.rate, mark);
        // English puts the sign behind the number at once.
        let rate = match self {
            Lang::En | Lang::Pseudo => format!("{number}%"),
            _ => format!("{number}\u{a0}%"),
        };
        self.vat_included(&rate, &self.money(vat.vat), &self.money(vat.net())).into_owned()
    }

    /// A moment in this zone, which is not named.
    pub fn moment(self, ms: TimeMs, zone: &str, style: Style) -> String {
        let Some(time) = zoned(ms, zone) else { return ms.to_string() };
        let clock = || self.o_clock(&self.digits(&time));
        self.marked(match style {
            Style::Long => self.day_and_clock(self.day(&time, &DAYS), &clock()),
            Style::Short => self.day_and_clock(self.day(&time, &SHORT_DAYS), &clock()),
            Style::Day => self.day(&time, &DAYS),
            Style::Clock => clock(),
            Style::ClockSeconds => self.o_clock(&time.strftime("%H:%M:%S").to_string()),
        })
    }

    /// When something ends that ends soon: `20:15`, or with its day if that is not the day of `now`.
    pub fn end(self, ms: TimeMs, now: TimeMs, zone: &str) -> String {
        let day = |ms| zoned(ms, zone).map(|time| time.date());
        self.moment(ms, zone, if day(ms) == day(now) { Style::Clock } else { Style::Short })
    }

    /// From when to when: `Saturday 5 June 2027, 20:00 to 22:30`, or with the day of the end if that is another
    /// one. An end after midnight and before six in the morning is of the same night.
    pub fn span(self, starts_ms: TimeMs, ends_ms: TimeMs, zone: &str) -> String {
        const NIGHT_MS: i64 = 6 * 3_600_000;
        let (Some(from), Some(to)) = (zoned(starts_ms, zone), zoned(ends_ms, zone)) else {
            return format!("{starts_ms} – {ends_ms}");
        };
        let night = zoned(ends_ms.saturating_sub(NIGHT_MS), zone);
        let same = [Some(&to), night.as_ref()].iter().flatten().any(|t| t.date() == from.date());
        let (day, starts, ends) = (self.day(&from, &DAYS), self.digits(&from), self.digits(&to));
        let last = self.day(&to, &DAYS);
        self.marked(match (self, same) {
            (Lang::En | Lang::Pseudo, true) => format!("{day}, {starts} to {ends}"),
            (Lang::En | Lang::Pseudo, false) => format!("{day}, {starts} to {last}, {ends}"),
            (Lang::De, true) => format!("{day}, {starts} bis {ends} Uhr"),
            (Lang::De, false) => format!("{day}, {starts} Uhr bis {last}, {ends} Uhr"),
            (Lang::Fr, true) => format!("{day} de {starts} à {ends}"),
            (Lang::Fr, false) => format!("du {day} à {starts} au {last} à {ends}"),
            (Lang::Es, true) => format!("{day}, de {starts} a {ends}"),
            (Lang::Es, false) => format!("desde el {day}, {starts}, hasta el {last}, {ends}"),
        })
    }

    /// When an event is, with its end if its organiser has named one. It begins a line, so with a capital.
    pub fn event_time(self, starts_ms: TimeMs, ends_ms: Option<TimeMs>, zone: &str) -> String {
        capital(&match ends_ms {
            Some(ends_ms) => self.span(starts_ms, ends_ms, zone),
            None => self.moment(starts_ms, zone, Style::Long),
        })
    }

    /// Where a zone's time is told: `in London`, `(heure de Londres)`, or `UTC`. A zone that is no place
    /// (`Etc/GMT+5`) has its abbreviation at that time.
    pub fn place_of_zone(self, ms: TimeMs, zone: &str) -> String {
        self.marked(match zone.split_once('/') {
            Some((area, _)) if area != "Etc" => places::at(self, zone),
            _ => zoned(ms, zone).map_or_else(String::new, |time| time.strftime("%Z").to_string()),
        })
    }

    /// What stands after the digits of a time of day: ` Uhr`. For scripts that write times themselves.
    pub fn after_clock(self) -> &'static str {
        if self == Lang::De { " Uhr" } else { "" }
    }

    fn o_clock(self, digits: &str) -> String {
        format!("{digits}{}", self.after_clock())
    }

    /// All languages here count the hours to 24.
    fn digits(self, time: &ZonedDateTime) -> String {
        time.strftime("%H:%M").to_string()
    }

    fn day(self, time: &ZonedDateTime, week: &[Week; 4]) -> String {
        let date = time.date();
        let weekday = week[self.at()][date.weekday().to_monday_zero_offset() as usize];
        let month = MONTHS[self.at()][date.month() as usize - 1];
        let (day, year) = (date.day(), date.year());
        match self {
            Lang::En | Lang::Pseudo => format!("{weekday} {day} {month} {year}"),
            Lang::De => format!("{weekday}, {day}. {month} {year}"),
            Lang::Fr if day == 1 => format!("{weekday} 1er {month} {year}"),
            Lang::Fr => format!("{weekday} {day} {month} {year}"),
            Lang::Es => format!("{weekday}, {day} de {month} de {year}"),
        }
    }

    fn day_and_clock(self, day: String, clock: &str) -> String {
        let between = if self == Lang::Fr { " à " } else { ", " };
        day + between + clock
    }
}

impl Marks {
    /// A number with its marks between thousands.
    fn grouped(self, number: u64) -> String {
        let digits = number.to_string();
        if digits.len() < self.group_from {
            return digits;
        }
        let mut out = String::with_capacity(digits.len() + digits.len());
        for (at, digit) in digits.char_indices() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push_str(self.group);
            }
            out.push(digit);
        }
        out
    }
}
