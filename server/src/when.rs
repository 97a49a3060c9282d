//! Times in words: RFC 3339 for programs, an event's own zone for people, who are told the zone in words.

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

/// `Saturday 5 June 2027, 20:00`, in this zone, which is not named.
pub fn long(ms: TimeMs, zone: &str) -> String {
    show(ms, zone, "%A %-d %B %Y, %H:%M")
}

/// `Sat 5 June 2027, 20:00`, in this zone, which is not named.
pub fn short(ms: TimeMs, zone: &str) -> String {
    show(ms, zone, "%a %-d %B %Y, %H:%M")
}

/// `20:00:05`, in this zone, which is not named.
pub fn clock(ms: TimeMs, zone: &str) -> String {
    show(ms, zone, "%H:%M:%S")
}

/// `20260601T190000Z`: in UTC, as RFC 5545 writes it (section 3.3.5, form 2).
pub fn basic(ms: TimeMs) -> String {
    show(ms, "UTC", "%Y%m%dT%H%M%SZ")
}

/// When something ends that ends soon: `20:15`, or with its day if that is not the day of `now`.
pub fn end(ms: TimeMs, now: TimeMs, zone: &str) -> String {
    let day = |ms| show(ms, zone, "%F");
    if day(ms) == day(now) { show(ms, zone, "%H:%M") } else { short(ms, zone) }
}

/// From when to when: `Saturday 5 June 2027, 20:00 to 22:30`, or with the day of the end if that is another
/// one. An end after midnight and before six in the morning is of the same night.
pub fn span(starts_ms: TimeMs, ends_ms: TimeMs, zone: &str) -> String {
    const NIGHT_MS: i64 = 6 * 3_600_000;
    let day = |ms| show(ms, zone, "%F");
    let same = [ends_ms, ends_ms - NIGHT_MS].iter().any(|ms| day(*ms) == day(starts_ms));
    let end = if same { show(ends_ms, zone, "%H:%M") } else { long(ends_ms, zone) };
    format!("{} to {end}", long(starts_ms, zone))
}

/// Where a zone's time is told: `in London`, `in New York`, or `UTC`. A zone that is no place
/// (`Etc/GMT+5`) has its abbreviation at that time.
pub fn place_of_zone(ms: TimeMs, zone: &str) -> String {
    match zone.split_once('/') {
        Some((area, _)) if area != "Etc" => {
            let city = zone.rsplit('/').next().unwrap_or(zone);
            format!("in {}", city.replace('_', " "))
        }
        _ => show(ms, zone, "%Z"),
    }
}

fn show(ms: TimeMs, zone: &str, format: &str) -> String {
    let Ok(time) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
    let tz = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    time.to_zoned_datetime(tz).strftime(format).to_string()
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
    fn times_are_told_in_the_zone_of_the_event() {
        let ms = parse("2027-06-05T20:00:00+01:00").unwrap();
        assert_eq!(rfc3339(ms), "2027-06-05T19:00:00Z");
        assert_eq!(long(ms, "Europe/London"), "Saturday 5 June 2027, 20:00");
        assert_eq!(short(ms, "Europe/London"), "Sat 5 June 2027, 20:00");
        assert_eq!(clock(ms, "Asia/Tokyo"), "04:00:00");
        assert!(parse("2027-06-05 20:00").is_err());
        assert!(check_zone("Europe/Paris").is_ok());
        assert!(check_zone("Mars/Olympus").is_err());
    }

    #[test]
    fn an_end_has_its_day_only_where_it_is_another_one() {
        let at = |text: &str| parse(text).unwrap();
        let (zone, starts) = ("Europe/London", at("2027-06-05T20:00:00+01:00"));
        assert_eq!(end(starts + 900_000, starts, zone), "20:15");
        assert_eq!(end(at("2027-06-06T00:01:00+01:00"), starts, zone), "Sun 6 June 2027, 00:01");
        // It is the next day there already.
        assert_eq!(end(starts + 900_000, starts, "Asia/Tokyo"), "04:15");
        for (ends, text) in [
            ("2027-06-05T22:30:00+01:00", "Saturday 5 June 2027, 20:00 to 22:30"),
            ("2027-06-06T02:00:00+01:00", "Saturday 5 June 2027, 20:00 to 02:00"),
            (
                "2027-06-07T18:00:00+01:00",
                "Saturday 5 June 2027, 20:00 to Monday 7 June 2027, 18:00",
            ),
        ] {
            assert_eq!(span(starts, at(ends), zone), text);
        }
    }

    #[test]
    fn a_zone_is_told_as_its_place() {
        for (zone, text) in [
            ("Europe/London", "in London"),
            ("America/New_York", "in New York"),
            ("America/Argentina/Buenos_Aires", "in Buenos Aires"),
            ("UTC", "UTC"),
            ("Etc/UTC", "UTC"),
            ("Etc/GMT+5", "-05"),
        ] {
            assert_eq!(place_of_zone(0, zone), text);
        }
    }
}
