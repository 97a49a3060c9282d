//! Puts all mutants of a file into its text, each behind its switch.

use crate::find::{Place, Shape};
use std::collections::BTreeSet;
use std::ops::Range;

/// A file with its mutants in it.
pub struct Woven {
    /// The text.
    pub text: String,
    /// Where the own text of each mutant is in it.
    own: Vec<(Range<usize>, usize)>,
    /// Where each place is, with what was put around it, and its mutants.
    around: Vec<(Range<usize>, Vec<usize>)>,
}

/// Puts the mutants of `places` into `text`, without those that are `dropped`.
pub fn weave(text: &str, places: &[Place], dropped: &BTreeSet<String>) -> Woven {
    let mut inserts = Vec::new();
    for (order, place) in places.iter().enumerate() {
        let alive: Vec<_> = place.mutants.iter().filter(|m| !dropped.contains(&m.key)).collect();
        if alive.is_empty() {
            continue;
        }
        let mut before = Vec::new();
        for (i, m) in alive.iter().enumerate() {
            let on = format!("::mutation_switch::on({})", m.number);
            let text = match place.shape {
                Shape::Expression if i == 0 => format!("(if {on} {{ {} }}", m.new),
                Shape::Expression => format!(" else if {on} {{ {} }}", m.new),
                Shape::Statement => format!("if !{on} {{ "),
                Shape::Body if m.new == "()" => format!(" if {on} {{ return; }}"),
                Shape::Body => format!(" if {on} {{ return {}; }}", m.new),
                Shape::Arm => format!(" if !{on}"),
                Shape::Guard => format!("!{on} && ("),
            };
            before.push((text, Some(m.number)));
        }
        let after = match place.shape {
            Shape::Expression => {
                before.push((" else { ".to_owned(), None));
                " })"
            }
            Shape::Statement => " }",
            Shape::Guard => ")",
            Shape::Body | Shape::Arm => "",
        };
        let order = order as isize;
        // At one byte: first what ends there, the inner before the outer; then what begins.
        inserts.push((place.range.start, true, order, before));
        inserts.push((place.range.end, false, -order, vec![(after.to_owned(), None)]));
    }
    // A place without extent ends where it begins, and not before.
    let empty = |order: isize| places[order.unsigned_abs()].range.is_empty();
    inserts.retain(|(_, begins, order, _)| *begins || !empty(*order));
    inserts.sort_by_key(|(at, begins, order, _)| (*at, *begins, *order));

    let mut woven = Woven { text: String::new(), own: Vec::new(), around: Vec::new() };
    let mut done = 0;
    let mut begun = std::collections::BTreeMap::new();
    for (at, begins, order, parts) in inserts {
        woven.text += &text[done..at];
        done = at;
        let place = order.unsigned_abs();
        let start = woven.text.len();
        let mut numbers = Vec::new();
        for (part, number) in parts {
            let from = woven.text.len();
            woven.text += &part;
            if let Some(number) = number {
                woven.own.push((from..woven.text.len(), number));
                numbers.push(number);
            }
        }
        if !begins {
            if let Some((start, numbers)) = begun.remove(&place) {
                woven.around.push((start..woven.text.len(), numbers));
            }
        } else if empty(order) {
            woven.around.push((start..woven.text.len(), numbers));
        } else {
            begun.insert(place, (start, numbers));
        }
    }
    woven.text += &text[done..];
    woven
}

impl Woven {
    /// The mutants that are to blame for an error at these bytes: those whose own text it is in, or
    /// which are in it; or else those of the smallest place around it; or else the nearest.
    pub fn blamed(&self, at: &Range<usize>) -> Vec<usize> {
        let inside = |outer: &Range<usize>, inner: &Range<usize>| {
            outer.start <= inner.start && inner.end <= outer.end
        };
        let of = |ranges: Vec<&(Range<usize>, usize)>| ranges.iter().map(|r| r.1).collect();
        let own: Vec<_> = self.own.iter().filter(|(own, _)| inside(own, at)).collect();
        if !own.is_empty() {
            return of(own);
        }
        let within: Vec<_> = self.around.iter().filter(|(r, _)| inside(at, r)).collect();
        if !within.is_empty() {
            return within.iter().flat_map(|(_, numbers)| numbers).copied().collect();
        }
        let outer = self.around.iter().filter(|(r, _)| inside(r, at));
        let near =
            |r: &Range<usize>| at.start.saturating_sub(r.end).max(r.start.saturating_sub(at.end));
        outer
            .min_by_key(|(r, _)| r.len())
            .or_else(|| self.around.iter().min_by_key(|(r, _)| near(r)))
            .map(|(_, numbers)| numbers.clone())
            .unwrap_or_default()
    }
}
