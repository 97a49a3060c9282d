//! What came of it: as text, as JSON, and as a page with pictures that stands alone (no script, no
//! font, no other file).

use crate::books::{Books, Kind, Second, Waits};
use crate::crowd::Outcome;
use crate::scans::Scans;
use askama::Template;
use serde_json::{Value, json};
use std::fmt::Write;

/// What is known of a server that was started for the crowd.
#[derive(Clone, Default, Debug)]
pub struct Server {
    /// The most memory it had, in bytes.
    pub memory: Option<u64>,
    /// The processor time it took, in seconds.
    pub cpu_s: Option<f64>,
    /// The processor time that the crowd took, in seconds.
    pub crowd_cpu_s: Option<f64>,
    /// The bytes of its database on the disk, once it has stopped.
    pub disk: Option<u64>,
    /// What its audit said, and whether the books balance.
    pub audit: Option<(bool, String)>,
}

impl Outcome {
    /// Everything that is not as it was told or as it must be.
    pub fn wrong(&self, server: &Server) -> Vec<String> {
        let mut wrong = self.verified.wrong.clone();
        wrong.extend(self.scans.iter().flat_map(|scans| scans.wrong.clone()));
        if let Some((false, said)) = &server.audit {
            wrong.push(format!("the audit found something: {said}"));
        }
        wrong
    }

    /// Places that were sold in each second while it was sold, on average.
    fn sold_a_second(&self) -> f64 {
        let seconds = self.seconds.iter().filter(|s| s.sold > 0).count().max(1);
        self.books.paid_places() as f64 / seconds as f64
    }

    /// How many places the server sold in a second, by its own counts, from the first tenth of them to
    /// the last: without the time in which nobody has thought yet, and the last who straggle.
    fn sold_in_the_midst(&self) -> Option<f64> {
        let before = self.target.before.sold;
        let counts =
            self.seconds.iter().map(|s| s.places.map(|(_, sold)| sold.saturating_sub(before)));
        in_the_midst(counts, self.verified.after.sold.saturating_sub(before))
    }
}

/// The growth in a second from a tenth of `all` to nine tenths of it, of a count that is known at the end
/// of some seconds, and between them as if it grew evenly. `None`: too few are known.
fn in_the_midst(counts: impl Iterator<Item = Option<u64>>, all: u64) -> Option<f64> {
    let mut known = vec![(0.0, 0.0)];
    known.extend(counts.enumerate().filter_map(|(n, count)| Some(((n + 1) as f64, count? as f64))));
    let reached = |count: f64| {
        let next = known.iter().position(|(_, c)| *c >= count).filter(|next| *next > 0)?;
        let ((from, low), (to, high)) = (known[next - 1], known[next]);
        Some(from + (to - from) * (count - low) / (high - low))
    };
    let (first, last) = (all as f64 * 0.1, all as f64 * 0.9);
    let took = reached(last)? - reached(first)?;
    (took >= 1.0).then(|| (last - first) / took)
}

/// A number with its thousands apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn ms(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

const PERCENTS: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

fn rows(books: &Books) -> Vec<(String, u64, [f64; 5])> {
    let row =
        |name: String, waits: &Waits| (name, waits.count(), PERCENTS.map(|p| waits.percent_ms(p)));
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        if let Some(waits) = books.waits.get(&kind) {
            rows.push(row(kind.word().into(), waits));
        }
        if let Some(waits) = books.answers.get(&kind) {
            rows.push(row(format!("{}, once sent", kind.word()), waits));
        }
    }
    if books.sales.count() > 0 {
        rows.push(row("a whole sale, without thinking".into(), &books.sales));
    }
    rows
}

/// The whole outcome in words and figures.
pub fn text(outcome: &Outcome, server: &Server) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    _ = write_text(&mut text, outcome, server);
    text
}

