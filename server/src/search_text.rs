//! Texts by which people look for orders: what an order is found by, and what somebody typed.
//!
//! Names are compared without case, accents and punctuation. A name is kept once for each of its words, beginning
//! with that word: `ada maria lovelace`, `maria lovelace ada`, `lovelace ada maria`. So one range of an index finds
//! each order in whose name a word begins with what was typed, and the same row tells whether the others fit. An
//! e-mail address is kept as it is, in lower case.

use boxoffice::Order;
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// So many words of a name are looked for at most.
const MOST_WORDS: usize = 6;
/// A text has so many bytes at most; the rest of it is not looked at.
const MOST_BYTES: usize = 96;

/// What an order is found by.
pub fn of(order: &Order) -> BTreeSet<String> {
    let mut texts = of_buyer(order);
    for guest in order.tickets.iter().filter_map(|ticket| ticket.guest.as_deref()) {
        add_name(guest, &mut texts);
    }
    texts
}

/// What an order is found by, its guests aside.
pub fn of_buyer(order: &Order) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    if !order.is_erased() {
        add_name(&order.buyer.name, &mut texts);
        let address = address(&order.buyer.email);
        texts.extend(Some(address).filter(|address| !address.is_empty()));
    }
    texts
}

fn add_name(name: &str, to: &mut BTreeSet<String>) {
    let folded = fold(name);
    let words: Vec<&str> = folded.split(' ').filter(|w| !w.is_empty()).take(MOST_WORDS).collect();
    for first in 0..words.len() {
        let turned = [&words[first..], &words[..first]].concat().join(" ");
        to.insert(cut(&turned).to_owned());
    }
}

/// An address as it is kept.
pub fn address(email: &str) -> String {
    let lower: String = email.trim().chars().flat_map(char::to_lowercase).collect();
    cut(&lower.replace(char::is_control, "\u{fffd}")).to_owned()
}

fn cut(text: &str) -> &str {
    let end = text.len().min(MOST_BYTES);
    let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// A range of texts, and what more a text of it must have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// A text begins with this.
    pub begin: String,
    /// And has, for each of these, a word that begins with it.
    pub words: Vec<String>,
    /// Whether it must be the whole text.
    pub whole: bool,
}

impl Scan {
    /// What is whole this address.
    pub fn email(email: &str) -> Scan {
        Scan { begin: address(email), words: Vec::new(), whole: true }
    }

    /// Whether a text fits.
    pub fn fits(&self, text: &str) -> bool {
        // The first word is the one that it begins with.
        let has = |word: &String| text.split(' ').skip(1).any(|w| w.starts_with(word.as_str()));
        let begins = if self.whole { text == self.begin } else { text.starts_with(&self.begin) };
        begins && self.words.iter().all(has)
    }

    /// All of the texts that fit are less than this, and not less than what they begin with.
    pub fn end(&self) -> String {
        format!("{}{}", self.begin, char::MAX)
    }
}

/// The ranges in which what somebody typed is looked for, one after the other; none if nothing was typed that
/// could be a name or an address.
pub fn scans(typed: &str) -> Vec<Scan> {
    let mut scans = Vec::new();
    let raw = address(typed);
    let folded = fold(typed);
    let words: Vec<&str> = folded.split(' ').filter(|w| !w.is_empty()).take(MOST_WORDS).collect();
    if !raw.contains(char::is_whitespace) && !raw.is_empty() && raw != folded {
        scans.push(Scan { begin: raw.clone(), words: Vec::new(), whole: false });
    }
    // Who types an address means an address.
    if raw.contains('@') && !raw.contains(char::is_whitespace) {
        return scans;
    }
    // Words as they stand in a name are one range, and a small one.
    if words.len() > 1 {
        let begin = cut(&words.join(" ")).to_owned();
        scans.push(Scan { begin, words: Vec::new(), whole: false });
    }
    // Else the longest word is the rarest, mostly.
    let longest = (0..words.len()).max_by_key(|at| (words[*at].len(), usize::MAX - at));
    if let Some(longest) = longest {
        let others = words.iter().enumerate().filter(|(at, _)| *at != longest);
        scans.push(Scan {
            begin: cut(words[longest]).to_owned(),
            words: others.map(|(_, word)| (*word).to_owned()).collect(),
            whole: false,
        });
    }
    scans
}

