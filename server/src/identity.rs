//! The identity of a buyer: one for all ways in which people write the same address or name.
//!
//! A limit per buyer counts identities, so page, API and old routes must come to the same one. An
//! address is the same whatever its case, the space around it, the way in which its accents are
//! encoded (Unicode NFC), and whether its domain is written in its own script or as a browser sends
//! it (IDNA's ASCII form, `xn--`). Without an address the name is the identity, by the same rules, and with
//! white space of any kind and length inside it as one space.
//! Nothing else is guessed: providers differ in what they ignore.
//!
//! The orders of an existing database keep their keys: whoever changes what is an identity must
//! also change the keys that are recorded ([`buyer_key`] is what the stores' migrations call), but for those
//! of erased orders, which have their own id for a key.

#[cfg(test)]
mod fuzz;

use crate::ids::digest;
use boxoffice::{Buyer, BuyerKey, Language};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// A buyer as the core wants it, with the key of this name and address, who is written to in this language.
pub fn buyer(name: &str, email: &str, language: Language) -> Buyer {
    let key = buyer_key(name, email);
    Buyer { name: unmarked(name).trim().into(), email: email.trim().into(), key, language }
}

/// The name of a guest as the core wants it.
pub fn guest(name: &str) -> String {
    unmarked(name).trim().into()
}

/// A name without direction marks. Keyboards of scripts that are written from right to left insert them, and
/// nobody sees that they are there.
fn unmarked(name: &str) -> Cow<'_, str> {
    const MARKS: [char; 3] = ['\u{200e}', '\u{200f}', '\u{61c}'];
    if name.contains(MARKS) { name.replace(MARKS, "").into() } else { name.into() }
}

/// What identifies a buyer: the e-mail address, or the name where there is none.
pub fn buyer_key(name: &str, email: &str) -> BuyerKey {
    let (name, email) = (unmarked(name), email.trim());
    let name = name.trim();
    if email.is_empty() {
        return name_key(&spaced(name));
    }
    BuyerKey(digest(&[b"buyer", b"email", address(email).as_bytes()]))
}

/// The key that this name had while spaces inside it were counted, if it is another one.
pub fn former_name_key(name: &str) -> Option<BuyerKey> {
    let name = unmarked(name);
    let key = name_key(name.trim());
    (key != buyer_key(&name, "")).then_some(key)
}

fn name_key(name: &str) -> BuyerKey {
    BuyerKey(digest(&[b"buyer", b"name", folded(name).as_bytes()]))
}

/// A name with one space wherever it has white space of any kind: on a page they look the same.
fn spaced(name: &str) -> Cow<'_, str> {
    let plain = |(n, c): (usize, char)| !c.is_whitespace() || c == ' ' && !name[..n].ends_with(' ');
    if name.char_indices().all(plain) {
        return name.into();
    }
    name.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

/// The key of the same address without its tag (`name+tag@host` without `+tag`), if it has one.
pub fn untagged_key(email: &str) -> Option<BuyerKey> {
    let (local, domain) = email.trim().rsplit_once('@')?;
    let (name, _) = local.split_once('+').filter(|(name, _)| !name.is_empty())?;
    Some(buyer_key("", &format!("{name}@{domain}")))
}

fn address(email: &str) -> Cow<'_, str> {
    match email.rsplit_once('@') {
        Some((local, domain)) if !email.is_ascii() => {
            format!("{}@{}", folded(local), ascii_domain(domain)).into()
        }
        _ => folded(email),
    }
}

/// In lower case, and composed as far as Unicode composes it.
fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return text.to_ascii_lowercase().into();
        }
        return text.into();
    }
    // Lower case may decompose what was composed (İ), so it is composed last.
    text.nfc().collect::<String>().to_lowercase().nfc().collect::<String>().into()
}

