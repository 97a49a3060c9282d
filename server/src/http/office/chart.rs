//! Sales by hour and by day in the time zone of the event: the numbers of a table, and of an SVG beside it.

use crate::language::Lang;
use crate::language::format::Style;
use crate::organiser::watching::Sums;
use boxoffice::{Currency, Money, TimeMs};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// So many hours are shown.
const HOURS: i64 = 48;
/// So many days are shown at most.
const DAYS: usize = 60;
const HOUR_MS: i64 = 3_600_000;

/// Sales over time: bars, and a line for the sum.
pub struct Chart {
    /// The bars, the oldest first.
    pub bars: Vec<Bar>,
    /// The highest bar.
    pub most: i64,
    /// What was sold in all, at the end of the line.
    pub total: i64,
    /// The points of the line.
    pub line: String,
    /// What is written below the first bar, and below the last.
    pub ends: (String, String),
    /// The rows of the table: what has something.
    pub rows: Vec<Row>,
}

/// An hour or a day as a bar. Lengths are parts of the chart, which is 100 high and as wide as its bars times 10.
pub struct Bar {
    /// What is told of it.
    pub told: String,
    /// Where it begins.
    pub x: i64,
    /// How far below the upper edge it ends.
    pub y: String,
    /// How high it is.
    pub height: String,
}

/// An hour or a day in the table.
pub struct Row {
    /// Which one.
    pub when: String,
    /// Tickets sold.
    pub sold: String,
    /// Tickets refunded.
    pub refunded: String,
    /// Money that was taken, without what went back.
    pub revenue: String,
    /// Tickets sold until its end, without those that are on sale again.
    pub total: String,
}

impl Chart {
    /// How wide the SVG is: a sale of one day has no bar as wide as the page.
    pub fn width(&self) -> usize {
        self.bars.len().max(7) * 10
    }

