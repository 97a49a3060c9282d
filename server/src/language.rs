//! What people read, in their language.
//!
//! Each sentence is a method of [`Lang`] that is declared with `words!`, with its text in every language
//! side by side: one that is missing does not compile. The sentences are grouped by where they are read, one
//! file of `language/` for each group.
//!
//! To add a language, add it to [`Lang`] and to `words!`; the compiler then names every sentence that lacks it.

pub mod format;
pub mod letters;
pub mod mail;
mod names;
mod order;
mod pdf;
mod problem;
mod question;
mod shop;
mod ticket;

use boxoffice::Language;
use std::borrow::Cow;

/// A language in which nts speaks to people.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// For tests: English, with each sentence in brackets, so that a text which is in no catalogue stands out.
    Pseudo,
}

/// A sentence in a language.
pub type Words = Cow<'static, str>;

impl Lang {
    /// The languages that people can choose.
    pub const ALL: [Lang; 4] = [Lang::En, Lang::De, Lang::Fr, Lang::Es];

    /// Its BCP 47 tag, as HTML and HTTP write it.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::De => "de",
            Lang::Fr => "fr",
            Lang::Es => "es",
            Lang::Pseudo => "en-XA",
        }
    }

    /// The language with this tag, in upper or lower case. `None` if nts does not speak it, and for the language
    /// of the tests.
    pub fn parse(tag: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(tag))
    }

    /// The language in which somebody is written to; English where nts does not speak theirs.
    pub fn of(language: Language) -> Lang {
        Lang::parse(language.code()).unwrap_or_default()
    }

    /// What an order keeps of it. The language of the tests counts as English.
    pub fn language(self) -> Language {
        Language::parse(self.tag()).unwrap_or(Language::EN)
    }
}

/// One of two words for a number, as English, German and Spanish choose it: the first for 1 alone.
/// (CLDR, plural rules.)
pub fn one(count: u64, one: &'static str, other: &'static str) -> &'static str {
    if count == 1 { one } else { other }
}

/// The same for French, which says 0 and 1 in the singular.
pub fn one_fr(count: u64, one: &'static str, other: &'static str) -> &'static str {
    if count < 2 { one } else { other }
}

/// Declares sentences: methods of [`Lang`] with their text in each language. A text is a literal, or
/// `format!` with the parameters of the sentence.
macro_rules! words {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($parameter:ident: $type:ty),* $(,)?) {
            en: $en:expr,
            de: $de:expr,
            fr: $fr:expr,
            es: $es:expr $(,)?
        }
    )*) => {
        impl $crate::language::Lang {
            $(
                $(#[$doc])*
                pub fn $name(self $(, $parameter: $type)*) -> $crate::language::Words {
                    use $crate::language::{Lang, Words};
                    match self {
                        Lang::En => Words::from($en),
                        Lang::De => Words::from($de),
                        Lang::Fr => Words::from($fr),
                        Lang::Es => Words::from($es),
                        Lang::Pseudo => Words::from(format!("⟦{}⟧", Words::from($en))),
                    }
                }
            )*
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// With a parameter.
        fn test_places(count: u64) {
            en: format!("{count} {}", one(count, "place", "places")),
            de: format!("{count} {}", one(count, "Platz", "Plätze")),
            fr: format!("{count} {}", one_fr(count, "place", "places")),
            es: format!("{count} {}", one(count, "plaza", "plazas")),
        }
        /// Without.
        fn test_no() {
            en: "no",
            de: "nein",
            fr: "non",
            es: "no",
        }
    }

    #[test]
    fn an_order_keeps_each_language() {
        for lang in Lang::ALL {
            assert_eq!(Lang::of(lang.language()), lang);
        }
        assert_eq!(Lang::Pseudo.language(), Language::EN);
        assert_eq!(Lang::of(Language::parse("nl").expect("a code")), Lang::En);
        assert_eq!(Lang::parse("DE"), Some(Lang::De));
        assert_eq!([Lang::parse("de-AT"), Lang::parse(""), Lang::parse("en-XA")], [None; 3]);
    }

    #[test]
    fn sentences_are_told_in_each_language() {
        assert_eq!(Lang::De.test_places(2), "2 Plätze");
        assert_eq!(Lang::Fr.test_places(0), "0 place");
        assert_eq!(Lang::Es.test_places(0), "0 plazas");
        assert_eq!(Lang::Pseudo.test_no(), "⟦no⟧");
        assert_eq!(Lang::ALL.map(Lang::test_no), ["no", "nein", "non", "no"]);
    }

    #[test]
    fn french_marks_stand_behind_a_space_that_does_not_break() {
        let files = [
            include_str!("language/letters.rs"),
            include_str!("language/mail.rs"),
            include_str!("language/names.rs"),
            include_str!("language/order.rs"),
            include_str!("language/pdf.rs"),
            include_str!("language/problem.rs"),
            include_str!("language/question.rs"),
            include_str!("language/shop.rs"),
            include_str!("language/ticket.rs"),
        ];
        for sentence in files.iter().flat_map(|file| file.split("fr: ").skip(1)) {
            let sentence = sentence.split("es: ").next().unwrap_or_default();
            for wrong in
                [" :", " ;", " ?", " !", "« ", " »", "\\u{a0};", "\\u{a0}?", "\\u{a0}!", "'"]
            {
                assert!(!sentence.contains(wrong), "{wrong:?} in {sentence}");
            }
        }
    }
}