/// A domain as a browser sends it: each label that is not ASCII in its `xn--` form (RFC 5891). A
/// domain that IDNA would refuse gets a form as well: this tells domains apart, and does not judge
/// them. Compatibility forms, such as letters of full width, are those that they stand for (UTS 46).
fn ascii_domain(domain: &str) -> String {
    let folded: String = domain.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    let labels = folded.split(['.', '\u{3002}']).map(|label| {
        if label.is_ascii() { label.to_owned() } else { format!("xn--{}", punycode(label)) }
    });
    labels.collect::<Vec<_>>().join(".")
}

/// RFC 3492, section 6.3. A label is short: nothing here can overflow.
fn punycode(label: &str) -> String {
    const BASE: u32 = 36;
    const TMIN: u32 = 1;
    const TMAX: u32 = 26;
    let digit = |value: u32| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[value as usize]);
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias) = (0x80u32, 0u64, 72u32);
    let (mut handled, all) = (basic, label.chars().count() as u32);
    while handled < all {
        let next = label.chars().map(u32::from).filter(|c| *c >= n).min().expect("one is left");
        delta += u64::from(next - n) * u64::from(handled + 1);
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta += 1;
            }
            if c != n {
                continue;
            }
            let mut q = delta;
            let mut k = BASE;
            loop {
                let t = k.saturating_sub(bias).clamp(TMIN, TMAX);
                if q < u64::from(t) {
                    break;
                }
                let over = q - u64::from(t);
                out.push(digit(t + (over % u64::from(BASE - t)) as u32));
                q = over / u64::from(BASE - t);
                k += BASE;
            }
            out.push(digit(q as u32));
            bias = adapt(delta, handled + 1, handled == basic);
            delta = 0;
            handled += 1;
        }
        delta += 1;
        n += 1;
    }
    out
}

