//! A page with pictures of what was simulated. It stands alone: no script, no font, no other file.

use crate::many::Summary;
use crate::shrink::Shrunk;
use crate::{Outcome, Standing};
use askama::Template;
use boxoffice::OrderState;

/// The picture's size, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
/// Room for what is written at its left and below it.
const LEFT: f64 = 64.0;
const BELOW: f64 = 26.0;

struct Bar {
    name: String,
    what: String,
    count: String,
    percent: f64,
}

struct Mark {
    x: f64,
    what: &'static str,
}

/// Orders in some states over time.
struct Layer {
    class: &'static str,
    name: &'static str,
    path: String,
}

/// When the faults of a group struck.
struct Row {
    name: &'static str,
    y: f64,
    path: String,
}

/// What is told apart in the picture of orders, from the bottom up.
const LAYERS: [(&str, &str, &[OrderState]); 5] = [
    ("paid", "paid", &[OrderState::Paid]),
    ("paying", "paying, or the money is being taken", &[OrderState::Paying, OrderState::Committed]),
    ("waits", "held", &[OrderState::Held]),
    (
        "back",
        "on its way back, or refunded",
        &[OrderState::Canceling, OrderState::Refunding, OrderState::Refunded],
    ),
    ("gone", "released, or void", &[OrderState::Released, OrderState::Void]),
];

/// The rows of faults, and how high each is.
const GROUPS: [&str; 5] = ["network", "machines", "database", "provider", "people"];
const ROW: f64 = 22.0;

struct Tick {
    at: f64,
    text: String,
}

#[derive(Template)]
#[template(path = "simulation.html")]
struct Page {
    runs: String,
    hours: String,
    orders: String,
    faults: String,
    plan: String,
    hash: String,
    capacity: String,
    sold: String,
    taken: String,
    strikes: Vec<Mark>,
    layers: Vec<Layer>,
    most_orders: Vec<Tick>,
    rows: Vec<Row>,
    rows_height: f64,
    across: Vec<Tick>,
    up: Vec<Tick>,
    width: f64,
    height: f64,
    left: f64,
    states: Vec<Bar>,
    kinds: Vec<Bar>,
    marks: Vec<Bar>,
    broken: Option<Broken>,
    trace: Vec<String>,
    told: usize,
}

struct Broken {
    promise: &'static str,
    text: String,
    plan: String,
    steps: Vec<String>,
}

/// Lines of the story that stand on the page.
const LINES: usize = 400;

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn bars<'a>(of: impl Iterator<Item = (String, &'a str, u64)>) -> Vec<Bar> {
    let all: Vec<_> = of.collect();
    let most = all.iter().map(|(_, _, count)| *count).max().unwrap_or(1).max(1);
    let bar = |(name, what, count): (String, &str, u64)| Bar {
        name,
        what: what.into(),
        count: grouped(count),
        percent: count as f64 * 100.0 / most as f64,
    };
    all.into_iter().map(bar).collect()
}

/// Where things stand in the picture.
struct Scale {
    end_ms: f64,
    most: f64,
}

impl Scale {
    fn x(&self, at_ms: i64) -> f64 {
        LEFT + (WIDTH - LEFT) * at_ms as f64 / self.end_ms
    }

    fn y(&self, places: u32) -> f64 {
        (HEIGHT - BELOW) * (1.0 - f64::from(places) / self.most)
    }

    /// A line that goes in steps: what it is from when on.
    fn steps(&self, mut points: impl Iterator<Item = (i64, u32)>, closed: bool) -> String {
        let Some(first) = points.next() else { return String::new() };
        let mut path = format!("M{:.1} {:.1}", self.x(first.0), self.y(first.1));
        let mut last = first.1;
        for (at_ms, now) in points {
            if now != last {
                let x = self.x(at_ms);
                path += &format!("H{x:.1}V{:.1}", self.y(now));
                last = now;
            }
        }
        path += &format!("H{WIDTH}");
        if closed {
            path += &format!("V{:.1}H{:.1}Z", self.y(0), self.x(first.0));
        }
        path
    }
}

/// The layers of orders, the uppermost first: each covers those above it.
fn layers(scale: &Scale, turns: &[(i64, Standing)]) -> Vec<Layer> {
    let up_to = |top: usize, standing: &Standing| -> u32 {
        let states = LAYERS[..=top].iter().flat_map(|(_, _, states)| states.iter());
        states.map(|state| standing[*state as usize]).sum()
    };
    let layer = |top: usize| {
        let (class, name, _) = LAYERS[top];
        let path = scale.steps(turns.iter().map(|(at, s)| (*at, up_to(top, s))), true);
        Layer { class, name, path }
    };
    (0..LAYERS.len()).rev().map(layer).collect()
}

