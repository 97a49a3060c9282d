//! The language in which somebody is written to.

use core::fmt;

/// A language by its two letters (ISO 639-1). The rules do not look at it: an order keeps it, so that what is
/// written to its buyer later is in the language in which it was ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language([u8; 2]);

impl Language {
    /// English, which stands where no language is known.
    pub const EN: Language = Language(*b"en");

    /// Reads a code such as `de`. `None` if it is not two lower-case ASCII letters.
    pub const fn parse(code: &str) -> Option<Language> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => Some(Language([*a, *b])),
            _ => None,
        }
    }

    /// The code: two lower-case ASCII letters.
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.0).expect("two ASCII letters")
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn a_language_is_two_lower_case_letters() {
        for code in ["en", "de", "zz"] {
            assert_eq!(Language::parse(code).expect("a language").code(), code);
        }
        assert_eq!(Language::parse("en"), Some(Language::EN));
        for other in ["", "e", "EN", "en-GB", "eng", "é", "e1"] {
            assert_eq!(Language::parse(other), None, "{other}");
        }
    }
}