/// RFC 3492, section 6.1.
fn adapt(delta: u64, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / u64::from(points);
    let mut k = 0;
    while delta > (36 - 1) * 26 / 2 {
        delta /= 36 - 1;
        k += 36;
    }
    k + (36 * delta / (delta + 38)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: (&str, &str), b: (&str, &str)) -> bool {
        buyer_key(a.0, a.1) == buyer_key(b.0, b.1)
    }

    #[test]
    fn direction_marks_are_no_part_of_a_name() {
        for (typed, name) in [
            ("\u{200f}עברית", "עברית"),
            ("Ann\u{200e} ", "Ann"),
            (" \u{200e} Ann Lee\u{200f}\u{61c}", "Ann Lee"),
            ("A\u{200e}nn", "Ann"),
            ("\u{200f}", ""),
        ] {
            assert_eq!(buyer(typed, "", Language::EN).name, name, "{typed:?}");
            assert_eq!(buyer_key(typed, ""), buyer_key(name, ""), "{typed:?}");
        }
        // An embedding that turns what follows is left for the box office to refuse.
        assert_eq!(buyer("\u{202e}nnA", "", Language::EN).name, "\u{202e}nnA");
    }

    #[test]
    fn one_identity_for_all_ways_to_write_an_address() {
        for ways in [
            ["ann@example.org", " ANN@Example.ORG ", "ann@example.org\t"],
            ["ann@müller.example", "Ann@xn--mller-kva.example", "ann@MU\u{308}LLER.example"],
            ["jürgen@example.org", "JU\u{308}RGEN@example.org", "J\u{dc}rgen@EXAMPLE.org"],
            ["a@straße.example", "a@xn--strae-oqa.example", "A@Straße.Example"],
            ["a@例え.テスト", "a@xn--r8jz45g.xn--zckzah", "a@例え\u{3002}テスト"],
            ["a@ｅｘａｍｐｌｅ.org", "a@example.org", "A@EXAMPLE.ORG"],
        ] {
            for way in ways {
                assert!(same(("Ann", ways[0]), ("Else", way)), "{way:?} is {:?}", ways[0]);
            }
        }
        for (name, way) in [
            ("José", "Jose\u{301}"),
            ("José", "JOSE\u{301}"),
            ("José", "  José "),
            ("Åsa", "A\u{30a}SA"),
        ] {
            assert!(same((name, ""), (way, "")), "{way:?} is {name:?}");
        }
    }

    #[test]
    fn a_name_is_one_however_its_spaces_are_written() {
        for way in
            ["Ann  Lee", "ann\u{a0}lee", " Ann \t Lee ", "Ann\u{2003}\u{3000}Lee", "Ann\u{202f}Lee"]
        {
            assert!(same(("Ann Lee", ""), (way, "")), "{way:?}");
            let was = digest(&[b"buyer", b"name", folded(way.trim()).as_bytes()]);
            assert_eq!(former_name_key(way), Some(BuyerKey(was)), "orders of earlier versions");
        }
        assert!(!same(("Ann Lee", ""), ("AnnLee", "")));
        assert_eq!((former_name_key(" Ann Lee "), former_name_key("Ann")), (None, None));
    }

    #[test]
    fn different_buyers_stay_different() {
        let all = [
            ("Ann", "ann@example.org"),
            ("Ann", "ann@example.com"),
            ("Ann", "anne@example.org"),
            ("Ann", "ann+x@example.org"),
            ("Ann", "a.nn@example.org"),
            ("Ann", "änn@example.org"),
            ("Ann", "ann@exämple.org"),
            ("Ann", "ann@muller.example"),
            ("Ann", "ann@müller.example"),
            ("ann@example.org", ""),
            ("José", ""),
            ("Jose", ""),
            ("", ""),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| !same(*a, *b)), "{a:?} is somebody else");
        }
    }

    #[test]
    fn what_is_ascii_has_the_key_that_it_always_had() {
        let was = |kind: &[u8], text: &str| BuyerKey(digest(&[b"buyer", kind, text.as_bytes()]));
        assert_eq!(buyer_key("Ann", "Ann.B+c@Example.org"), was(b"email", "ann.b+c@example.org"));
        assert_eq!(buyer_key(" Ann B ", ""), was(b"name", "ann b"));
    }

    #[test]
    fn a_tag_is_what_stands_behind_the_first_plus_of_the_name() {
        let plain = |email| Some(buyer_key("", email));
        assert_eq!(untagged_key(" Ann+x@Example.org"), plain("ann@example.org"));
        assert_eq!(untagged_key("ann+x+y@example.org"), plain("ann@example.org"));
        assert_eq!(untagged_key("ann+@müller.example"), plain("ann@xn--mller-kva.example"));
        for whole in ["ann@example.org", "+x@example.org", "ann@a+b.example", "ann", ""] {
            assert_eq!(untagged_key(whole), None, "{whole}");
        }
    }

    /// The samples of RFC 3492, section 7.1.
    #[test]
    fn punycode_is_that_of_the_rfc() {
        for (label, code) in [
            ("ليهمابتكلموشعربي؟", "egbpdaj6bu4bxfgehfvwxn"),
            ("他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"),
            ("他們爲什麽不說中文", "ihqwctvzc91f659drss3x8bo0yb"),
            ("למההםפשוטלאמדבריםעברית", "4dbcagdahymbxekheh6e0a7fei0b"),
            ("почемужеонинеговорятпорусски", "b1abfaaepdrnnbgefbadotcwatmq2g4l"),
            ("tạisaohọkhôngthểchỉnóitiếngviệt", "tisaohkhngthchnitingvit-kjcr8268qyxafd2f1b9g"),
            ("3年b組金八先生", "3b-ww4c5e180e575a65lsy2b"),
            ("majiでkoiする5秒前", "majikoi5-783gue6qz075azm5e"),
            ("そのスピードで", "d9juau41awczczp"),
            ("bücher", "bcher-kva"),
            ("ü", "tda"),
        ] {
            assert_eq!(punycode(label), code, "{label}");
        }
    }
}
