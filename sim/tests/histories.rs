//! A database that goes back to an earlier state, or says nothing: what holds all the same, and whether it would be
//! noticed if it did not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nts_sim::histories::{Tally, run};

const RUNS: u64 = 300;

#[tokio::test]
async fn going_back_and_silence_break_no_promise() {
    let mut all = Tally::default();
    for seed in 1..=RUNS {
        let seen = run(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        all.sold += seen.sold;
        all.lost += seen.lost;
        all.noticed += seen.noticed;
        all.silent += seen.silent;
    }
    println!("{RUNS} runs: {all:?}");
    assert!(
        all.sold > 10_000 && all.lost > 300 && all.noticed > 100 && all.silent > 300,
        "{all:?}"
    );
    #[cfg(feature = "mutants")]
    every_mutant_is_noticed();
}

/// Not a test of its own: a mutant breaks the whole process.
#[cfg(feature = "mutants")]
fn every_mutant_is_noticed() {
    use boxoffice::mutant::{Mutant, set};
    for mutant in Mutant::HISTORY {
        set(Some(mutant));
        let noticed = (1..=20).find_map(|seed| Some((seed, run(seed).err()?)));
        set(None);
        let (seed, why) = noticed.unwrap_or_else(|| panic!("{mutant:?} goes unnoticed"));
        println!("{mutant:?} is noticed after {seed} runs: {why}");
    }
}
