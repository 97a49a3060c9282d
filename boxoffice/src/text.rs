//! Which characters a name and an e-mail address may have.
//!
//! What nobody can see makes two names out of one: a limit per buyer can be walked around, and a list of
//! guests shows something else than it holds. So invisible characters and those that turn the direction of
//! a text are refused, but for the few that a script or an emoji is written with.

use alloc::{format, string::String};

/// Checks a text that people read: its length in characters, and that all of it can be seen.
pub(crate) fn check_text(what: &str, text: &str, min: usize, max: usize) -> Result<(), String> {
    let length = text.chars().count();
    if length < min || (min > 0 && text.trim().is_empty()) {
        return Err(format!("{what} is empty"));
    }
    if length > max {
        return Err(format!("{what} is longer than {max} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} has a line break or a control character in it"));
    }
    check_visible(what, text)
}

/// Checks a text of several lines, each ended by `\n`: its length in characters, and that all of it can be
/// seen.
pub(crate) fn check_paragraphs(what: &str, text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() > max {
        return Err(format!("{what} is longer than {max} characters"));
    }
    if let Some(c) = text.chars().find(|c| c.is_control() && *c != '\n') {
        return Err(format!(
            "{what} has a control character in it ({}); only line breaks are taken",
            code_point(c)
        ));
    }
    text.split('\n').try_for_each(|line| check_visible(what, line))
}

fn check_visible(what: &str, text: &str) -> Result<(), String> {
    let mut before = None;
    for c in text.chars() {
        if is_invisible(c) && !may_follow(c, before) {
            return Err(format!(
                "{what} has an invisible character in it ({}); type it anew",
                code_point(c)
            ));
        }
        before = Some(c);
    }
    Ok(())
}

/// Checks the name of a buyer: 1 to 200 characters that can be seen. The error says what is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    check_text("the name", name, 1, 200)
}

/// Checks an e-mail address, or that there is none. It is one address as people have them: quoted names,
/// comments, several addresses and addresses by number are refused, although some of them could be
/// written to.
pub fn check_email(address: &str) -> Result<(), String> {
    const WHAT: &str = "the e-mail address";
    if address.is_empty() {
        return Ok(());
    }
    if address.chars().count() > 254 {
        return Err(format!("{WHAT} is longer than 254 characters"));
    }
    if address.chars().any(char::is_control) {
        return Err(format!("{WHAT} has a line break or a control character in it"));
    }
    for c in address.chars() {
        if is_invisible(c) || is_format_sign(c) {
            return Err(format!(
                "{WHAT} has an invisible character in it ({}); type it anew",
                code_point(c)
            ));
        }
        if c.is_whitespace() {
            return Err(format!("{WHAT} has a space in it; write it without: name@host"));
        }
    }
    let Some((name, host)) = address.split_once('@') else {
        return Err(format!("{WHAT} is not one: name@host"));
    };
    if host.contains('@') {
        return Err(format!("{WHAT} has more than one @; give one address: name@host"));
    }
    if name.is_empty() || host.is_empty() {
        return Err(format!("{WHAT} is not one: name@host"));
    }
    let wrong_in_name = |c: &char| !is_part(*c, "!#$%&'*+-/=^_~.");
    let wrong_in_host = |c: &char| !is_part(*c, "-.");
    let wrong = name.chars().find(wrong_in_name).or_else(|| host.chars().find(wrong_in_host));
    if let Some(c) = wrong {
        return Err(format!(
            "{WHAT} has “{c}” in it, which is no part of one; give one: name@host"
        ));
    }
    if [name, host].iter().any(|part| part.split('.').any(str::is_empty)) {
        return Err(format!(
            "{WHAT} has a dot at the beginning or the end of a part, or two dots in a row"
        ));
    }
    let wrong_label = |l: &str| l.starts_with('-') || l.ends_with('-') || l.chars().count() > 63;
    if host.split('.').any(wrong_label) {
        return Err(format!(
            "{WHAT} names a host that cannot be one; check what comes after the @"
        ));
    }
    Ok(())
}

/// Whether a character may be part of an address: an ASCII letter or digit, one of `more`, or a letter of
/// another script as it is usually written.
fn is_part(c: char, more: &str) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || more.contains(c) } else { !is_look_alike(c) }
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Whether a character leaves no trace on a screen, or turns the direction of what is around it.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Format characters (general category Cf) that can be seen, such as the signs before Arabic numbers.
fn is_format_sign(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{110bd}' | '\u{110cd}')
}