/// A name without case, accents and punctuation; its words are separated by one blank.
pub fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let lower = name.chars().flat_map(char::to_lowercase);
    for c in lower.nfd().filter(|c| !is_combining_mark(*c)).nfc() {
        match c {
            '\'' | '’' => {}
            c if c.is_alphanumeric() => match plain(c) {
                Some(letters) => folded.push_str(letters),
                None => folded.push(c),
            },
            _ if folded.ends_with(' ') || folded.is_empty() => {}
            _ => folded.push(' '),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// A letter of the Latin script that is no letter with an accent, as people type it who do not have it.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'æ' => "ae",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ø' => "o",
        'œ' => "oe",
        'ß' => "ss",
        'ŧ' => "t",
        'þ' => "th",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Vec<String> {
        let mut texts = BTreeSet::new();
        add_name(name, &mut texts);
        texts.into_iter().collect()
    }

    /// Whether a name is found by what was typed.
    fn finds(typed: &str, name: &str) -> bool {
        let texts = names(name);
        scans(typed).iter().any(|scan| {
            texts.iter().any(|text| {
                let within = *text >= scan.begin && *text < scan.end();
                assert!(within || !scan.fits(text), "{typed}: {text} is not in its range");
                scan.fits(text)
            })
        })
    }

    #[test]
    fn a_name_is_kept_once_for_each_word() {
        assert_eq!(
            names("Ada  Maria O’Brien-Søe"),
            [
                "ada maria obrien soe",
                "maria obrien soe ada",
                "obrien soe ada maria",
                "soe ada maria obrien"
            ]
        );
        assert_eq!(names("Ada Ada"), ["ada ada"]);
        assert!(names(" . ").is_empty());
        assert_eq!(names("李 小龙"), ["小龙 李", "李 小龙"]);
        let long = names(&"é".repeat(200));
        assert_eq!(long[0].len(), MOST_BYTES, "{long:?}");
    }

    #[test]
    fn a_name_is_found_by_the_begin_of_its_words_in_any_order() {
        let name = "Ada Maria Lovelace";
        for typed in [
            "ada",
            "ADA",
            "love",
            "Lovelace, Ada",
            "ada lovelace",
            "maria",
            "lov ad mar",
            "  ada  ",
        ] {
            assert!(finds(typed, name), "{typed}");
        }
        for typed in ["ovelace", "adam", "ada byron", "", "@", "-"] {
            assert!(!finds(typed, name), "{typed}");
        }
        assert!(finds("muller", "Jürgen Müller") && finds("Müller", "Jurgen Muller"));
        assert!(finds("strasse", "Anna Straße") && finds("lodz", "Łódź"));
    }

    #[test]
    fn an_address_is_looked_for_as_it_is() {
        let address = address(" Ada.Lovelace@Example.org ");
        assert_eq!(address, "ada.lovelace@example.org");
        let fits = |typed: &str| scans(typed).iter().any(|scan| scan.fits(&address));
        for typed in ["ada.lovelace@example.org", "ADA.love", "ada", "ada.lovelace@"] {
            assert!(fits(typed), "{typed}");
        }
        for typed in ["lovelace", "ada.lovelace@example.org.uk", "a da"] {
            assert!(!fits(typed), "{typed}");
        }
        assert!(Scan::email("ADA.lovelace@example.org").fits(&address));
        assert!(!Scan::email("ada.lovelace@example.or").fits(&address));
    }

    #[test]
    fn whatever_is_typed_has_few_ranges() {
        for typed in ["\0", "😀 a", "a@b c@d", &"x".repeat(9_000), "a b c d e f g h i j"] {
            let scans = scans(typed);
            assert!(scans.len() <= 3);
            assert!(scans.iter().all(|s| s.begin.len() <= MOST_BYTES && s.words.len() < 6));
        }
    }
}
