//! Times in words: RFC 3339 for programs, an event's own zone for people.

#[cfg(test)]
mod fuzz;

use boxoffice::TimeMs;
use jiff::Timestamp;
use jiff::tz::TimeZone;

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