/// A row of ticks for each group of faults.
fn rows(scale: &Scale, outcome: &Outcome) -> Vec<Row> {
    let row = |(n, name): (usize, &'static str)| {
        let top = n as f64 * ROW;
        let mut last = f64::MIN;
        let mut path = String::new();
        for (at_ms, _) in outcome.moments.iter().filter(|(_, f)| f.group() == name) {
            // Ticks closer than that are one.
            let x = scale.x(*at_ms);
            if x - last >= 0.8 && x <= WIDTH {
                path += &format!("M{x:.1} {:.1}v{:.1}", top + 4.0, ROW - 8.0);
                last = x;
            }
        }
        Row { name, y: top + ROW * 0.7, path }
    };
    GROUPS.into_iter().enumerate().map(row).collect()
}

fn heights(scale: &Scale, most: u32) -> Vec<Tick> {
    let mut ups = vec![0, most / 2, most];
    ups.dedup();
    ups.into_iter().map(|p| Tick { at: scale.y(p), text: p.to_string() }).collect()
}

/// The page: the figures of all runs, the picture of one, and what was broken, if anything was.
pub fn page(summary: &Summary, outcome: &Outcome, shrunk: Option<&Shrunk>) -> String {
    let samples = &outcome.samples;
    // The calm may last for hours in which nothing happens.
    let last = samples.last().map_or(1, |s| s.at_ms);
    let end_ms = last.max(outcome.plan.storm_ms) as f64 * 1.02;
    let most = samples.iter().map(|s| s.capacity).max().unwrap_or(1).max(1);
    let scale = Scale { end_ms, most: f64::from(most) * 1.08 };
    let minutes = (end_ms / 60_000.0).max(0.5);
    let every = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 240.0];
    let every = every.into_iter().find(|e| minutes / e <= 9.0).unwrap_or(1_000.0);
    let across = (0..10).map(|n| f64::from(n) * every).filter(|m| m * 60_000.0 <= end_ms);
    let across =
        across.map(|m| Tick { at: scale.x((m * 60_000.0) as i64), text: format!("{m} min") });
    let turns = &outcome.turns;
    let most_orders = turns.last().map_or(1, |(_, s)| s.iter().sum::<u32>()).max(1);
    let orders_scale = Scale { end_ms, most: f64::from(most_orders) * 1.08 };
    let strikes = outcome.strikes.iter().filter(|(at, _)| (*at as f64) <= end_ms);
    let broken = outcome.violation.as_ref().map(|violation| Broken {
        promise: violation.promise.words(),
        text: violation.text.clone(),
        plan: shrunk.map_or_else(|| outcome.plan.to_string(), |s| s.plan.to_string()),
        steps: shrunk
            .map_or(&violation.steps, |s| &s.violation.steps)
            .iter()
            .map(ToString::to_string)
            .collect(),
    });
    let page = Page {
        runs: grouped(summary.runs),
        hours: format!("{:.1}", summary.simulated_ms as f64 / 3_600_000.0),
        orders: grouped(summary.all_orders()),
        faults: grouped(summary.all_faults()),
        plan: outcome.plan.to_string(),
        hash: outcome.hash.clone(),
        capacity: scale.steps(samples.iter().map(|s| (s.at_ms, s.capacity)), false),
        sold: scale.steps(samples.iter().map(|s| (s.at_ms, s.sold)), true),
        taken: scale.steps(samples.iter().map(|s| (s.at_ms, s.held + s.sold)), true),
        layers: layers(&orders_scale, turns),
        most_orders: heights(&orders_scale, most_orders),
        rows: rows(&scale, outcome),
        rows_height: ROW * GROUPS.len() as f64,
        strikes: strikes.map(|(at, what)| Mark { x: scale.x(*at), what }).collect(),
        across: across.collect(),
        up: heights(&scale, most),
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        states: bars(summary.orders.iter().map(|(s, n)| ((*s).to_owned(), "", *n))),
        kinds: bars(summary.faults.iter().map(|(f, n)| (f.what().0.to_owned(), f.what().1, *n))),
        marks: bars(summary.marks.iter().map(|(m, n)| ((*m).to_owned(), "", *n))),
        broken,
        trace: outcome.lines.iter().take(LINES).map(ToString::to_string).collect(),
        told: outcome.lines.len(),
    };
    page.render().unwrap_or_else(|error| format!("the page could not be made: {error}"))
}
