//! Times in words: RFC 3339 for programs, an event's own zone for people.

#[cfg(test)]
mod fuzz;

use boxoffice::TimeMs;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

/// `2026-11-23T20:00:00Z`; milliseconds only where there are some.
pub fn rfc3339(ms: TimeMs) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| t.to_string())
}

/// Reads an RFC 3339 time with its offset. A zone behind it (RFC 9557) may contradict the offset, so it is
/// refused.
pub fn parse(text: &str) -> Result<TimeMs, String> {
    let time: Option<Timestamp> = text.parse().ok().filter(|_| !text.contains('['));
    let example = "expected a time with its offset, such as 2027-06-01T20:00:00+02:00";
    time.map(|t| t.as_millisecond()).ok_or_else(|| example.to_string())
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
    Err(format!(
        "the clocks of {zone} are not at {} then. Write {} for that hour there, or {} for that moment",
        told.offset(),
        written(&meant),
        written(&there)
    ))
}

/// Checks an IANA time zone.
pub fn check_zone(zone: &str) -> Result<(), String> {
    let known = TimeZone::get(zone);
    known.map(drop).map_err(|_| "the zone is not one, such as Europe/London".to_string())
}

/// `Saturday, 5 June 2027, 20:00 (Europe/London)`.
pub fn long(ms: TimeMs, zone: &str) -> String {
    show(ms, zone, "%A, %-d %B %Y, %H:%M")
}

/// `20:00:05`.
pub fn clock(ms: TimeMs, zone: &str) -> String {
    show(ms, zone, "%H:%M:%S")
}

fn show(ms: TimeMs, zone: &str, format: &str) -> String {
    let Ok(time) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
    let (tz, zone) = TimeZone::get(zone).map_or((TimeZone::UTC, "UTC"), |tz| (tz, zone));
    format!("{} ({zone})", time.to_zoned_datetime(tz).strftime(format))
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
            // An hour that is not there: the clocks are put forward over it.
            ("2030-03-31T01:30:00+00:00", "Europe/London", "2030-03-31T02:30:00+01:00"),
        ] {
            let told = parse_in(text, zone).unwrap_err();
            assert!(told.contains(right) && told.contains(zone), "{text} {zone}: {told}");
        }
    }

    #[test]
    fn times_are_told_in_the_zone_of_the_event() {
        let ms = parse("2027-06-05T20:00:00+01:00").unwrap();
        assert_eq!(rfc3339(ms), "2027-06-05T19:00:00Z");
        assert_eq!(long(ms, "Europe/London"), "Saturday, 5 June 2027, 20:00 (Europe/London)");
        assert_eq!(clock(ms, "Asia/Tokyo"), "04:00:00 (Asia/Tokyo)");
        assert!(parse("2027-06-05 20:00").is_err());
        assert!(check_zone("Europe/Paris").is_ok());
        assert!(check_zone("Mars/Olympus").is_err());
    }
}
