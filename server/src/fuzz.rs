//! What the properties share that feed spoilt inputs to whatever reads bytes: how many cases there are,
//! and how a good input is spoilt. The properties stand beside the code that they are about
//! (`fuzz.rs` in its directory).
//!
//! `cargo test` tries the same few hundred inputs each time. `NTS_FUZZ_TIMES=100` tries a hundred times as
//! many, and `NTS_FUZZ_SEED=7` others; a failure says which input it was, shrunk.
//! `NTS_FUZZ_TIMES=100 NTS_FUZZ_SEED=7 cargo test --release -p nts-server --lib fuzz`

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use serde_json::{Value, json};
use std::fmt::Debug;

fn number(name: &str, default: u32) -> u32 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => default,
    }
}

/// Tries a property on so many cases, the same ones each time unless the environment says otherwise.
pub fn check<S: Strategy>(cases: u32, inputs: &S, property: impl Fn(S::Value) -> TestCaseResult)
where
    S::Value: Debug,
{
    let cases = cases.saturating_mul(number("NTS_FUZZ_TIMES", 1));
    // A case that failed becomes a test of its own, which has a name.
    let failure_persistence = None;
    let config =
        Config { cases, failure_persistence, max_shrink_iters: 5_000, ..Config::default() };
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number("NTS_FUZZ_SEED", 0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(inputs, property) {
        panic!("{failure}");
    }
}

/// A way in which bytes are spoilt. Places are parts of the whole: 0 is its beginning, 65,535 its end.
#[derive(Clone, Debug)]
pub enum Slip {
    /// What follows is missing.
    Cut(u16),
    /// One bit is another one.
    Flip(u16, u8),
    /// One byte is another one.
    Set(u16, u8),
    /// Something stands there that does not belong.
    Insert(u16, Vec<u8>),
    /// So many bytes are missing.
    Remove(u16, u8),
    /// So many bytes stand there twice.
    FakeStripe(u16, u8),
}

/// Ways in which bytes are spoilt.
pub fn slip() -> impl Strategy<Value = Slip> {
    let odd: Vec<&[u8]> = vec![
        b"\0",
        b"\xff",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\x80",
        b"\r\n",
        b"\n",
        b" ",
        b"%",
        b"%ff",
        b"+",
        b"-",
        b",",
        b"=",
        b"&",
        b":",
        b"\"",
        b"\\u0000",
        b"\\ud800",
        b"[",
        b"{",
        b"0",
        b"999999999999",
        "\u{202e}".as_bytes(),
        "\u{feff}".as_bytes(),
        "é".as_bytes(),
        "e\u{301}".as_bytes(),
        b"\x80\x80",
    ];
    prop_oneof![
        1 => any::<u16>().prop_map(Slip::Cut),
        3 => (any::<u16>(), 0..8u8).prop_map(|(at, bit)| Slip::Flip(at, bit)),
        2 => (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Slip::Set(at, byte)),
        2 => (any::<u16>(), select(odd)).prop_map(|(at, odd)| Slip::Insert(at, odd.to_vec())),
        1 => (any::<u16>(), 1..9u8).prop_map(|(at, n)| Slip::Remove(at, n)),
        1 => (any::<u16>(), 1..40u8).prop_map(|(at, n)| Slip::FakeStripe(at, n)),
    ]
}

/// Between `least` and `most` slips.
pub fn slips(least: usize, most: usize) -> impl Strategy<Value = Vec<Slip>> {
    proptest::collection::vec(slip(), least..=most)
}

/// Bytes, spoilt.
pub fn spoil(bytes: &[u8], slips: &[Slip]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for slip in slips {
        let place = |at: u16, of: usize| usize::from(at) * of / 65_536;
        let range = |at: u16, n: u8| {
            let begin = place(at, bytes.len());
            begin..(begin + usize::from(n)).min(bytes.len())
        };
        match slip {
            Slip::Cut(at) => bytes.truncate(place(*at, bytes.len())),
            Slip::Flip(at, bit) => {
                let at = place(*at, bytes.len());
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Slip::Set(at, to) => {
                let at = place(*at, bytes.len());
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = *to);
            }
            Slip::Insert(at, odd) => {
                let at = place(*at, bytes.len() + 1);
                bytes.splice(at..at, odd.iter().copied());
            }
            Slip::Remove(at, n) => _ = bytes.drain(range(*at, *n)),
            Slip::FakeStripe(at, n) => {
                let twice = bytes[range(*at, *n)].to_vec();
                let at = place(*at, bytes.len());
                bytes.splice(at..at, twice);
            }
        }
    }
    bytes
}

/// A way in which a JSON value is spoilt. Which part of it: the number of the part, counted around.
#[derive(Clone, Debug)]
pub enum Change {
    /// A field, or an element of a list, is missing.
    Drop(u16),
    /// Something else stands in its place.
    Put(u16, Value),
    /// A text has something else at its end, or its beginning.
    Grow(u16, &'static str, bool),
    /// A text is cut.
    Shorten(u16, u8),
    /// A number is another one.
    Add(u16, i64),
    /// It is inside a list, or in a list of lists, so deep.
    Nest(u16, u8),
    /// A field is there that nobody knows.
    Unknown(u16, Value),
    /// A field is there twice; this comes first.
    Twice(u16, Value),
}

/// JSON values as nobody expects them.
pub fn odd_value() -> impl Strategy<Value = Value> {
    let odd = vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(1998.0),
        json!(1e300),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("x"),
        json!("\0"),
        json!("1998"),
        json!("-1"),
        json!("null"),
        json!("succeeded"),
        json!("canceled"),
        json!("pi_2"),
        json!("../x"),
        json!("GBP "),
        json!("usd"),
        json!("\u{202e}"),
        json!("\u{1F3AB}"),
        json!("x".repeat(300)),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"id": "x"}),
        json!([null]),
        json!([1998]),
    ];
    select(odd)
}