    /// Whether nothing was sold in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The sales of the last two days by hour. `quarters`: what was sold in which quarter of an hour.
pub fn by_hour(quarters: &[(TimeMs, Sums)], now: TimeMs, zone: &str, currency: Currency) -> Chart {
    // An hour of the zone's clock begins at a quarter of an hour of UTC.
    let shift = TimeZone::get(zone)
        .ok()
        .zip(Timestamp::from_millisecond(now).ok())
        .map_or(0, |(zone, at)| i64::from(zone.to_offset(at).seconds()) * 1_000);
    let hour = |at: TimeMs| (at + shift).div_euclid(HOUR_MS) * HOUR_MS - shift;
    let last = hour(now);
    let first = last - (HOURS - 1) * HOUR_MS;
    let mut before = Sums::default();
    let mut hours: BTreeMap<TimeMs, Sums> = BTreeMap::new();
    for (at, sums) in quarters.iter().filter(|(at, _)| hour(*at) <= last) {
        match hour(*at) {
            at if at < first => before.add(sums),
            at => hours.entry(at).or_default().add(sums),
        }
    }
    // A sale that has just begun needs no empty day before it.
    let begins = match hours.keys().next() {
        Some(begun) if before == Sums::default() => (*begun).min(last - 5 * HOUR_MS).max(first),
        _ => first,
    };
    let told = |at: TimeMs| Lang::En.moment(at, zone, Style::Short);
    let spans = (0..).map(|n| begins + n * HOUR_MS).take_while(|at| *at <= last);
    let spans = spans.map(|at| (told(at), hours.get(&at).copied().unwrap_or_default()));
    chart(spans.collect(), before, currency)
}

/// The sales by day.
pub fn by_day(quarters: &[(TimeMs, Sums)], now: TimeMs, zone: &str, currency: Currency) -> Chart {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let day = |at: TimeMs| {
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        zone.to_datetime(at).date()
    };
    let mut days: BTreeMap<Date, Sums> = BTreeMap::new();
    for (at, sums) in quarters {
        days.entry(day(*at)).or_default().add(sums);
    }
    let today = day(now);
    let Some((&begun, &latest)) = days.keys().next().zip(days.keys().next_back()) else {
        return chart(Vec::new(), Sums::default(), currency);
    };
    // A sale that is over for long ends with its last sale.
    let end = today.min(latest.saturating_add(jiff::Span::new().days(7))).max(latest);
    let span = begun.series(jiff::Span::new().days(1)).take_while(|at| *at <= end);
    let all: Vec<Date> = span.collect();
    let shown = &all[all.len().saturating_sub(DAYS)..];
    let mut before = Sums::default();
    let first = shown.first().copied().unwrap_or(begun);
    days.range(..first).for_each(|(_, sums)| before.add(sums));
    let told = |at: &Date| at.strftime("%a %-d %B %Y").to_string();
    let spans = shown.iter().map(|at| (told(at), days.get(at).copied().unwrap_or_default()));
    chart(spans.collect(), before, currency)
}

fn chart(spans: Vec<(String, Sums)>, before: Sums, currency: Currency) -> Chart {
    let number = |n: i64| Lang::En.number(n);
    let money = |minor: i64| Lang::En.money(Money { minor, currency });
    let most = spans.iter().map(|(_, sums)| sums.sold).max().unwrap_or(0).max(1);
    let mut standing = before.standing();
    let sums: Vec<i64> = spans
        .iter()
        .map(|(_, sums)| {
            standing += sums.standing();
            standing
        })
        .collect();
    let total = standing;
    let top = sums.iter().copied().max().unwrap_or(0).max(1);
    let part = |n: i64, of: i64| format!("{:.2}", n.max(0) as f64 * 100.0 / of as f64);
    let from_top = |n: i64, of: i64| format!("{:.2}", 100.0 - n.max(0) as f64 * 100.0 / of as f64);
    let bars = spans.iter().enumerate().map(|(n, (when, sums))| Bar {
        told: format!("{when}: {} sold", number(sums.sold)),
        x: n as i64 * 10 + 1,
        y: from_top(sums.sold, most),
        height: part(sums.sold, most),
    });
    let bars: Vec<Bar> = bars.collect();
    let points = sums.iter().enumerate();
    let points = points.map(|(n, sum)| format!("{},{}", n * 10 + 5, from_top(*sum, top)));
    let line = points.collect::<Vec<_>>().join(" ");
    let end = |span: Option<&(String, Sums)>| span.map_or(String::new(), |(when, _)| when.clone());
    let ends = (end(spans.first()), end(spans.last().filter(|_| spans.len() > 1)));
    let told = spans.into_iter().zip(sums).filter(|((_, sums), _)| *sums != Sums::default());
    let rows = told.map(|((when, sums), sum)| Row {
        when,
        sold: number(sums.sold),
        refunded: number(sums.refunded),
        revenue: money(sums.revenue_minor()),
        total: number(sum),
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.reverse();
    if before != Sums::default() {
        rows.push(Row {
            when: "Before".into(),
            sold: number(before.sold),
            refunded: number(before.refunded),
            revenue: money(before.revenue_minor()),
            total: number(before.standing()),
        });
    }
    Chart { bars, most, total, line, ends, rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::when;

    fn sold(at: &str, sold: i64) -> (TimeMs, Sums) {
        (
            when::parse(at).expect("a time"),
            Sums { sold, taken_minor: sold * 1_000, ..Sums::default() },
        )
    }

    fn gbp() -> Currency {
        Currency::parse("GBP").expect("a currency")
    }

    #[test]
    fn hours_and_days_are_those_of_the_zone() {
        let now = when::parse("2027-03-10T18:20:00Z").expect("a time");
        // Nepal is 5:45 ahead of UTC: its hours begin at a quarter past, its days in the evening.
        let zone = "Asia/Kathmandu";
        let quarters = [
            sold("2027-03-09T18:00:00Z", 4),
            sold("2027-03-09T18:15:00Z", 5),
            sold("2027-03-10T18:00:00Z", 1),
            sold("2027-03-10T18:15:00Z", 2),
        ];
        let days = by_day(&quarters, now, zone, gbp());
        let told: Vec<_> = days.rows.iter().map(|r| (&*r.when, &*r.sold, &*r.total)).collect();
        assert_eq!(
            told,
            [
                ("Thu 11 March 2027", "2", "12"),
                ("Wed 10 March 2027", "6", "10"),
                ("Tue 9 March 2027", "4", "4"),
            ]
        );
        assert_eq!(days.bars.len(), 3);
        assert_eq!((&*days.bars[1].y, &*days.bars[1].height), ("0.00", "100.00"));
        assert_eq!(days.line, "5,66.67 15,16.67 25,0.00");
        let hours = by_hour(&quarters, now, zone, gbp());
        let told: Vec<_> = hours.rows.iter().map(|r| (&*r.when, &*r.sold)).collect();
        assert_eq!(told[0], ("Thu 11 March 2027, 00:00", "2"));
        assert_eq!(told[1], ("Wed 10 March 2027, 23:00", "1"));
        assert_eq!(told.last(), Some(&("Tue 9 March 2027, 23:00", "4")));
        assert_eq!(hours.bars.len(), 26);
    }

    #[test]
    fn what_is_older_than_the_chart_is_told_in_one_row_and_counts_for_the_sum() {
        let now = when::parse("2027-06-10T12:00:00Z").expect("a time");
        let mut quarters = vec![sold("2026-01-01T00:00:00Z", 7), sold("2027-06-10T09:00:00Z", 3)];
        quarters[1].1.refunded = 1;
        quarters[1].1.restocked = 1;
        for chart in [by_hour(&quarters, now, "UTC", gbp()), by_day(&quarters, now, "UTC", gbp())] {
            assert_eq!(chart.total, 9);
            let told: Vec<_> =
                chart.rows.iter().map(|r| (&*r.sold, &*r.refunded, &*r.total)).collect();
            assert_eq!(told, [("3", "1", "9"), ("7", "0", "7")]);
            assert_eq!(chart.rows[1].when, "Before");
            assert_eq!(chart.rows[0].revenue, "£30.00");
        }
        assert_eq!(by_hour(&quarters, now, "UTC", gbp()).bars.len(), 48);
        assert_eq!(by_day(&quarters, now, "UTC", gbp()).bars.len(), DAYS);
        // Nothing was sold yet.
        assert!(by_day(&[], now, "UTC", gbp()).is_empty());
        assert!(by_hour(&[], now, "Nowhere/At_all", gbp()).is_empty());
    }
}