fn write_text(out: &mut String, outcome: &Outcome, server: &Server) -> std::fmt::Result {
    let Outcome { books, verified, target, .. } = outcome;
    let took = outcome.took.as_secs_f64();
    writeln!(
        out,
        "{} buyers in {took:.1} s; {} requests ({:.0} a second)",
        grouped(outcome.plan.buyers),
        grouped(books.requests),
        books.requests as f64 / took.max(0.001),
    )?;
    let sold = verified.after.sold.saturating_sub(target.before.sold);
    write!(
        out,
        "{} of {} places sold, {} held, {} left",
        grouped(sold),
        grouped(target.before.left()),
        grouped(verified.after.held),
        grouped(verified.after.left()),
    )?;
    write!(out, "; {:.0} places a second while it sold", outcome.sold_a_second())?;
    if let Some(rate) = outcome.sold_in_the_midst() {
        write!(out, ", {rate:.0} between their first and last tenth by the server's counts")?;
    }
    writeln!(out)?;
    if let Some(second) = outcome.sold_out_s {
        writeln!(out, "sold out, to the last place, after {second} s")?;
    }
    if let Some(scans) = &outcome.scans {
        write_scans(out, scans, took)?;
    }
    if let Some(told) = outcome.told {
        writeln!(out, "a webhook was told {} messages meanwhile", grouped(told))?;
    }
    writeln!(out, "\nhow long it took, in ms, counted from when a buyer wanted it")?;
    writeln!(
        out,
        "{:<32} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "how often", "p50", "p90", "p99", "p99.9", "longest"
    )?;
    for (name, count, times) in rows(books) {
        write!(out, "{name:<32} {:>10}", grouped(count))?;
        for time in times {
            write!(out, " {:>8}", ms(time))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "\nwhat became of the buyers")?;
    for (how, count) in &books.ends {
        writeln!(out, "{:>12}  {how}", grouped(*count))?;
    }
    writeln!(out, "\nanswers")?;
    for ((kind, status), count) in &books.statuses {
        let status = if *status == 0 { "none in time".into() } else { status.to_string() };
        writeln!(out, "{:>12}  {}: {status}", grouped(*count), kind.word())?;
    }
    writeln!(out, "{:>12}  answered later than a buyer waits, or never", grouped(books.too_late))?;
    let known = [
        server.memory.map(|b| format!("{} of memory at most", megabytes(b))),
        server.cpu_s.map(|s| format!("{s:.1} s of processor time")),
        server.disk.map(|b| {
            let orders = verified.orders.max(1) as f64;
            format!("{} on the disk ({:.0} bytes an order)", megabytes(b), b as f64 / orders)
        }),
        server.crowd_cpu_s.map(|s| format!("the crowd itself took {s:.1} s")),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    if !known.is_empty() {
        writeln!(out, "\nthe server: {}", known.join(", "))?;
    }
    writeln!(
        out,
        "\nLooked at again: {} of {} orders.",
        grouped(verified.checked as u64),
        grouped(verified.orders as u64)
    )?;
    if let Some((true, _)) = &server.audit {
        writeln!(out, "The audit balances, also against the provider's own books.")?;
    }
    let wrong = outcome.wrong(server);
    if wrong.is_empty() {
        writeln!(out, "Nothing oversold, nothing lost, and everybody was told the truth.")?;
    } else {
        writeln!(out, "\nNOT TRUE:")?;
        for what in wrong {
            writeln!(out, "  {what}")?;
        }
    }
    Ok(())
}

fn write_scans(out: &mut String, scans: &Scans, sale_s: f64) -> std::fmt::Result {
    let [p50, p99, longest] = [50.0, 99.0, 100.0].map(|p| ms(scans.waits.percent_ms(p)));
    writeln!(
        out,
        "\nmeanwhile {} devices scanned {} tickets at the door of another event, {} of them twice",
        scans.devices,
        grouped(scans.tickets as u64),
        grouped(scans.copies as u64),
    )?;
    writeln!(
        out,
        "{:.0} check-ins a second for {:.1} s (the sale took {sale_s:.1} s), p50 {p50} ms, p99 {p99} ms, \
         longest {longest} ms",
        scans.a_second(),
        scans.took.as_secs_f64(),
    )?;
    writeln!(
        out,
        "{} admitted, {} already in, {} sent again, {} wrong",
        grouped(scans.admitted),
        grouped(scans.already_in),
        grouped(scans.again),
        scans.wrong.len(),
    )
}

/// The same for programs.
fn scans_json(scans: &Scans) -> Value {
    json!({
        "devices": scans.devices,
        "tickets": scans.tickets,
        "copies": scans.copies,
        "seconds_taken": scans.took.as_secs_f64(),
        "check_ins_a_second": scans.a_second(),
        "ms": {"p50": scans.waits.percent_ms(50.0), "p99": scans.waits.percent_ms(99.0),
               "longest": scans.waits.percent_ms(100.0)},
        "admitted": scans.admitted,
        "already_in": scans.already_in,
        "sent_again": scans.again,
        "wrong": scans.wrong,
    })
}

/// The whole outcome for programs. Times are in milliseconds, sizes in bytes.
pub fn json(outcome: &Outcome, server: &Server) -> Value {
    let Outcome { books, verified, target, .. } = outcome;
    let waits: serde_json::Map<String, Value> = rows(books)
        .into_iter()
        .map(|(name, count, [p50, p90, p99, p999, longest])| {
            let view = json!({"count": count, "p50": p50, "p90": p90, "p99": p99, "p99_9": p999,
                              "longest": longest});
            (name, view)
        })
        .collect();
    let statuses: serde_json::Map<String, Value> = books
        .statuses
        .iter()
        .map(|((kind, status), n)| (format!("{}: {status}", kind.word()), (*n).into()))
        .collect();
    let seconds: Vec<Value> = outcome
        .seconds
        .iter()
        .map(|s| {
            json!({"sold": s.sold, "holds": s.holds, "not_now": s.not_now,
                   "hold_p50": s.hold_ms[0], "hold_p99": s.hold_ms[1], "hold_longest": s.hold_ms[2],
                   "places_held": s.places.map(|p| p.0), "places_sold": s.places.map(|p| p.1),
                   "memory": s.memory})
        })
        .collect();
    json!({
        "buyers": outcome.plan.buyers,
        "seed": outcome.plan.seed,
        "seconds_taken": outcome.took.as_secs_f64(),
        "requests": books.requests,
        "capacity": verified.after.capacity,
        "sold": verified.after.sold.saturating_sub(target.before.sold),
        "held": verified.after.held,
        "left": verified.after.left(),
        "told_sold": books.paid_places(),
        "sold_out_after_s": outcome.sold_out_s,
        "sold_a_second_in_the_midst": outcome.sold_in_the_midst(),
        "scans": outcome.scans.as_ref().map(scans_json),
        "webhook_messages": outcome.told,
        "times_ms": waits,
        "buyers_by_end": books.ends,
        "answers": statuses,
        "too_late": books.too_late,
        "orders": verified.orders,
        "orders_checked": verified.checked,
        "server": {"memory": server.memory, "cpu_s": server.cpu_s, "disk": server.disk,
                   "crowd_cpu_s": server.crowd_cpu_s,
                   "audit_balances": server.audit.as_ref().map(|(yes, _)| *yes)},
        "seconds": seconds,
        "wrong": outcome.wrong(server),
    })
}

/// The size of a picture, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 260.0;
/// Room for what is written at its left and below it.
const LEFT: f64 = 64.0;
const BELOW: f64 = 26.0;

struct Tick {
    at: f64,
    text: String,
}

struct Row {
    name: String,
    count: String,
    times: Vec<String>,
}

struct Bar {
    name: String,
    count: String,
    percent: f64,
}

/// Something over the seconds.
struct Picture {
    title: &'static str,
    about: &'static str,
    up: Vec<Tick>,
    lines: Vec<Line>,
}

struct Line {
    class: &'static str,
    name: &'static str,
    path: String,
}

#[derive(Template)]
#[template(path = "rush.html")]
struct Page {
    wrong: Vec<String>,
    figures: Vec<(String, String)>,
    pictures: Vec<Picture>,
    across: Vec<Tick>,
    width: f64,
    height: f64,
    left: f64,
    rows: Vec<Row>,
    ends: Vec<Bar>,
    answers: Vec<Bar>,
    checked: String,
    orders: String,
    audited: bool,
    server: Vec<(&'static str, String)>,
}

/// The next round number.
fn round_up(most: f64) -> f64 {
    let unit = 10f64.powf(most.max(1e-9).log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|n| n * unit)
        .find(|n| *n >= most)
        .unwrap_or(most)
}

fn scale(most: f64, unit: &str) -> (f64, Vec<Tick>) {
    let top = round_up(most);
    let tick = |part: f64| Tick {
        at: (HEIGHT - BELOW) * (1.0 - part / 1.06),
        text: format!("{}{unit}", short(top * part)),
    };
    (top * 1.06, [0.0, 0.5, 1.0].map(tick).into())
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", trimmed(v / 1e6)),
        v if v >= 1e4 => format!("{}k", trimmed(v / 1e3)),
        v => trimmed(v),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A line through a value of each second, or the area below it.
fn line(
    seconds: &[Second],
    top: f64,
    area: bool,
    value: impl Fn(&Second) -> Option<f64>,
) -> String {
    let step = (WIDTH - LEFT) / seconds.len().max(1) as f64;
    let points: Vec<(f64, f64)> = seconds
        .iter()
        .enumerate()
        .filter_map(|(n, second)| {
            let y = (HEIGHT - BELOW) * (1.0 - (value(second)? / top).min(1.0));
            Some((LEFT + (n as f64 + 1.0) * step, y))
        })
        .collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    for (x, y) in &points[1..] {
        _ = write!(path, "L{x:.1} {y:.1}");
    }
    if area {
        let floor = HEIGHT - BELOW;
        _ = write!(path, "L{:.1} {floor}L{:.1} {floor}Z", last.0, first.0);
    }
    path
}

fn pictures(outcome: &Outcome) -> Vec<Picture> {
    let seconds = &outcome.seconds;
    let most = |value: &dyn Fn(&Second) -> f64| seconds.iter().map(value).fold(1.0, f64::max);
    let capacity = outcome.target.before.capacity as f64;
    let (top, up) = scale(capacity, "");
    let taken = |s: &Second| s.places.map(|(held, sold)| (held + sold) as f64);
    let places = Picture {
        title: "The places",
        about: "Places held and sold over time against all there are",
        up,
        lines: vec![
            Line { class: "held", name: "held", path: line(seconds, top, true, taken) },
            Line {
                class: "sold",
                name: "sold",
                path: line(seconds, top, true, |s| s.places.map(|p| p.1 as f64)),
            },
            Line {
                class: "capacity",
                name: "all there are",
                path: line(seconds, top, false, |_| Some(capacity)),
            },
        ],
    };
    let (top, up) = scale(most(&|s| s.holds.max(s.sold).max(s.not_now) as f64), "");
    let rates = Picture {
        title: "Each second",
        about: "Orders held, places sold and refusals in each second",
        up,
        lines: vec![
            Line {
                class: "late",
                name: "told “not now”",
                path: line(seconds, top, false, |s| Some(s.not_now as f64)),
            },
            Line {
                class: "line-held",
                name: "orders held",
                path: line(seconds, top, false, |s| Some(s.holds as f64)),
            },
            Line {
                class: "line-sold",
                name: "places paid for",
                path: line(seconds, top, false, |s| Some(s.sold as f64)),
            },
        ],
    };
    let (top, up) = scale(most(&|s| s.hold_ms[2]), " ms");
    let waits = Picture {
        title: "How long places were waited for",
        about: "Median, 99th percentile and longest wait for places in each second",
        up,
        lines: vec![
            Line {
                class: "longest",
                name: "the longest",
                path: line(seconds, top, true, |s| Some(s.hold_ms[2])),
            },
            Line {
                class: "p99",
                name: "99 of 100 within",
                path: line(seconds, top, true, |s| Some(s.hold_ms[1])),
            },
            Line {
                class: "median",
                name: "half of them within",
                path: line(seconds, top, false, |s| Some(s.hold_ms[0])),
            },
        ],
    };
    let mut all = vec![places, rates, waits];
    let memory = |s: &Second| s.memory.map(|b| b as f64 / 1e6);
    if seconds.iter().any(|s| s.memory.is_some()) {
        let (top, up) = scale(most(&|s| memory(s).unwrap_or(0.0)), " MB");
        all.push(Picture {
            title: "The server's memory",
            about: "The server's resident memory over time",
            up,
            lines: vec![Line {
                class: "memory",
                name: "memory",
                path: line(seconds, top, true, memory),
            }],
        });
    }
    all
}

fn bars(of: impl Iterator<Item = (String, u64)>) -> Vec<Bar> {
    let all: Vec<(String, u64)> = of.collect();
    let most = all.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let bar = |(name, n): (String, u64)| Bar {
        name,
        count: grouped(n),
        percent: n as f64 * 100.0 / most as f64,
    };
    all.into_iter().map(bar).collect()
}

/// The page.
pub fn page(outcome: &Outcome, server: &Server) -> String {
    let Outcome { books, verified, target, seconds, .. } = outcome;
    let count = seconds.len().max(1);
    let every = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
    let every = every.into_iter().find(|e| count / e <= 10).unwrap_or(1_800);
    let step = (WIDTH - LEFT) / count as f64;
    let across = (0..=count / every).map(|n| Tick {
        at: (LEFT + (n * every) as f64 * step).min(WIDTH - 30.0),
        text: format!("{} s", n * every),
    });
    let sold = verified.after.sold.saturating_sub(target.before.sold);
    let mut figures = vec![
        (grouped(outcome.plan.buyers), "buyers".to_owned()),
        (grouped(sold), format!("of {} places sold", grouped(target.before.left()))),
        (short(outcome.sold_a_second().round()), "places a second while it sold".into()),
    ];
    if let Some(second) = outcome.sold_out_s {
        figures.push((format!("{second} s"), "to the last place".into()));
    }
    if let Some(holds) = books.waits.get(&Kind::Hold) {
        let p99 = format!("{} ms", ms(holds.percent_ms(99.0)));
        figures.push((p99, "99 of 100 had places or an answer".into()));
    }
    if let Some(scans) = &outcome.scans {
        let p99 = ms(scans.waits.percent_ms(99.0));
        figures.push((short(scans.a_second().round()), "check-ins a second meanwhile".into()));
        figures.push((format!("{p99} ms"), "99 of 100 check-ins were answered".into()));
    }
    let known = [
        ("memory at most", server.memory.map(megabytes)),
        ("processor time", server.cpu_s.map(|s| format!("{s:.1} s"))),
        ("processor time of the crowd", server.crowd_cpu_s.map(|s| format!("{s:.1} s"))),
        ("database on the disk", server.disk.map(megabytes)),
    ];
    let page = Page {
        wrong: outcome.wrong(server),
        figures,
        pictures: pictures(outcome),
        across: across.collect(),
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        rows: rows(books)
            .into_iter()
            .map(|(name, count, times)| Row {
                name,
                count: grouped(count),
                times: times.map(ms).into(),
            })
            .collect(),
        ends: bars(books.ends.iter().map(|(how, n)| ((*how).to_owned(), *n))),
        answers: bars(books.statuses.iter().map(|((kind, status), n)| {
            let status = if *status == 0 { "none in time".into() } else { status.to_string() };
            (format!("{}: {status}", kind.word()), *n)
        })),
        checked: grouped(verified.checked as u64),
        orders: grouped(verified.orders as u64),
        audited: server.audit.is_some(),
        server: known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
    };
    page.render().unwrap_or_else(|error| format!("the page could not be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_numbers_short() {
        assert_eq!(round_up(1.0), 1.0);
        assert_eq!(round_up(1_300.0), 1_500.0);
        assert_eq!(round_up(70_000.0), 80_000.0);
        assert_eq!(short(2_400_000.0), "2.4M");
        assert_eq!(short(50_000.0), "50k");
        assert_eq!(short(950.0), "950");
        assert_eq!(grouped(1_234_567), "1,234,567");
        let seconds = [Second { sold: 5, ..Second::default() }, Second::default()];
        let path = line(&seconds, 10.0, true, |s| Some(s.sold as f64));
        assert_eq!(path, "M512.0 117.0L960.0 234.0L960.0 234L512.0 234Z");
        assert_eq!(line(&[], 1.0, true, |_| None), "");
    }

    #[test]
    fn the_rate_in_the_midst_leaves_out_how_it_begins_and_ends() {
        let counts =
            [Some(0), Some(0), Some(100), None, Some(500), Some(900), Some(901), Some(1_000)];
        let rate = in_the_midst(counts.into_iter(), 1_000).expect("enough is known");
        // From the end of the third second to the end of the sixth.
        assert!((rate - 800.0 / 3.0).abs() < 1e-9, "{rate}");
        assert_eq!(in_the_midst([Some(0), None].into_iter(), 1_000), None, "it is not known");
        assert_eq!(in_the_midst([Some(5)].into_iter(), 5), None, "too short");
        assert_eq!(in_the_midst([].into_iter(), 0), None);
    }
}