/// Ways in which a JSON value is spoilt.
pub fn change() -> impl Strategy<Value = Change> {
    let ends = vec!["\0", " ", "x", "\u{200b}", "\u{301}", "_", "/", "?", "\n", "0", "é"];
    prop_oneof![
        3 => any::<u16>().prop_map(Change::Drop),
        2 => any::<u16>().prop_map(|part| Change::Put(part, Value::Null)),
        4 => (any::<u16>(), odd_value()).prop_map(|(part, odd)| Change::Put(part, odd)),
        1 => (any::<u16>(), select(ends), any::<bool>()).prop_map(|(p, end, at)| Change::Grow(p, end, at)),
        1 => (any::<u16>(), 1..9u8).prop_map(|(part, n)| Change::Shorten(part, n)),
        1 => (any::<u16>(), prop_oneof![-2..3i64, any::<i64>()]).prop_map(|(p, n)| Change::Add(p, n)),
        1 => (any::<u16>(), prop_oneof![1..3u8, 100..200u8]).prop_map(|(part, n)| Change::Nest(part, n)),
        1 => (any::<u16>(), odd_value()).prop_map(|(part, odd)| Change::Unknown(part, odd)),
        2 => (any::<u16>(), odd_value()).prop_map(|(part, odd)| Change::Twice(part, odd)),
    ]
}

/// Between `least` and `most` changes.
pub fn changes(least: usize, most: usize) -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(change(), least..=most)
}

/// The paths of all parts of a value, but for the whole.
fn parts(value: &Value, path: &str, all: &mut Vec<String>) {
    let mut one = |name: &str, inner: &Value| {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        parts(inner, &path, all);
        all.push(path);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| one(name, inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, i)| one(&n.to_string(), i)),
        _ => {}
    }
}

/// The text of a JSON value, spoilt. A field that is there twice is so in the text.
pub fn spoil_json(value: &Value, changes: &[Change]) -> String {
    let mut value = value.clone();
    let mut twice = Vec::new();
    for change in changes {
        let mut all = Vec::new();
        parts(&value, "", &mut all);
        let (Change::Drop(n)
        | Change::Put(n, _)
        | Change::Grow(n, ..)
        | Change::Shorten(n, _)
        | Change::Add(n, _)
        | Change::Nest(n, _)
        | Change::Unknown(n, _)
        | Change::Twice(n, _)) = change;
        let Some(path) = all.get(usize::from(*n) % all.len().max(1)) else { continue };
        let (parent, name) = path.rsplit_once('/').expect("a part has a parent");
        let part = value.pointer_mut(path).expect("it is there");
        match change {
            Change::Drop(_) => match value.pointer_mut(parent) {
                Some(Value::Object(fields)) => _ = fields.remove(name),
                Some(Value::Array(items)) => _ = items.remove(name.parse().expect("an index")),
                _ => {}
            },
            Change::Put(_, odd) => *part = odd.clone(),
            Change::Grow(_, more, at_end) => {
                if let Value::String(text) = part {
                    *text = if *at_end { format!("{text}{more}") } else { format!("{more}{text}") };
                }
            }
            Change::Shorten(_, n) => {
                if let Value::String(text) = part {
                    (0..*n).for_each(|_| _ = text.pop());
                }
            }
            Change::Add(_, n) => {
                if let Some(number) = part.as_i64() {
                    *part = json!(number.wrapping_add(*n));
                }
            }
            Change::Nest(_, n) => (0..*n).for_each(|_| *part = json!([part.take()])),
            Change::Unknown(_, odd) => {
                if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
                    fields.insert("nobody_knows".into(), odd.clone());
                }
            }
            Change::Twice(_, odd) => twice.push((name.to_owned(), odd)),
        }
    }
    let mut text = value.to_string();
    for (name, odd) in twice {
        let name = Value::from(name);
        text = text.replacen(&format!("{name}:"), &format!("{name}:{odd},{name}:"), 1);
    }
    text
}
