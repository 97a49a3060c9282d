//! A table for tests: a key of two columns, and a column of every kind.

use super::record;

record! {
    /// A row of it.
    pub struct Sample: "sample", key 2 {
        /// Whose.
        pub owner: String,
        /// Which.
        pub number: i64,
        /// What is said about it.
        pub note: Option<String>,
        /// What belongs to it.
        pub bytes: Vec<u8>,
        /// Yes or no.
        pub flag: bool,
    }
}

impl Sample {
    pub(in crate::store) fn of(owner: &str, number: i64) -> Sample {
        let (note, bytes) = (Some("é\u{1f39f}".into()), vec![0, 255]);
        Sample { owner: owner.into(), number, note, bytes, flag: number % 2 == 0 }
    }
}
