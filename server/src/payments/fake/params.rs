//! The parameters of a request, taken out by name, one after the other. What is left over at the
//! end is unknown to the endpoint, and that is an error, as it is at Stripe: a typing mistake in a
//! name must not pass in silence.

use super::answer::Fault;
use std::collections::BTreeMap;

/// Parameters as they came, by the names of the form: `metadata[nts_order]`, `expand[]`.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub fn new(pairs: Vec<(String, String)>) -> Params {
        Params(pairs)
    }

    /// Some text; not the empty text, which at Stripe means to unset something.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let Some(at) = self.0.iter().position(|(n, _)| n == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(n, _)| n == name) {
            return Err(Fault::plain(format!("{name} was given twice.")).about(name));
        }
        if value.is_empty() {
            let message = format!("{name} was given as an empty text; leave it out instead.");
            return Err(Fault::invalid("parameter_invalid_empty", message).about(name));
        }
        Ok(Some(value))
    }

    /// Some text of at most so many characters.
    pub fn short_text(&mut self, name: &str, most: usize) -> Result<Option<String>, Fault> {
        let text = self.text(name)?;
        match &text {
            Some(text) if text.chars().count() > most => {
                let message = format!("{name} is longer than {most} characters.");
                Err(Fault::plain(message).about(name))
            }
            _ => Ok(text),
        }
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok());
        match number.flatten() {
            Some(number) => Ok(Some(number)),
            None => {
                let message = format!("{name} is not a whole number.");
                Err(Fault::invalid("parameter_invalid_integer", message).about(name))
            }
        }
    }

    /// A whole number within bounds.
    pub fn integer_in(&mut self, name: &str, from: i64, to: i64) -> Result<Option<i64>, Fault> {
        match self.integer(name)? {
            Some(number) if !(from..=to).contains(&number) => {
                let message = format!("{name} must be from {from} to {to}.");
                Err(Fault::invalid("parameter_invalid_integer", message).about(name))
            }
            number => Ok(number),
        }
    }

    /// One of some words.
    pub fn one_of(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, Fault> {
        match self.text(name)? {
            Some(text) if !words.contains(&text.as_str()) => {
                let message = format!("{name} must be one of {}.", words.join(", "));
                Err(Fault::plain(message).about(name))
            }
            text => Ok(text),
        }
    }

    /// A list: `name[]` or `name[0]`, `name[1]` …
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let index = |inner: &str| inner.bytes().all(|b| b.is_ascii_digit());
        self.inside(name, index).into_iter().map(|(_, value)| value).collect()
    }

    /// Which of some properties to expand
    /// (<https://docs.stripe.com/api/expanding_objects>).
    pub fn expand(&mut self, known: Option<&str>) -> Result<bool, Fault> {
        let asked = self.list("expand");
        match asked.iter().find(|property| Some(property.as_str()) != known) {
            Some(other) => {
                let other: String = other.chars().take(64).collect();
                let message = format!("This property cannot be expanded: {other}.");
                Err(Fault::plain(message).about("expand"))
            }
            None => Ok(!asked.is_empty()),
        }
    }

    /// `metadata[…]`, within the limits of <https://docs.stripe.com/metadata>: 50 keys of 40
    /// characters with values of 500.
    pub fn metadata(&mut self) -> Result<BTreeMap<String, String>, Fault> {
        let pairs = self.inside("metadata", |inner| !inner.is_empty());
        if pairs.len() > 50 {
            let message = "metadata has more than 50 keys.";
            return Err(Fault::plain(message).about("metadata"));
        }
        let mut metadata = BTreeMap::new();
        for (key, value) in pairs {
            let param = format!("metadata[{key}]");
            if key.chars().count() > 40 || key.contains('[') || value.chars().count() > 500 {
                let message = format!("{param} is too long, or has a bracket in its name.");
                return Err(Fault::plain(message).about(param));
            }
            // An empty value unsets a key; at the beginning there is none to unset.
            if !value.is_empty() && metadata.insert(key, value).is_some() {
                let message = format!("{param} was given twice.");
                return Err(Fault::plain(message).about(param));
            }
        }
        Ok(metadata)
    }

    /// `created[gte]` and the like, as the seconds from and to which (both included) they mean.
    pub fn created(&mut self) -> Result<(i64, i64), Fault> {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        if let Some(second) = self.integer("created[gte]")? {
            from = from.max(second);
        }
        if let Some(second) = self.integer("created[gt]")? {
            from = from.max(second.saturating_add(1));
        }
        if let Some(second) = self.integer("created[lte]")? {
            to = to.min(second);
        }
        if let Some(second) = self.integer("created[lt]")? {
            to = to.min(second.saturating_sub(1));
        }
        Ok((from, to))
    }

    /// Refuses what nobody has taken out.
    pub fn end(self) -> Result<(), Fault> {
        match self.0.into_iter().next() {
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                let message = format!("Unknown parameter: {name}.");
                Err(Fault::invalid("parameter_unknown", message).about(name))
            }
            None => Ok(()),
        }
    }

    /// Takes out all `name[…]` whose inner part is wanted, as inner parts and values.
    fn inside(&mut self, name: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.0.retain(|(full, value)| {
            let inner = full.strip_prefix(name).and_then(|rest| rest.strip_prefix('['));
            match inner.and_then(|rest| rest.strip_suffix(']')) {
                Some(inner) if wanted(inner) => {
                    found.push((inner.to_owned(), value.clone()));
                    false
                }
                _ => true,
            }
        });
        found
    }
}

/// What must be there.
pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, Fault> {
    value.ok_or_else(|| {
        Fault::invalid("parameter_missing", format!("Missing parameter: {name}.")).about(name)
    })
}
