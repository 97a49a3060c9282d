//! Times as programs write them (RFC 3339), and time zones. How people write times is in `language/format.rs`.

#[cfg(test)]
mod fuzz;

use crate::text::cut;
use boxoffice::TimeMs;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

/// `2026-11-23T20:00:00Z`; milliseconds only where there are some.
pub fn rfc3339(ms: TimeMs) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| t.to_string())
}

/// `2026-11-23T21:00:00+01:00`: with the offset of this zone at that moment; in UTC if there is no such zone.
pub fn rfc3339_in(ms: TimeMs, zone: &str) -> String {
    let (Ok(tz), Ok(moment)) = (TimeZone::get(zone), Timestamp::from_millisecond(ms)) else {
        return rfc3339(ms);
    };
    let there = moment.to_zoned_datetime(tz);
    let format = match ms.rem_euclid(1_000) {
        0 => "%Y-%m-%dT%H:%M:%S%:z",
        _ => "%Y-%m-%dT%H:%M:%S%.3f%:z",
    };
    let text = there.strftime(format).to_string();
    // Zones of long ago have offsets with seconds, which the form cannot tell.
    if parse(&text) == Ok(ms) { text } else { rfc3339(ms) }
}

/// `2026-11-23T21:00`: the day and the time of day in this zone, as a field of a form has them.
pub fn local(ms: TimeMs, zone: &str) -> String {
    let (Ok(tz), Ok(moment)) = (TimeZone::get(zone), Timestamp::from_millisecond(ms)) else {
        return rfc3339(ms);
    };
    let there = moment.to_zoned_datetime(tz);
    // Seconds only where there are some.
    let format = if there.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    there.strftime(format).to_string()
}

/// Reads a day and a time of day of this zone, as a field of a form sends them: `2026-11-23T21:00`, also with
/// a blank instead of the `T`.
pub fn parse_local(text: &str, zone: &str) -> Result<TimeMs, String> {
    let tz = TimeZone::get(zone).map_err(|_| String::from("choose a time zone first"))?;
    let clock: DateTime = text
        .trim()
        .replacen(' ', "T", 1)
        .parse()
        .map_err(|_| String::from("write the day and the time, such as 2027-06-05 20:00"))?;
    let ambiguous = tz.to_ambiguous_timestamp(clock);
    if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
        return Err(format!(
            "the clocks of {zone} are put forward over {} that day, so there is no such hour",
            clock.strftime("%H:%M")
        ));
    }
    let moment = ambiguous.compatible().map_err(|_| String::from("the time is too far away"))?;
    Ok(moment.as_millisecond())
}

/// Reads an RFC 3339 time with its offset. A zone behind it (RFC 9557) may contradict the offset, so it is
/// refused.
pub fn parse(text: &str) -> Result<TimeMs, String> {
    match text.parse::<Timestamp>() {
        Ok(_) if text.contains('[') => Err("write the time without the zone in brackets".into()),
        Ok(_) if clock_of(text).is_some_and(|clock| clock.ends_with(":60")) => {
            Err("a minute has the seconds 00 to 59".into())
        }
        Ok(time) => Ok(time.as_millisecond()),
        Err(_) => Err(match clock_of(text) {
            Some(clock) if clock.parse::<DateTime>().is_err() => {
                format!("there is no such day or time as {}", cut(clock))
            }
            Some(clock) if clock.starts_with("9999-") || clock.starts_with('-') => {
                "the time is too far away".into()
            }
            _ => "expected a time with its offset, such as 2027-06-01T20:00:00+02:00".into(),
        }),
    }
}

