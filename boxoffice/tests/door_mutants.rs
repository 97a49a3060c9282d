//! Do the tests of the door have teeth? Each deliberate break of it must be noticed, within some hundred walks from a
//! fixed seed that find nothing otherwise.
//!
//! `cargo test -p boxoffice --features mutants --test door_mutants -- --nocapture` shows what was seen.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod door_model;
mod door_walk;
mod door_world;
mod world;

use boxoffice::mutant::{Mutant, set};
use door_walk::{walk, walks};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::collections::BTreeSet;

/// After how many walks something is noticed, and what.
fn noticed() -> Option<(u32, String)> {
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Default::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let walked = Cell::new(0);
    let ran = TestRunner::new_with_rng(config, rng).run(&walks(), |happened| {
        walked.set(walked.get() + 1);
        walk(&happened, &mut BTreeSet::new()).map_err(TestCaseError::fail)
    });
    let text = ran.err()?.to_string();
    let first = text.lines().next().unwrap_or_default();
    Some((walked.get(), first.chars().take(150).collect()))
}

#[test]
fn every_mutant_of_the_door_is_noticed() {
    assert_eq!(noticed(), None, "nothing is broken");
    for mutant in Mutant::DOOR {
        set(Some(mutant));
        let seen = noticed();
        set(None);
        let (after, text) = seen.unwrap_or_else(|| panic!("{mutant:?} is not noticed"));
        println!("{:<16}{after:>4}  {text}", format!("{mutant:?}"));
    }
}
