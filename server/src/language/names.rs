//! The names of the languages.

use super::words;

words! {
    /// The language's own name, for those who choose one.
    fn own_name() {
        en: "English",
        de: "Deutsch",
        fr: "Français",
        es: "Español",
    }
}
