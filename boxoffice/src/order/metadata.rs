//! Metadata: a few short texts that a program keeps with an order, by keys of its own. No rule looks at them.

use crate::draft::Draft;
use crate::{Change, Decision, Order, Refusal};
use alloc::collections::{BTreeMap, btree_map::Entry};
use alloc::{format, string::String};

/// The most keys in the metadata of one order.
pub const MOST_METADATA: usize = 10;
/// The most characters of a key of metadata.
pub const MOST_METADATA_KEY: usize = 40;
/// The most characters of a value of metadata.
pub const MOST_METADATA_VALUE: usize = 200;

/// The metadata of an order: values by their keys, within the limits that [`Metadata::new`] checks. Mostly empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Of these keys and values: at most [`MOST_METADATA`], each key 1 to [`MOST_METADATA_KEY`] characters of
    /// `A` to `Z`, `a` to `z`, `0` to `9`, `_`, `.` and `-`, each value 1 to [`MOST_METADATA_VALUE`] characters
    /// without control characters, and no key twice. The error says in a few words what is wrong.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Metadata, String> {
        let mut all = BTreeMap::new();
        for (key, value) in entries {
            check_key(&key)?;
            check_value(&key, &value)?;
            match all.entry(key) {
                Entry::Occupied(there) => {
                    return Err(format!("metadata has the key “{}” twice", there.key()));
                }
                Entry::Vacant(free) => _ = free.insert(value),
            }
            if all.len() > MOST_METADATA {
                return Err(format!("metadata has more than {MOST_METADATA} keys"));
            }
        }
        Ok(Metadata(all))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys with their values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let length = key.chars().count();
    if (1..=MOST_METADATA_KEY).contains(&length) && key.chars().all(fits) {
        return Ok(());
    }
    let shown: String = key.chars().take(MOST_METADATA_KEY).collect();
    let more = if length > MOST_METADATA_KEY { "…" } else { "" };
    Err(format!(
        "“{shown}{more}” is no key of metadata: a key is 1 to {MOST_METADATA_KEY} letters from A to Z or a to z, \
         digits, “_”, “.” or “-”"
    ))
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("the value of “{key}” in metadata is empty; leave the key out"));
    }
    if value.chars().count() > MOST_METADATA_VALUE {
        return Err(format!(
            "the value of “{key}” in metadata is longer than {MOST_METADATA_VALUE} characters"
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(format!(
            "the value of “{key}” in metadata has a line break or a control character in it"
        ));
    }
    Ok(())
}

/// Puts this metadata in the place of all that the order has; in any state, for it is about neither money nor
/// tickets. But not once its buyer is erased: it may have told of the buyer.
pub(crate) fn put(order: &Order, metadata: &Metadata) -> Result<Decision, Refusal> {
    if order.is_erased() {
        return Err(Refusal::BuyerErased);
    }
    if order.metadata == *metadata {
        // The same once more.
        return Draft::default().reply_order(order);
    }

    // The point of no return.
    let mut draft = Draft::default();
    let metadata = metadata.clone();
    draft.changes.push(Change::MetadataPut { order: order.id, event: order.event, metadata });
    draft.reply_order(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn of(entries: &[(&str, &str)]) -> Result<Metadata, String> {
        Metadata::new(entries.iter().map(|(key, value)| (key.to_string(), value.to_string())))
    }

    fn numbered(count: usize) -> Result<Metadata, String> {
        Metadata::new((0..count).map(|n| (format!("k{n}"), "v".to_string())))
    }

    #[test]
    fn what_is_within_the_limits_is_kept_in_the_order_of_its_keys() {
        let (key, value) = ("k".repeat(MOST_METADATA_KEY), "ü".repeat(MOST_METADATA_VALUE));
        let all = of(&[("b.-_Z9", " \u{200d}<b>"), ("a", "1"), (&key, &value)]).unwrap();
        let there: Vec<_> = all.iter().collect();
        assert_eq!(there, [("a", "1"), ("b.-_Z9", " \u{200d}<b>"), (&*key, &*value)]);
        assert!(!all.is_empty() && of(&[]).unwrap().is_empty());
        assert_eq!(numbered(MOST_METADATA).unwrap().iter().count(), MOST_METADATA);
    }

    #[test]
    fn what_is_beyond_a_limit_is_told() {
        let wrong = |entries: &[(&str, &str)], why: &str| {
            let told = of(entries).unwrap_err();
            assert!(told.contains(why), "{entries:?}: {told}");
        };
        let told = numbered(MOST_METADATA + 1).unwrap_err();
        assert_eq!(told, "metadata has more than 10 keys");
        let long = "k".repeat(MOST_METADATA_KEY + 1);
        let shown = format!("“{}…” is no key of metadata", &long[1..]);
        wrong(&[(&long, "v")], &shown);
        for key in ["", "a b", "a/b", "ä", "a\n", "$"] {
            wrong(
                &[("a", "1"), (key, "v")],
                &format!("“{key}” is no key of metadata: a key is 1 to"),
            );
        }
        wrong(&[("a", "")], "the value of “a” in metadata is empty");
        let long = "ü".repeat(MOST_METADATA_VALUE + 1);
        wrong(&[("a", &long)], "the value of “a” in metadata is longer than 200 characters");
        for value in ["a\nb", "\0", "\u{7f}", "\u{85}"] {
            wrong(&[("a", value)], "has a line break or a control character in it");
        }
        wrong(&[("a", "1"), ("b", "2"), ("a", "1")], "metadata has the key “a” twice");
    }
}
