//! Slips of the language TOML, in the words of somebody who does not know it.

use super::{Mistake, advice};
use std::collections::BTreeMap;

/// Fields that hold a text.
const TEXTS: [&str; 20] = [
    "id",
    "code",
    "until",
    "valid_from",
    "valid_until",
    "name",
    "place",
    "description",
    "starts_at",
    "ends_at",
    "zone",
    "currency",
    "sale_opens",
    "sale_closes",
    "contact",
    "names_until",
    "pool",
    "text",
    "kind",
    "per",
];
/// Fields that hold a number.
const COUNTS: [&str; 7] = [
    "limit_per_order",
    "limit_per_buyer",
    "hold_seconds",
    "keep_buyers_days",
    "capacity",
    "uses",
    "percent_off",
];
/// What is described below a line with double brackets, for each one.
const PARTS: [&str; 4] = ["pools", "ticket_types", "codes", "questions"];

/// The mistakes in a file that is no TOML, from where its parser found them (lines from 1) and what it says:
/// one of each line.
pub fn told(text: &str, errors: Vec<(usize, &str)>) -> Vec<Mistake> {
    let lines: Vec<&str> = text.lines().collect();
    let single = single_brackets(&lines);
    let mut mistakes = BTreeMap::new();
    for (line, part) in &single {
        let text = format!("[{part}] needs double brackets, for each one: write [[{part}]]");
        mistakes.insert(*line, text);
    }
    for (line, message) in errors {
        let twice = message.starts_with("duplicate key");
        // What stands below single brackets is there twice only because of them.
        if twice && !single.is_empty() {
            continue;
        }
        let here = lines.get(line - 1).copied().unwrap_or_default();
        mistakes.entry(line).or_insert_with(|| match twice {
            true => said_twice(&lines, line),
            false => slip(&lines[..line.min(lines.len())], here, message),
        });
    }
    mistakes.into_iter().map(|(line, text)| Mistake { line, text }).collect()
}

/// Lines such as `[pools]`, from 1, if one of them makes the file wrong: its part is there twice.
fn single_brackets<'a>(lines: &[&'a str]) -> Vec<(usize, &'a str)> {
    let part = |line: &&'a str| {
        let part = line.trim().strip_prefix('[')?.split(']').next()?.trim();
        PARTS.contains(&part).then_some(part)
    };
    let all = lines.iter().enumerate().filter_map(|(n, line)| Some((n + 1, part(line)?)));
    let all: Vec<(usize, &str)> = all.collect();
    let double =
        |part: &str| lines.iter().any(|line| line.trim().starts_with(&format!("[[{part}")));
    let several = |part: &str| all.iter().filter(|(_, other)| *other == part).count() > 1;
    let wrong = all.iter().filter(|(_, part)| double(part) || several(part));
    wrong.copied().collect()
}

fn key_of(line: &str) -> &str {
    line.split('=').next().unwrap_or_default().trim()
}

fn said_twice(lines: &[&str], line: usize) -> String {
    let key = key_of(lines.get(line - 1).copied().unwrap_or_default());
    let before = lines.iter().take(line - 1).enumerate().rev();
    let mut same_table = before.take_while(|(_, other)| !other.trim_start().starts_with('['));
    match same_table.find(|(_, other)| other.contains('=') && key_of(other) == key) {
        Some((n, _)) => format!("{key} is said twice, first in line {}: remove one of them", n + 1),
        None => format!("{key} is said twice: remove one of them"),
    }
}

/// What is wrong in a line that cannot be read, the last one of these.
fn slip(lines: &[&str], line: &str, message: &str) -> String {
    let Some((key, value)) = line.split_once('=') else {
        return format!("this line is not understood: a line is NAME = VALUE, or {}", heads());
    };
    let (key, value) = (key.trim(), value.split(" #").next().unwrap_or_default().trim());
    // Only what stands above all parts is of the event itself.
    let inside = lines.iter().any(|line| line.trim_start().starts_with('['));
    let path = if inside { "" } else { key };
    if value.is_empty() {
        return format!("{key} has no value behind its =");
    }
    if TEXTS.contains(&key) && value.contains(['“', '”', '„', '‘', '’']) {
        let text: String = value.chars().filter(|c| !"“”„‘’\"".contains(*c)).collect();
        let right = match key {
            "pool" | "name" => format!("{key} = \"{text}\""),
            _ => advice::text(path, key, &text, "UTC", None),
        };
        return format!("the quotes are not straight: write {right}");
    }
    let is_text = TEXTS.contains(&key) && !value.contains(['"', '\'', '\\']);
    if is_text && !value.starts_with(['[', '{']) {
        let right = advice::text(path, key, value, "UTC", None);
        return format!("{key} is {value} without quotes: write {right}");
    }
    let digits = value.trim_start_matches('0');
    if COUNTS.contains(&key) && value.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    {
        let digits = if digits.is_empty() { "0" } else { digits };
        let (least, most) = advice::range(key);
        return match digits.parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => {
                format!("{key} is {value}: write {key} = {digits}, without a 0 before it")
            }
            _ => format!("{key} is {value}: write a whole number from {least} to {most}"),
        };
    }
    match (key, value.to_ascii_lowercase().as_str()) {
        ("hidden" | "ignore_email_tags", "true" | "yes" | "on") => {
            return format!("{key} is {value}: write {key} = true");
        }
        ("hidden" | "ignore_email_tags", "false" | "no" | "off") => {
            return format!("{key} is {value}: write {key} = false");
        }
        _ => {}
    }
    if key == "price" {
        return "price is not understood: write price = { amount = 2500, currency = \"GBP\" }, with the \
                amount as a whole number in the smallest unit, without a comma or a currency sign"
            .into();
    }
    if value.trim_end_matches(',').contains(',')
        && value.bytes().all(|b| b.is_ascii_digit() || b == b',')
    {
        return format!("{key} is {value}: write a whole number without a comma");
    }
    format!("{key} is not understood: texts stand in quotes, numbers do not ({message})")
}

fn heads() -> String {
    PARTS.map(|part| format!("[[{part}]]")).join(" or ")
}
