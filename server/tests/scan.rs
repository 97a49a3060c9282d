//! The decoder of the scanner (`server/assets/scan.js`), run by Node: on pictures as a camera makes them, on pictures
//! without a code, and on what is no picture. ZXing-C++, which is not ours, reads the same ones for comparison.
//!
//! `cargo test -p nts-server --test scan -- --nocapture` shows the figures. Times are shown and never asserted.
//! `NTS_FUZZ_TIMES=5` makes five times as many pictures, and `NTS_FUZZ_SEED=7` others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "scan/pictures.rs"]
mod pictures;

use pictures::{Dice, HARD, MODERATE, NOTHING, Noise, Picture, clean, hard, moderate, nothing};
use qrcode::{EcLevel, QrCode, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// How many pictures there are of each kind.
const MODERATE_EACH: u64 = 22;
const HARD_EACH: u64 = 12;
const NOTHING_EACH: u64 = 10;
/// Of a hundred hard pictures, so many are read; a change that reads fewer needs a reason.
const HARD_PERCENT: usize = 78;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scan").join(name)
}

fn scanner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/scan.js")
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Makes pictures on all processors. What a picture shows depends on its number only.
fn make<F>(kinds: &[&'static str], each: u64, one: F) -> Vec<Picture>
where
    F: Fn(&'static str, u64) -> Picture + Sync,
{
    let (times, seed) = (number("NTS_FUZZ_TIMES", 1), number("NTS_FUZZ_SEED", 0));
    let first = |at: u64| seed * 1_000_000_000 + at * 1_000_000;
    let numbers: Vec<(&'static str, u64)> = (0..)
        .zip(kinds)
        .flat_map(|(at, kind)| (0..each * times).map(move |number| (*kind, first(at) + number)))
        .collect();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let one = &one;
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbers
            .chunks(numbers.len().div_ceil(threads))
            .map(|part| {
                scope.spawn(move || part.iter().map(|(kind, n)| one(kind, *n)).collect::<Vec<_>>())
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

/// Pictures in a file, for other programs; the file goes with it.
struct Album {
    path: PathBuf,
    sizes: Vec<[usize; 2]>,
}

impl Album {
    fn new(name: &str, pictures: &[Picture]) -> Album {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
        for picture in pictures {
            file.write_all(&picture.grey).unwrap();
        }
        file.flush().unwrap();
        let size = |picture: &Picture| [picture.width, picture.grey.len() / picture.width];
        Album { path, sizes: pictures.iter().map(size).collect() }
    }

    fn asked(&self) -> Vec<u8> {
        json!({ "scanner": scanner(), "pictures": self.path, "sizes": self.sizes })
            .to_string()
            .into()
    }

    /// What the scanner reads; `None`: there is no Node.
    fn read(&self) -> Option<Vec<Answer>> {
        let script = script("measure.js");
        let answer =
            nts_testkit::tool("node", "nodejs", &[script.to_str().unwrap()], &self.asked())?;
        let answers: Vec<Value> = serde_json::from_slice(&answer).unwrap();
        Some(answers.iter().map(Answer::of).collect())
    }

    /// What ZXing-C++ reads; `None`: it is not there.
    fn read_by_zxing(&self) -> Option<Vec<Option<String>>> {
        let python = python()?;
        let script = script("zxing.py");
        let words = [script.to_str().unwrap()];
        let answer = nts_testkit::tool(python.to_str().unwrap(), "python3", &words, &self.asked())?;
        Some(serde_json::from_slice(&answer).unwrap())
    }
}

impl Drop for Album {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.path);
    }
}

/// The Python that `tools/pypi/get` has made, if it has.
fn python() -> Option<PathBuf> {
    Some(nts_testkit::fetched("python", "zxing-cpp", "tools/pypi/get")?.join("bin/python"))
}

struct Answer {
    text: Option<String>,
    /// The corners, in pixels.
    corners: Option<Vec<(f64, f64)>>,
    ms: f64,
}

impl Answer {
    fn of(value: &Value) -> Answer {
        let number = |value: &Value| value.as_f64().unwrap();
        let corner = |corner: &Value| (number(&corner["x"]), number(&corner["y"]));
        let corners = value["corners"].as_array().map(|all| all.iter().map(corner).collect());
        let text = value["text"].as_str().map(str::to_owned);
        Answer { text, corners, ms: number(&value["ms"]) }
    }
}

/// How many of a kind there are, and how many of them the scanner and the other decoder read.
#[derive(Default)]
struct Count {
    all: usize,
    read: usize,
    by_zxing: usize,
}

/// Has pictures read, checks that nothing false is read, shows the figures, and returns their sum. `None`: there is
/// no Node.
fn measure(name: &str, pictures: &[Picture]) -> Option<Count> {
    let album = Album::new(name, pictures);
    let answers = album.read()?;
    let zxing = album.read_by_zxing();
    assert_eq!(answers.len(), pictures.len());
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for (at, (picture, answer)) in pictures.iter().zip(&answers).enumerate() {
        let Picture { kind, text, .. } = picture;
        if answer.text.is_some() {
            assert_eq!(answer.text, *text, "{kind}: picture {at} is read wrongly");
        }
        let count = counts.entry(kind).or_default();
        count.all += 1;
        count.read += usize::from(answer.text == *text);
        let by_zxing = zxing.as_ref().is_some_and(|zxing| zxing[at] == *text);
        count.by_zxing += usize::from(by_zxing);
    }
    let other = |count: usize| if zxing.is_some() { count.to_string() } else { "?".to_owned() };
    let mut sum = Count::default();
    println!("{name:<22} {:>9} {:>6} {:>6}", "pictures", "read", "ZXing");
    for (kind, Count { all, read, by_zxing }) in &counts {
        println!("  {kind:<20} {all:>9} {read:>6} {:>6}", other(*by_zxing));
        sum.all += all;
        sum.read += read;
        sum.by_zxing += by_zxing;
    }
    println!("  {:<20} {:>9} {:>6} {:>6}", "", sum.all, sum.read, other(sum.by_zxing));
    Some(sum)
}

#[test]
fn each_version_level_and_mode_is_read() {
    let dice = &mut Dice(3);
    let modes = [
        "0123456789",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 $%*+-./:",
        "abcdefghijklmnopqrstuvwxyz{}_#äöü",
    ];
    let mut pictures = Vec::new();
    for version in 1..=40i16 {
        for level in [EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H] {
            let letters: Vec<char> = modes[dice.below(3)].chars().collect();
            let length = 1 + dice.below(60 * usize::from(version.unsigned_abs()));
            let mut text: Vec<char> =
                (0..length).map(|_| letters[dice.below(letters.len())]).collect();
            // Shorter until it fits; what is left is padding.
            let (code, text) = loop {
                let whole: String = text.iter().collect();
                match QrCode::with_version(&whole, Version::Normal(version), level) {
                    Ok(code) => break (code, whole),
                    Err(_) => text.truncate(text.len() * 4 / 5),
                }
            };
            // Large codes with small modules.
            pictures.push(clean(&code, text, if version < 15 { 3 } else { 2 }));
        }
    }
    assert_eq!(pictures.len(), 160);
    let Some(count) = measure("versions", &pictures) else { return };
    assert_eq!(count.read, count.all);
}

#[test]
fn of_moderate_pictures_99_in_100_are_read() {
    let noise = Noise::new();
    let pictures = make(&MODERATE, MODERATE_EACH, |kind, number| moderate(kind, number, 0, &noise));
    let Some(count) = measure("moderate", &pictures) else { return };
    assert!(
        count.all >= 300 && count.read * 100 >= count.all * 99,
        "{} of {}",
        count.read,
        count.all
    );
}

#[test]
fn hard_pictures_are_read_rightly_or_not_at_all() {
    let noise = Noise::new();
    let pictures = make(&HARD, HARD_EACH, |kind, number| hard(kind, number, &noise));
    let Some(count) = measure("hard", &pictures) else { return };
    assert!(count.read * 100 >= count.all * HARD_PERCENT, "{} of {}", count.read, count.all);
}

#[test]
fn where_there_is_no_code_none_is_read() {
    let noise = Noise::new();
    let pictures = make(&NOTHING, NOTHING_EACH, |kind, number| nothing(kind, number, 0, &noise));
    assert!(pictures.iter().all(|picture| picture.text.is_none()));
    let Some(count) = measure("nothing", &pictures) else { return };
    assert_eq!(count.read, count.all);
}

#[test]
fn frames_of_a_camera_take_some_milliseconds() {
    let noise = Noise::new();
    let mut frames = make(&MODERATE, 4, |kind, number| moderate(kind, 500 + number, 640, &noise));
    let with_code = frames.len();
    for number in 0..4 {
        // What a camera sees between two tickets.
        frames.extend(["no data", "destroyed"].map(|kind| nothing(kind, number, 640, &noise)));
    }
    let Some(answers) = Album::new("frames", &frames).read() else { return };
    for (what, part) in [("with a code", 0..with_code), ("without", with_code..frames.len())] {
        let mut ms: Vec<f64> = answers[part].iter().map(|answer| answer.ms).collect();
        ms.sort_by(f64::total_cmp);
        let at = |percent: usize| ms[(ms.len() - 1) * percent / 100];
        println!(
            "frames of 640 by 640, {what}: median {:.1} ms, 95 % below {:.1} ms",
            at(50),
            at(95)
        );
    }
    // The corners are where the code is: within the picture, and as far apart as the code is large.
    for (frame, answer) in frames.iter().zip(&answers) {
        let Some(corners) = &answer.corners else { continue };
        let inside = |at: f64| at > -20.0 && at < frame.width as f64 + 20.0;
        assert!(corners.len() == 4 && corners.iter().all(|(x, y)| inside(*x) && inside(*y)));
        for (one, other) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            assert!((one.0 - other.0).hypot(one.1 - other.1) > 60.0, "{corners:?}");
        }
    }
}

#[test]
fn what_is_no_picture_throws_nothing() {
    let script = script("attack.js");
    for seed in [1, 2] {
        let asked = json!({ "scanner": scanner(), "seed": seed }).to_string();
        let words = [script.to_str().unwrap()];
        let Some(answer) = nts_testkit::tool("node", "nodejs", &words, asked.as_bytes()) else {
            return;
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["wrong"], json!([]), "seed {seed}");
        println!(
            "{} attacks, the slowest took {:.0} ms",
            answer["count"],
            answer["slowest"].as_f64().unwrap()
        );
    }
}
