//! The event of an order as a calendar file (iCalendar, RFC 5545).

use crate::ids::digest;
use crate::language::Lang;
use crate::markdown;
use crate::when;
use boxoffice::{Event, EventId, OrderState, TimeMs};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Sequences count seconds from here, 2026-01-01: so one after a restart is larger than those before it, and
/// they fit in the 32 bits of RFC 5545 (section 3.3.8) until 2094.
const SEQUENCES_FROM_S: i64 = 1_767_225_600;

/// What was last said of events, so that the sequence rises when an event changes (RFC 5545, section
/// 3.8.7.4) and is the same as long as it does not.
#[derive(Default)]
pub struct Sequences(Mutex<BTreeMap<EventId, (u128, i64)>>);

/// So many events are remembered; a forgotten one gets a larger sequence.
const MOST: usize = 10_000;

impl Sequences {
    /// The sequence of an event as it is now.
    pub fn of(&self, event: &Event, now: TimeMs) -> i64 {
        let spec = &event.spec;
        let (starts, ends) =
            (spec.starts_ms.to_be_bytes(), spec.ends_ms.unwrap_or(0).to_be_bytes());
        let texts = [&spec.name, &spec.place, &spec.zone, &spec.description];
        let [name, place, zone, about] = texts.map(String::as_bytes);
        let canceled = [u8::from(event.is_canceled())];
        let told = digest(&[name, place, zone, about, &starts, &ends, &canceled]);
        let fresh = now.div_euclid(1_000) - SEQUENCES_FROM_S;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let (before, sequence) = known.entry(event.id).or_insert((told, fresh.max(0)));
        if *before != told {
            (*before, *sequence) = (told, fresh.max(*sequence + 1));
        }
        *sequence
    }
}

/// The file. Its address is that of the event: calendars are shared, and the address of the order is its key.
/// Times are in UTC, which every calendar shows in the zone of its reader, and which needs no rules
/// of zones in the file. `told`: what the entry says above what the organiser says of the event.
/// `id` is the same for the same entry; `now`: when the file is made.
pub fn file(
    lang: Lang,
    (id, state): (u128, OrderState),
    event: &Event,
    told: &str,
    url: &str,
    (sequence, now): (i64, TimeMs),
) -> String {
    let spec = &event.spec;
    let status = match state {
        _ if event.is_canceled() => "CANCELLED",
        OrderState::Committed | OrderState::Paid => "CONFIRMED",
        OrderState::Held | OrderState::Paying => "TENTATIVE",
        _ => "CANCELLED",
    };
    let told = match &*spec.description {
        "" => told.to_owned(),
        about => format!("{told}\n\n{}", markdown::plain(about)),
    };
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".into(),
        format!("PRODID:-//nts//box office//{}", lang.tag().to_ascii_uppercase()),
        "BEGIN:VEVENT".into(),
        format!("UID:{}", uuid::Uuid::from_u128(id)),
        format!("DTSTAMP:{}", when::basic(now)),
        format!("SEQUENCE:{sequence}"),
        format!("STATUS:{status}"),
        format!("DTSTART:{}", when::basic(spec.starts_ms)),
        format!("SUMMARY:{}", escaped(&spec.name)),
    ];
    // Without an end calendars show a moment, or a day: then it ends when it counts as over.
    lines.push(format!("DTEND:{}", when::basic(spec.ends())));
    if !spec.place.is_empty() {
        lines.push(format!("LOCATION:{}", escaped(&spec.place)));
    }
    lines.extend([
        format!("DESCRIPTION:{}", escaped(&told)),
        format!("URL:{url}"),
        "END:VEVENT".into(),
        "END:VCALENDAR".into(),
    ]);
    lines.iter().map(|line| folded(line)).collect()
}

