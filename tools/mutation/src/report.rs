//! Tells what came of it.

use crate::build::{Built, area_of};
use crate::find::Mutant;
use crate::run::{Verdict, verdicts};
use crate::{Result, Settings};
use std::collections::BTreeMap;
use std::fs;

/// Prints a mutant as a diff.
pub fn show(mutant: &Mutant) -> Result<()> {
    let text = fs::read_to_string(&mutant.file)?;
    let (start, end) = (mutant.range.start, mutant.range.end);
    let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let last = text[end..].find('\n').map_or(text.len(), |at| end + at);
    println!("{} {}\n--- {}:{}", mutant.number, mutant.key, mutant.file, mutant.line);
    for line in text[first..last].lines() {
        println!("-{line}");
    }
    let new = if start < end {
        format!("{}{}{}", &text[first..start], mutant.new, &text[end..last])
    } else {
        format!("{} /* {} */{}", &text[first..start], mutant.key, &text[end..last])
    };
    new.lines().for_each(|line| println!("+{line}"));
    Ok(())
}

/// The reasons in `tools/mutation/survivors.md`: each line that begins with a key in backticks. A key that
/// ends with `*` stands for all that begin like it.
struct Reasons(Vec<String>);

impl Reasons {
    fn read() -> Reasons {
        let text = fs::read_to_string("tools/mutation/survivors.md").unwrap_or_default();
        let key = |l: &str| Some(l.strip_prefix("- ``")?.split_once("``")?.0.trim().to_owned());
        Reasons(text.lines().filter_map(key).collect())
    }

    fn tell(&self, key: &str) -> bool {
        self.0.iter().any(|k| k.strip_suffix('*').map_or(k == key, |k| key.starts_with(k)))
    }
}

#[derive(Default)]
struct Row {
    mutants: usize,
    by: BTreeMap<String, usize>,
    hangs: usize,
    survivors: usize,
    explained: usize,
    not_run: usize,
    not_compiled: usize,
}

impl Row {
    fn print(&self, name: &str) {
        let noticed: usize = self.by.values().sum();
        let judged = (noticed + self.survivors).max(1);
        let score = 100.0 * noticed as f64 / judged as f64;
        let can_be = (noticed + self.survivors - self.explained).max(1);
        let adjusted = 100.0 * noticed as f64 / can_be as f64;
        let by: Vec<_> = self.by.iter().map(|(suite, n)| format!("{suite} {n}")).collect();
        println!(
            "{name}: {} mutants, {noticed} noticed ({}; {} of them hang), {} survive ({} with a \
             reason), {} not run, {} not compiled: {score:.1} %, of those that can be noticed \
             {adjusted:.1} %",
            self.mutants,
            by.join(", "),
            self.hangs,
            self.survivors,
            self.explained,
            self.not_run,
            self.not_compiled,
        );
    }
}

/// Prints how many mutants of each file and area were noticed, and the survivors without a reason.
pub fn report(settings: &Settings, built: &Built) -> Result<()> {
    let (verdicts, reasons) = (verdicts(&settings.results)?, Reasons::read());
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut open = Vec::new();
    for mutant in built.mutants.iter().filter(|m| settings.wants(m)) {
        let verdict = verdicts.get(&mutant.key);
        let explained = reasons.tell(&mutant.key);
        let area = area_of(&mutant.file).unwrap_or_default();
        for name in [&format!("  {}", mutant.file), area, "~ all"] {
            let row = rows.entry(name.to_owned()).or_default();
            row.mutants += 1;
            match verdict {
                None => row.not_run += 1,
                Some(Verdict { suite, .. }) if suite.is_empty() => {
                    row.survivors += 1;
                    row.explained += usize::from(explained);
                }
                Some(Verdict { suite, verdict, .. }) => {
                    *row.by.entry(suite.clone()).or_default() += 1;
                    row.hangs += usize::from(verdict == "hangs");
                }
            }
        }
        if let Some(v) = verdict
            && v.suite.is_empty()
            && !explained
        {
            open.push((mutant, v));
        }
    }
    for key in &built.dropped {
        let file = key.split(' ').next().unwrap_or_default();
        let area = area_of(file).unwrap_or_default();
        for name in [&format!("  {file}"), area, "~ all"] {
            if let Some(row) = rows.get_mut(name) {
                row.not_compiled += 1;
            }
        }
    }
    for (mutant, verdict) in open {
        println!("{:5} {} {}:{} {}", mutant.number, verdict.verdict, mutant.file, mutant.line, {
            mutant.key.split_once(' ').map_or("", |(_, rest)| rest)
        });
    }
    rows.iter().for_each(|(name, row)| row.print(name));
    Ok(())
}
