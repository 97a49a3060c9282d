//! Has the simulation teeth? Each deliberate break of the box office must be noticed, within a
//! stated number of runs.
//!
//! `cargo test --release -p nts-sim --features mutants --test mutants -- --nocapture` shows the
//! table: the mutant, after how many runs it was noticed, and the promise that it broke. With
//! `NTS_MUTANT_STARTS=9` each is tried from nine seeds on, and none by a seed that is known.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice::mutant::{Mutant, set};
use nts_sim::Wishes;
use nts_sim::many::many;

/// Within how many runs a mutant must be noticed.
fn within(mutant: Mutant) -> u64 {
    match mutant {
        // A capture by hand, or one whose answer was lost, at the end of a hold.
        Mutant::LatePaymentIgnored => 1_000,
        // Several commands in one batch, and who asked for the first leaves before it is tried again.
        Mutant::AnswersShift => 1_000,
        // A limit per buyer, and a commit that fails just when it bites.
        Mutant::CountNotUndone => 1_000,
        // A list of the provider that just fills its page, with something new on the border.
        Mutant::NextPageLate => 1_000,
        // The provider refuses what comes too fast, and no clock is moved meanwhile.
        Mutant::NoPause => 1_000,
        // The relay takes a mail three times, and each reply is lost.
        Mutant::MailUnansweredForEver => 1_000,
        _ => 200,
    }
}

/// A seed with which a mutant that shows seldom was noticed. `./check` tries it first and is quicker; where the runs are
/// others since then, the mutant is looked for as all are.
fn known(mutant: Mutant) -> Option<u64> {
    Some(match mutant {
        Mutant::CountNotUndone => 398,
        Mutant::LatePaymentIgnored => 360,
        Mutant::NoPause => 350,
        Mutant::NextPageLate => 145,
        Mutant::OwnClock => 113,
        Mutant::SumNotChecked => 93,
        Mutant::FirstPageOnly => 77,
        Mutant::GuestsRevoked => 56,
        Mutant::RevokedAdmits => 52,
        Mutant::AmountTooLarge => 49,
        Mutant::GhostInRetry => 43,
        Mutant::MailUnansweredForEver => 42,
        Mutant::LateFailureIgnored => 40,
        _ => return None,
    })
}

/// After how many runs from seed `first` on a mutant is noticed, and by what.
fn noticed(mutant: Mutant, first: u64, within: u64) -> Option<(u64, String)> {
    set(Some(mutant));
    let summary = many(first, within, &Wishes::default(), 2, &|_| ()).unwrap();
    set(None);
    let (plan, violation) = summary.violations.iter().min_by_key(|(plan, _)| plan.seed)?;
    let text = violation.text.replace('\n', " ");
    let text: String = text.chars().take(90).collect();
    Some((plan.seed - first + 1, format!("{}: {text}", violation.promise.words())))
}

#[test]
fn every_mutant_is_noticed() {
    // One may be asked for by name, and how often each is tried, each time from another seed on.
    let only = std::env::var("NTS_MUTANT").ok();
    let asked: Option<u64> =
        std::env::var("NTS_MUTANT_STARTS").ok().map(|starts| starts.parse().unwrap());
    let starts = asked.unwrap_or(1);
    let mut missed = Vec::new();
    println!("{:<24}{:>6}{:>6}  promise: what was seen", "mutant", "median", "worst");
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        if asked.is_none()
            && let Some(seed) = known(mutant)
            && let Some((_, text)) = noticed(mutant, seed, 1)
        {
            println!("{name:<24}{:>12}  {text}", format!("seed {seed}"));
            continue;
        }
        let mut runs = Vec::new();
        let mut seen = String::new();
        for start in 0..starts {
            match noticed(mutant, 1 + 10_000 * start, within(mutant)) {
                Some((after, text)) => {
                    runs.push(after);
                    seen = text;
                }
                None => {
                    runs.push(u64::MAX);
                    missed.push(format!("{name} from seed {}", 1 + 10_000 * start));
                }
            }
        }
        runs.sort_unstable();
        let shown = |after: u64| if after == u64::MAX { "-".into() } else { after.to_string() };
        let (median, worst) = (runs[runs.len() / 2], runs[runs.len() - 1]);
        println!("{name:<24}{:>6}{:>6}  {seen}", shown(median), shown(worst));
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