/// Whether an invisible character has its use right after another one.
fn may_follow(c: char, before: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match c {
        // They say how letters join, which changes words of Persian and of Indian scripts; and they make
        // one emoji of several. Latin, Greek and Cyrillic letters have no use for them.
        '\u{200c}' | '\u{200d}' => {
            let joins = !matches!(before,
                '\0'..'\u{590}' | '\u{1c80}'..='\u{1c8f}' | '\u{1d00}'..='\u{2027}'
                | '\u{2c60}'..='\u{2c7f}' | '\u{a640}'..='\u{a69f}' | '\u{a720}'..='\u{a7ff}'
                | '\u{ab30}'..='\u{ab6f}' | '\u{fb00}'..='\u{fb17}' | '\u{ff00}'..='\u{ffef}');
            joins && !before.is_whitespace() && (before == '\u{fe0f}' || !is_invisible(before))
        }
        // How an emoji or a sign is drawn.
        '\u{fe00}'..='\u{fe0f}' => {
            matches!(before, '0'..='9' | '#' | '*' | '©' | '®' | '\u{203c}'..)
                && !is_invisible(before)
        }
        '\u{180b}'..='\u{180d}' | '\u{180f}' => matches!(before, '\u{1820}'..='\u{18aa}'),
        // Which form of a Chinese character is meant: two families may differ in nothing else.
        '\u{e0100}'..='\u{e01ef}' => {
            matches!(before, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        }
        // The flags of England, Scotland and Wales.
        '\u{e0020}'..='\u{e007f}' => matches!(before, '\u{1f3f4}' | '\u{e0020}'..='\u{e007e}'),
        _ => false,
    }
}

/// Characters that are only another form of usual ones (full width, superscript, mathematical, circled,
/// ligatures), punctuation, and those that have no meaning of their own.
fn is_look_alike(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{b6}' | '\u{b8}'..='\u{bf}' | '\u{d7}' | '\u{f7}' | '\u{2000}'..='\u{209f}'
        | '\u{2100}'..='\u{218f}' | '\u{2460}'..='\u{24ff}' | '\u{2e00}'..='\u{2e7f}'
        | '\u{3000}'..='\u{3004}' | '\u{3008}'..='\u{3030}' | '\u{3200}'..='\u{33ff}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fb00}'..='\u{fdff}' | '\u{fe10}'..='\u{fe6f}'
        | '\u{fe70}'..='\u{ffff}' | '\u{1d400}'..='\u{1d7ff}' | '\u{1ee00}'..='\u{1eeff}'
        | '\u{1f100}'..='\u{1f2ff}' | '\u{f0000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_people_have_are_taken() {
        for address in [
            "",
            "ann@example.org",
            "ann+x@example.org",
            "o'brien@example.org",
            "jürgen@example.org",
            "ju\u{308}rgen@example.org",
            "ann@müller.example",
            "a@b.co",
            "a@b",
            "ann@localhost",
            "ann_b.c-d@sub.example-shop.org",
            "ANN@EXAMPLE.ORG",
            "1@2.3",
            "анна@пример.рф",
            "安@例え.jp",
            "ann@xn--mller-kva.example",
            "josé@example.org",
            "राम@उदाहरण.भारत",
            "x/y=z@example.org",
        ] {
            assert_eq!(check_email(address), Ok(()), "{address}");
        }
        for longest in ["x".repeat(249) + "@b.co", format!("a@{}.org", "x".repeat(63))] {
            assert_eq!(check_email(&longest), Ok(()), "{longest}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let many = "x".repeat(250) + "@b.co";
        let label = format!("a@{}.org", "x".repeat(64));
        for (address, reason) in [
            ("ann", "is not one"),
            ("@example.org", "is not one"),
            ("ann@", "is not one"),
            ("@", "is not one"),
            ("ann@@example.org", "more than one @"),
            ("ann@example.org,bob@example.org", "more than one @"),
            ("a@b@c", "more than one @"),
            ("ann@example.org;bob@example.org", "more than one @"),
            ("a b@example.org", "a space"),
            ("ann@exam\u{a0}ple.org", "a space"),
            ("ann@example.org\n", "control"),
            ("an\u{7f}n@example.org", "control"),
            ("an\u{200b}n@example.org", "(U+200B)"),
            ("an\u{200d}n@example.org", "invisible"),
            ("a\u{ad}nn@example.org", "(U+00AD)"),
            ("\u{feff}ann@example.org", "invisible"),
            ("ann@example.org\u{202e}", "invisible"),
            ("ann@exa\u{2060}mple.org", "invisible"),
            ("ann\u{fe0f}@example.org", "invisible"),
            ("ann\u{600}@example.org", "invisible"),
            ("ann\u{3164}@example.org", "invisible"),
            ("ann\u{e0041}@example.org", "invisible"),
            ("\"ann\"@example.org", "“\"”"),
            ("<ann@example.org>", "“<”"),
            ("ann@example.org(c)", "“(”"),
            ("a,b@example.org", "“,”"),
            ("a;b@example.org", "“;”"),
            ("mailto:ann@example.org", "“:”"),
            ("ann@[127.0.0.1]", "“[”"),
            ("ann@example.org?cc=bob", "“?”"),
            ("ann?@example.org", "“?”"),
            ("a\\b@example.org", "“\\”"),
            ("{ann}@example.org", "“{”"),
            ("`ann`@example.org", "“`”"),
            ("ann@exam_ple.org", "“_”"),
            ("ann@example.org/x", "“/”"),
            ("ａnn@example.org", "no part"),
            ("ann@ｅxample.org", "no part"),
            ("ann＠example.org", "is not one"),
            ("ann@example。org", "no part"),
            ("ann@ex①.org", "no part"),
            ("ann@𝐞xample.org", "no part"),
            ("“ann”@example.org", "no part"),
            ("ann@ﬁne.org", "no part"),
            (".ann@example.org", "a dot"),
            ("ann.@example.org", "a dot"),
            ("an..n@example.org", "a dot"),
            ("ann@.example.org", "a dot"),
            ("ann@example.org.", "a dot"),
            ("ann@example..org", "a dot"),
            ("ann@.", "a dot"),
            ("ann@-example.org", "a host"),
            ("ann@example-.org", "a host"),
            (many.as_str(), "longer than 254"),
            (label.as_str(), "a host"),
        ] {
            let told = check_email(address).expect_err(address);
            assert!(
                told.starts_with("the e-mail address ") && told.contains(reason),
                "{address}: {told}"
            );
        }
    }

    #[test]
    fn names_of_all_scripts_are_taken() {
        for name in [
            "Ann",
            "O'Brien \"Bob\"",
            "José",
            "Jose\u{301}",
            "נועה",
            "مي\u{200c}خواهم",
            "क्\u{200d}ष",
            "മോഹന്\u{200d}",
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "🎟\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "葛\u{e0100}城",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "ᠮᠣᠩᠭᠣᠯ\u{180b}",
            "李小龍",
            "Ann (Mrs.) & Bob <x@y>",
            "ﷺ",
            "ａｎｎ",
        ] {
            assert_eq!(check_text("the name", name, 1, 200), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_description_has_lines_and_nothing_that_cannot_be_seen() {
        let told = |text: &str| check_paragraphs("the description", text, 20);
        for text in ["", "One.\n\nTwo.", "\n", "👩\u{200d}👩\n❤\u{fe0f}", "ééééééééééééééééé\nüü"]
        {
            assert_eq!(told(text), Ok(()), "{text}");
        }
        for (text, reason) in [
            ("one\ttwo", "a control character in it (U+0009)"),
            ("one\r\ntwo", "(U+000D)"),
            ("\0", "(U+0000)"),
            ("One.\n\u{200d}Two.", "invisible"),
            ("One.\u{2028}Two.", "invisible"),
            ("an\u{202e}n", "invisible"),
            ("123456789012345678901", "longer than 20 characters"),
        ] {
            let told = told(text).expect_err(text);
            assert!(told.starts_with("the description ") && told.contains(reason), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_a_name() {
        for name in [
            "An\u{200b}n",
            "Ann\u{200b}",
            "\u{200b}",
            "Ann\u{200d}",
            "A\u{200c}nn",
            "\u{200d}Ann",
            "é\u{200d}",
            "Анна\u{200d}",
            "👩\u{200d}\u{200d}👩",
            "ann \u{200d}b",
            "\u{202e}nnA",
            "Ann\u{2066}",
            "Ann\u{2069}",
            "Ann\u{200f}",
            "Ann\u{200e}",
            "A\u{ad}nn",
            "\u{feff}Ann",
            "Ann\u{feff}",
            "Ann\u{2060}",
            "Ann\u{3164}",
            "\u{3164}",
            "Ann\u{ffa0}",
            "Ann\u{fe0f}",
            "A\u{34f}nn",
            "Ann\u{61c}",
            "Ann\u{2028}Bob",
            "Ann\u{2029}",
            "Ann\u{e0041}",
            "Ann\u{e0100}",
            "Ann\u{180e}",
            "Ann\u{fff9}",
        ] {
            let told = check_text("the name", name, 1, 200).expect_err(name);
            assert!(told.starts_with("the name has an invisible character in it (U+"), "{told}");
        }
        for name in ["An\nn", "An\0n", "Ann\u{7f}", "Ann\u{85}"] {
            assert!(check_text("the name", name, 1, 200).unwrap_err().contains("control"));
        }
    }
}
