//! Has the simulation teeth? Each deliberate break of the box office must be noticed, within a
//! stated number of runs.
//!
//! `cargo test --release -p nts-sim --features mutants --test mutants -- --nocapture` shows the
//! table: the mutant, the run that noticed it, and the promise that it broke.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice::mutant::{Mutant, set};
use nts_sim::Wishes;
use nts_sim::many::many;

/// Within how many runs a mutant must be noticed.
fn within(mutant: Mutant) -> u64 {
    match mutant {
        // A cancellation that was lost, while the bank waits for the cardholder.
        Mutant::SilenceIsDeath => 1_000,
        // A capture by hand, or one whose answer was lost, at the end of a hold.
        Mutant::LatePaymentIgnored => 1_000,
        // Several commands in one batch, and who asked for the first leaves before it is tried again.
        Mutant::AnswersShift => 1_000,
        _ => 200,
    }
}

#[test]
fn every_mutant_is_noticed() {
    // One may be asked for by name.
    let only = std::env::var("NTS_MUTANT").ok();
    let mut missed = Vec::new();
    println!("{:<24}{:>5}  promise: what was seen", "mutant", "run");
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        set(Some(mutant));
        let summary = many(1, within(mutant), &Wishes::default(), 2, &|_| ()).unwrap();
        set(None);
        let first = summary.violations.iter().min_by_key(|(plan, _)| plan.seed);
        let Some((plan, violation)) = first else {
            println!("{name:<24}    -  not within {} runs", summary.runs);
            missed.push(name);
            continue;
        };
        let text = violation.text.replace('\n', " ");
        let text: String = text.chars().take(90).collect();
        println!("{name:<24}{:>5}  {}: {text}", plan.seed, violation.promise.words());
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
