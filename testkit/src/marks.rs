//! Finds what a page says that is in no catalogue of sentences: a page in the language of the tests has each
//! sentence in `⟦…⟧`.

use std::collections::BTreeMap;

/// Elements whose text nobody reads as words: scripts, pictures, codes.
const SKIPPED: [&str; 4] = ["script", "style", "svg", "code"];
/// Elements without an end.
const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];
/// Attributes that people read or hear.
const READ: [&str; 4] = ["title", "aria-label", "placeholder", "alt"];

/// All texts with letters in them that stand outside of marks. `data` is what the organiser and the buyer wrote,
/// and may stand anywhere. What names another language (`lang`) is passed over.
pub fn unmarked(html: &str, data: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<(String, bool)> = Vec::new();
    let mut depth = 0;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        if !open.iter().any(|(_, skipped)| *skipped) {
            found.extend(outside(&decoded(text), &mut depth, data));
        }
        let end = end_of(tag);
        let inner = &tag[1..end - 1];
        rest = &tag[end..];
        if inner.starts_with('!') {
            continue;
        }
        if let Some(name) = inner.strip_prefix('/') {
            let name = name.trim();
            while open.pop().is_some_and(|(opened, _)| opened != name) {}
            continue;
        }
        let name = inner.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let attributes = attributes(&inner[name.len()..]);
        let skipped = open.iter().any(|(_, skipped)| *skipped);
        if !skipped {
            for read in READ.iter().filter_map(|name| attributes.get(*name)) {
                found.extend(outside(read, &mut 0, data));
            }
            if let Some(words) = attributes.get("data-words") {
                found.extend(strings(words).iter().flat_map(|one| outside(one, &mut 0, data)));
            }
        }
        let other = name != "html" && attributes.contains_key("lang");
        if !VOID.contains(&name) && !inner.ends_with('/') {
            open.push((name.to_owned(), other || SKIPPED.contains(&name)));
        }
    }
    assert_eq!(depth, 0, "each mark has its other half: {html}");
    found
}

/// Where a tag ends that begins this text: behind its `>`, which a value in quotation marks may have as well.
fn end_of(tag: &str) -> usize {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match quote {
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if c == '>' => return at + 1,
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    panic!("a tag without an end: {tag}");
}

fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(behind) = rest.strip_prefix('=') {
            let mark = behind.chars().next().unwrap_or('"');
            if mark == '"' || mark == '\'' {
                (value, rest) = behind[1..].split_once(mark).expect("an end of the value");
            } else {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                (value, rest) = behind.split_at(end);
            }
        }
        all.insert(name, decoded(value));
        rest = rest.trim_start();
    }
    all
}

/// The strings of a JSON text that are no names.
fn strings(json: &str) -> Vec<String> {
    fn collect(value: &serde_json::Value, all: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => all.push(text.clone()),
            serde_json::Value::Array(values) => values.iter().for_each(|one| collect(one, all)),
            serde_json::Value::Object(of) => of.values().for_each(|one| collect(one, all)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    collect(&serde_json::from_str(json).expect("words are JSON"), &mut all);
    all
}

fn decoded(text: &str) -> String {
    [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#38;", "&"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, is)| text.replace(entity, is))
}

/// What stands outside of marks, if it has letters. `depth`: how many marks are open before the text and behind it.
fn outside(text: &str, depth: &mut i32, data: &[&str]) -> Option<String> {
    let mut outside = String::new();
    for c in text.chars() {
        match c {
            '⟦' => *depth += 1,
            '⟧' => *depth -= 1,
            c if *depth == 0 => outside.push(c),
            _ => {}
        }
    }
    let bare = data.iter().fold(outside.clone(), |text, one| text.replace(one, ""));
    let words = bare.split(' ').filter(|word| !is_code(word));
    words.flat_map(str::chars).any(char::is_alphabetic).then(|| outside.trim().to_owned())
}

/// Whether a word has the form of a ticket's code, `4MVE-AK36-5HAY`.
fn is_code(word: &str) -> bool {
    let part = |part: &str| {
        part.len() == 4 && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    word.split('-').count() == 3 && word.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use super::unmarked;

    #[test]
    fn what_stands_outside_of_marks_is_found() {
        let fine = "<html lang=\"en-XA\"><title>⟦Tickets⟧ · Rock</title><p>⟦Until <b>⟦20:15⟧</b>.⟧ 7 £</p>\
                    <svg aria-label=\"⟦x⟧\"><text>abc</text></svg><p>4MVE-AK36-5HAY</p><a lang=\"de\" href='?a>b'>Deutsch</a>\
                    <script data-words='{\"a\":[\"⟦b⟧\",\"\"]}'></script><input placeholder=\"0\"></html>";
        assert_eq!(unmarked(fine, &["Rock"]), Vec::<String>::new());
        for (html, text) in [
            ("<p>⟦One⟧ two</p>", "two"),
            ("<p title=\"three\"></p>", "three"),
            ("<input placeholder='four'>", "four"),
            ("<script data-words='{\"a\":[\"five\"]}'></script>", "five"),
            ("<code>x</code><p>it&#39;s</p>", "it's"),
            ("<p lang=\"de\">x</p><p>six</p>", "six"),
            ("<p>4MVE-AK36-5HA</p>", "4MVE-AK36-5HA"),
        ] {
            assert_eq!(unmarked(html, &[]), [text], "{html}");
        }
    }
}