/// A text as a value (RFC 5545, section 3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' | '\r' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A line of at most 75 bytes, with its continuations, which begin with a space (RFC 5545, section 3.1).
/// No character is cut in two.
fn folded(line: &str) -> String {
    const MOST_BYTES: usize = 75;
    let (mut out, mut used) = (String::with_capacity(line.len() + 16), 0);
    for c in line.chars() {
        if used + c.len_utf8() > MOST_BYTES {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(c);
        used += c.len_utf8();
    }
    out + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use nts_testkit::fixtures;

    fn event(name: &str, place: &str) -> Event {
        let mut spec = fixtures::event_spec("rock", 9);
        (spec.name, spec.place, spec.zone) = (name.into(), place.into(), "Europe/London".into());
        spec.starts_ms = 1_909_508_400_000; // 2030-07-05T19:00:00Z
        let pools = vec![boxoffice::Pool { name: "p".into(), capacity: 9, held: 0, sold: 0 }];
        let ticket_type = boxoffice::TicketType {
            id: "adult".into(),
            name: "Adult".into(),
            pool: 0,
            price_minor: 500,
            retired: false,
        };
        Event {
            id: EventId(1),
            spec,
            pools,
            ticket_types: vec![ticket_type],
            counters: vec![],
            serials: 0,
            sale: boxoffice::Sale::Open,
        }
    }

    /// Undoes the folding and the escapes, as a calendar does.
    fn read(file: &str) -> BTreeMap<String, String> {
        let unfolded = file.replace("\r\n ", "");
        let lines = unfolded.split_terminator("\r\n").map(|line| line.split_once(':').expect(":"));
        let value = |text: &str| {
            let mut out = String::new();
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => out.push(match chars.next() {
                        Some('n') => '\n',
                        c => c.expect("something is escaped"),
                    }),
                    c => out.push(c),
                }
            }
            out
        };
        lines.map(|(name, text)| (name.to_owned(), value(text))).collect()
    }

    #[test]
    fn a_calendar_reads_what_the_event_says() {
        let long = "Łódź ".repeat(30);
        for (name, place) in [
            ("Rock", "Hall"),
            ("Rock, pop; and \\ more\\n", "1 High Street, London"),
            (&*long, ""),
            ("🎸".repeat(40).as_str(), "é".repeat(76).as_str()),
        ] {
            let mut event = event(name, place);
            (event.spec.ends_ms, event.spec.description) =
                (Some(event.spec.starts_ms + 9_000_000), "One; two.\n\nThree.".into());
            let url = format!("https://tickets.example.org/orders/{}", "x".repeat(70));
            let told = "2 × Adult; standing, “floor”\nOn the page of your order.";
            let file = file(Lang::En, (1, OrderState::Paid), &event, told, &url, (7, 1_000));
            for line in file.split_terminator("\r\n") {
                assert!(line.len() <= 75 && !line.contains(['\r', '\n']), "{line}");
            }
            assert!(file.ends_with("END:VCALENDAR\r\n"));
            let read = read(&file);
            assert_eq!(read["SUMMARY"], name);
            assert_eq!(read.get("LOCATION").map_or("", String::as_str), place);
            assert_eq!(read["DTSTART"], "20300705T190000Z");
            assert_eq!(read["DTEND"], "20300705T213000Z");
            assert_eq!(read["DTSTAMP"], "19700101T000001Z");
            assert_eq!((&*read["SEQUENCE"], &*read["URL"]), ("7", &*url));
            assert_eq!(read["DESCRIPTION"], format!("{told}\n\nOne; two.\n\nThree."));
        }
    }

    #[test]
    fn an_order_without_tickets_is_cancelled() {
        for (state, status) in [
            (OrderState::Held, "TENTATIVE"),
            (OrderState::Paid, "CONFIRMED"),
            (OrderState::Refunded, "CANCELLED"),
            (OrderState::Released, "CANCELLED"),
        ] {
            let file =
                file(Lang::En, (1, state), &event("Rock", ""), "", "https://x.example", (0, 0));
            assert_eq!(read(&file)["STATUS"], status);
            assert_eq!(read(&file)["DTEND"], "20300706T070000Z", "it counts as over then");
        }
    }

    #[test]
    fn the_sequence_rises_when_the_event_changes_and_only_then() {
        let (sequences, now) = (Sequences::default(), 1_800_000_000_000);
        let first = sequences.of(&event("Rock", "Hall"), now);
        assert_eq!(sequences.of(&event("Rock", "Hall"), now + 5_000), first);
        let second = sequences.of(&event("Rock", "Club"), now);
        assert!(second > first, "within the same second");
        let third = sequences.of(&event("Rock", "Hall"), now + 60_000);
        assert!(third > second && third <= first + 60);
        // Another process, or the same after a restart, says no less.
        let other = Sequences::default().of(&event("Rock", "Hall"), now + 120_000);
        assert!(other > third && other < i64::from(i32::MAX));
    }
}