/// What stands before the offset, if this has the form of an RFC 3339 time with one.
fn clock_of(text: &str) -> Option<&str> {
    let clock = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => clock,
        None => {
            let (clock, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let form = |(n, c): (usize, char)| match n {
                0 => c == '+' || c == '-',
                3 => c == ':',
                _ => c.is_ascii_digit(),
            };
            offset.chars().enumerate().all(form).then_some(clock)?
        }
    };
    let clock = clock.split('.').next().unwrap_or(clock);
    let (date, time) = clock.split_once(['T', 't', ' '])?;
    let digits = |text: &str, between| {
        text.split(between).all(|part| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let right = date.split('-').count() == 3 && (2..=3).contains(&time.split(':').count());
    (right && digits(date, '-') && digits(time, ':')).then_some(clock)
}

/// Reads a time as [`parse`] does, of an event in this zone: an offset in numbers must be that of the zone
/// at that moment. `Z` claims no local time (RFC 9557, section 2.2), so it names any moment.
pub fn parse_in(text: &str, zone: &str) -> Result<TimeMs, String> {
    let ms = parse(text)?;
    let (Ok(tz), Ok(pieces)) = (TimeZone::get(zone), Pieces::parse(text)) else { return Ok(ms) };
    let moment = Timestamp::from_millisecond(ms).map_err(|error| error.to_string())?;
    let there = moment.to_zoned_datetime(tz.clone());
    let Some(PiecesOffset::Numeric(told)) = pieces.offset() else { return Ok(ms) };
    if told.is_negative() && told.offset() == Offset::UTC || told.offset() == there.offset() {
        return Ok(ms);
    }
    let clock = pieces.date().to_datetime(pieces.time().unwrap_or_default());
    let meant = tz.to_zoned_datetime(clock).map_err(|error| error.to_string())?;
    let written = |zoned: &ZonedDateTime| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    if let AmbiguousOffset::Gap { .. } = tz.to_ambiguous_timestamp(clock).offset() {
        return Err(format!(
            "the clocks of {zone} are put forward over {} that day, so there is no such hour. Write {}",
            clock.strftime("%H:%M"),
            written(&meant)
        ));
    }
    Err(format!(
        "the clocks of {zone} are not at {} then. Write {} for that hour there, or {} for that moment",
        told.offset(),
        written(&meant),
        written(&there)
    ))
}

/// A local time such as `2030-07-05T20:00:00`, or 20:00 of a day, as an RFC 3339 time of this zone. `None` if
/// it is neither.
pub fn written_in(local: &str, zone: &str) -> Option<String> {
    let tz = TimeZone::get(zone).ok()?;
    let clock = match local.len() {
        0..=10 => local.parse::<Date>().ok()?.at(20, 0, 0, 0),
        _ => local.parse::<DateTime>().ok()?,
    };
    let zoned = tz.to_zoned_datetime(clock).ok()?;
    let text = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    parse_in(&text, zone).is_ok().then_some(text)
}

/// `2027-06-05`: the day on which a moment lies in a zone.
pub fn day_in(ms: TimeMs, zone: &str) -> String {
    let zoned = TimeZone::get(zone).ok().zip(Timestamp::from_millisecond(ms).ok());
    zoned.map_or_else(String::new, |(tz, at)| {
        at.to_zoned_datetime(tz).strftime("%Y-%m-%d").to_string()
    })
}

/// The day on which a moment lies in a zone, counted from 1970-01-01; in UTC if there is no such zone.
pub fn day_number(ms: TimeMs, zone: &str) -> i32 {
    const DAY_MS: i64 = 24 * 3_600_000;
    let in_utc = ms.div_euclid(DAY_MS) as i32;
    let zoned = TimeZone::get(zone).ok().zip(Timestamp::from_millisecond(ms).ok());
    zoned.map_or(in_utc, |(tz, at)| {
        let offset_ms = i64::from(tz.to_offset(at).seconds()) * 1_000;
        (ms + offset_ms).div_euclid(DAY_MS) as i32
    })
}

/// `2027-06-05`: a day that is counted from 1970-01-01.
pub fn day_text(number: i64) -> String {
    let ms = number.saturating_mul(24 * 3_600_000);
    day_in(ms, "UTC")
}

/// `2027-06-05 20:00:00`: a moment in a zone, as spreadsheets read it.
pub fn clock_in(ms: TimeMs, zone: &str) -> String {
    let zoned = TimeZone::get(zone).ok().zip(Timestamp::from_millisecond(ms).ok());
    zoned.map_or_else(String::new, |(tz, at)| {
        at.to_zoned_datetime(tz).strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

/// All IANA time zones, by name.
pub fn zones() -> Vec<String> {
    let mut all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    // Old names of other zones, and those that are no place.
    all.retain(|name| name == "UTC" || name.contains('/') && !name.starts_with("Etc/"));
    all.sort();
    all
}

/// Checks an IANA time zone.
pub fn check_zone(zone: &str) -> Result<(), String> {
    let known = TimeZone::get(zone);
    known.map(drop).map_err(|_| match zone.trim() {
        "" => "the zone is empty; write one such as Europe/London".into(),
        _ => format!("there is no time zone “{}”; write one such as Europe/London", cut(zone)),
    })
}

/// An IANA time zone as it is usually written: `Europe/London` for `europe/london`. What is none stays as it
/// is.
pub fn zone_as_written(zone: &str) -> String {
    let known = TimeZone::get(zone).ok();
    let name = known.as_ref().and_then(TimeZone::iana_name);
    name.filter(|name| name.eq_ignore_ascii_case(zone)).unwrap_or(zone).to_owned()
}

/// `20260601T190000Z`: in UTC, as RFC 5545 writes it (section 3.3.5, form 2).
pub fn basic(ms: TimeMs) -> String {
    let time =
        Timestamp::from_millisecond(ms).map(|time| time.strftime("%Y%m%dT%H%M%SZ").to_string());
    time.unwrap_or_else(|_| ms.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_that_of_the_zone_at_that_moment() {
        for (text, zone) in [
            ("2030-07-05T20:00:00+01:00", "Europe/London"),
            ("2030-07-05T19:00:00Z", "Europe/London"),
            ("2030-07-05T19:00:00-00:00", "Europe/London"),
            ("2030-12-05T20:00:00+00:00", "Europe/London"),
            ("2030-12-05T20:00:00-05:00", "America/New_York"),
            // An hour that is there twice.
            ("2030-10-27T01:30:00+01:00", "Europe/London"),
            ("2030-10-27T01:30:00+00:00", "Europe/London"),
            ("2030-07-05T20:00:00+05:45", "Asia/Kathmandu"),
            ("2030-07-05T20:00:00+00:00", "UTC"),
        ] {
            assert_eq!(parse_in(text, zone), parse(text), "{text} {zone}");
        }
        for (text, zone, right) in [
            ("2030-07-05T20:00:00+00:00", "Europe/London", "2030-07-05T20:00:00+01:00"),
            ("2030-07-05T20:00:00+00:00", "Europe/London", "2030-07-05T21:00:00+01:00"),
            ("2030-12-05T20:00:00-04:00", "America/New_York", "2030-12-05T20:00:00-05:00"),
            ("2030-12-05T20:00:00-04:00", "America/New_York", "2030-12-05T19:00:00-05:00"),
            ("2030-07-05T20:00:00+01:00", "UTC", "2030-07-05T20:00:00+00:00"),
            ("2030-03-31T01:30:00+00:00", "Europe/London", "there is no such hour"),
            // An hour that is not there: the clocks are put forward over it.
            ("2030-03-31T01:30:00+00:00", "Europe/London", "2030-03-31T02:30:00+01:00"),
        ] {
            let told = parse_in(text, zone).unwrap_err();
            assert!(told.contains(right) && told.contains(zone), "{text} {zone}: {told}");
        }
    }

    #[test]
    fn why_a_time_is_none_is_told() {
        for (text, words) in [
            ("2030-02-30T20:00:00Z", "no such day or time as 2030-02-30T20:00:00"),
            ("2030-01-30T24:00:00+01:00", "no such day or time as 2030-01-30T24:00:00"),
            ("2030-13-01T20:00:00-05:00", "no such day or time"),
            ("2030-01-30T20:61:00.5Z", "no such day or time"),
            ("9999-12-31T23:59:59Z", "too far away"),
            ("2030-01-01T20:00:60Z", "the seconds 00 to 59"),
            ("2030-01-01T20:00:60.5+01:00", "the seconds 00 to 59"),
            ("2030-01-01T20:00:00Z[Europe/London]", "in brackets"),
            ("2030-01-01T20:00:00", "expected a time with its offset"),
            ("2030-01-01", "expected a time with its offset"),
            ("", "expected a time with its offset"),
            ("é+01:00", "expected a time with its offset"),
            ("tomorrow", "expected a time with its offset"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
        for (zone, words) in [("BST", "“BST”"), ("London", "“London”"), ("", "is empty")] {
            let told = check_zone(zone).unwrap_err();
            assert!(told.contains(words) && told.contains("Europe/London"), "{zone}: {told}");
        }
        for (told, written) in [
            ("europe/london", "Europe/London"),
            ("AMERICA/NEW_YORK", "America/New_York"),
            ("Asia/Tokyo", "Asia/Tokyo"),
            ("utc", "UTC"),
            ("nowhere", "nowhere"),
        ] {
            assert_eq!(zone_as_written(told), written);
        }
    }

    #[test]
    fn a_local_time_is_read_as_it_is_written() {
        for (text, zone, rfc) in [
            ("2030-07-05T20:00", "Europe/London", "2030-07-05T20:00:00+01:00"),
            ("2030-12-05T20:00", "America/New_York", "2030-12-05T20:00:00-05:00"),
            ("2030-12-05T20:00:05", "UTC", "2030-12-05T20:00:05+00:00"),
            // An hour that is there twice: the first of them.
            ("2030-10-27T01:30", "Europe/London", "2030-10-27T01:30:00+01:00"),
        ] {
            let ms = parse_local(text, zone).unwrap();
            assert_eq!((local(ms, zone).as_str(), rfc3339_in(ms, zone).as_str()), (text, rfc));
        }
        assert_eq!(parse_local(" 2030-07-05 20:00 ", "UTC"), parse("2030-07-05T20:00:00Z"));
        assert_eq!(rfc3339_in(1_234, "UTC"), "1970-01-01T00:00:01.234+00:00");
        for (text, zone, words) in [
            ("2030-03-31T01:30", "Europe/London", "put forward"),
            ("tomorrow", "UTC", "write the day and the time"),
            ("", "UTC", "write the day and the time"),
            ("2030-07-05T20:00", "Mars/Olympus", "choose a time zone"),
        ] {
            assert!(parse_local(text, zone).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn times_are_read_and_written() {
        let ms = parse("2027-06-05T20:00:00+01:00").unwrap();
        assert_eq!(rfc3339(ms), "2027-06-05T19:00:00Z");
        assert_eq!(basic(ms), "20270605T190000Z");
        assert!(parse("2027-06-05 20:00").is_err());
        assert!(check_zone("Europe/Paris").is_ok());
        assert!(check_zone("Mars/Olympus").is_err());
    }
}
