//! The environment: which `NTS_…` variables exist, secrets that are kept in files, and names of
//! earlier versions.
//!
//! - A variable that begins with `NTS_` and is no setting is refused: a mistyped name would otherwise be
//!   ignored without a word.
//! - Each secret can be read from a file instead: `NTS_ORGANISER_KEY_FILE` names the file that holds what
//!   `NTS_ORGANISER_KEY` would.
//! - No value of a variable, and nothing that a file holds, is quoted in an error.

use clap::{Arg, Command};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;

/// What every variable of ours begins with.
const PREFIX: &str = "NTS_";
/// What the name of a variable ends with that names a file with a secret in it.
const FILE: &str = "_FILE";
/// The largest file that is read as a secret, in bytes.
const LARGEST_SECRET: u64 = 64 * 1024;
/// Variables that have another name since version 0.2. The old name is read for one more release.
const RENAMED: &[(&str, &str)] =
    &[("NTS_PATIENCE_MS", "NTS_QUEUE_TIMEOUT_MS"), ("NTS_LAG_MS", "NTS_OVERLOAD_LAG_MS")];
/// Variables that the tests and benchmarks of this repository read. They may be set when a test starts
/// the binary.
const OF_TESTS: &[&str] = &["NTS_TEST_", "NTS_FUZZ_", "NTS_MUTANT", "NTS_SIM_"];

/// A command line that knows the environment, and what there is to say about it.
pub struct Prepared {
    /// The same commands; their defaults include what was read from files and under old names.
    pub command: Command,
    /// Sentences about old names that were used.
    pub notes: Vec<String>,
    /// Where the value of a variable comes from, if it is not the variable itself.
    pub origins: BTreeMap<String, String>,
}

/// Checks the environment and prepares the command line for it. `arguments` are those of the process,
/// with its name; only what the command that they name takes is read from files. The error is one or more
/// sentences.
pub fn prepare(
    root: Command,
    arguments: &[OsString],
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Prepared, String> {
    let ours = variables.into_iter().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let begins = name.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX));
        begins.then_some((name, value))
    });
    let ours: BTreeMap<String, OsString> = ours.collect();
    refuse_unknown(&root, &ours)?;
    let mut prepared =
        Prepared { command: Command::default(), notes: Vec::new(), origins: BTreeMap::new() };
    let command = prepared.overlay(root, arguments.get(1..).unwrap_or_default(), &ours)?;
    prepared.command = without_empty(command, &ours);
    Ok(prepared)
}

impl Prepared {
    /// Descends to the command that the arguments name, and gives its arguments what files and old names
    /// hold.
    fn overlay(
        &mut self,
        mut command: Command,
        arguments: &[OsString],
        ours: &BTreeMap<String, OsString>,
    ) -> Result<Command, String> {
        if let [first, rest @ ..] = arguments
            && let Some(named) = command.find_subcommand(first).cloned()
        {
            let named = self.overlay(named, rest, ours)?;
            let name = named.get_name().to_owned();
            return Ok(command.mut_subcommand(&name, |_| named));
        }
        let (mut wrong, mut made) = (None, Vec::new());
        for arg in command.get_arguments() {
            self.note_old_flag(arg, arguments);
            let Some(variable) = arg.get_env().and_then(OsStr::to_str) else { continue };
            match self.value_elsewhere(arg, variable, ours) {
                Ok(Some(value)) => made.push((arg.get_id().clone(), value)),
                Ok(None) => {}
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        if let Some(why) = wrong {
            return Err(why);
        }
        for (id, value) in made {
            // Flags are stronger than a default, as they are than a variable. The variable itself is empty
            // or not set.
            command = command.mut_arg(id, |arg| {
                let arg = arg.env(None::<&'static str>).required(false);
                arg.default_value(clap::builder::OsStr::from(value)).hide_default_value(true)
            });
        }
        Ok(command)
    }

    /// The value of a variable under an old name or in a file, if it has one there.
    fn value_elsewhere(
        &mut self,
        arg: &Arg,
        variable: &str,
        ours: &BTreeMap<String, OsString>,
    ) -> Result<Option<String>, String> {
        let is_set = ours.get(variable).is_some_and(|value| !value.is_empty());
        for (old, new) in RENAMED.iter().filter(|(_, new)| *new == variable) {
            let Some(value) = ours.get(*old).filter(|value| !value.is_empty()) else { continue };
            if is_set {
                self.notes.push(format!("{old} is ignored: {new}, its new name, is set as well"));
                continue;
            }
            self.notes.push(format!(
                "{old} is now called {new}. The old name still works in this version, and not in the next one"
            ));
            let value = value.to_str().ok_or_else(|| format!("{old} is not UTF-8 text."))?;
            self.origins.insert(variable.into(), format!("environment variable {old} (old name)"));
            return Ok(Some(value.into()));
        }
        let name = format!("{variable}{FILE}");
        let file = ours.get(&name).filter(|file| !file.is_empty() && is_secret(arg));
        let Some(file) = file else { return Ok(None) };
        if is_set {
            return Err(format!("{variable} and {name} are both set. Unset one of them."));
        }
        let path = Path::new(file);
        let secret =
            read_secret(path).map_err(|why| format!("{name}={}: {why}", path.display()))?;
        self.origins.insert(variable.into(), format!("file {}, by {name}", path.display()));
        Ok(Some(secret))
    }

    fn note_old_flag(&mut self, arg: &Arg, arguments: &[OsString]) {
        let Some(new) = arg.get_long() else { return };
        for old in arg.get_all_aliases().unwrap_or_default() {
            let is_it = |given: &str| {
                given
                    .strip_prefix("--")
                    .and_then(|g| g.strip_prefix(old))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            };
            if arguments.iter().filter_map(|a| a.to_str()).any(is_it) {
                self.notes.push(format!(
                    "--{old} is now called --{new}. The old name still works in this version, and not in the next one"
                ));
            }
        }
    }
}

/// The command and its subcommands without the variables that are empty. An empty one is as good as none:
/// container files pass variables on that are not set.
fn without_empty(command: Command, ours: &BTreeMap<String, OsString>) -> Command {
    let is_empty = |arg: &Arg| {
        let variable = arg.get_env().and_then(OsStr::to_str);
        variable.and_then(|variable| ours.get(variable)).is_some_and(|value| value.is_empty())
    };
    let strip = |arg: Arg| if is_empty(&arg) { arg.env(None::<&'static str>) } else { arg };
    command.mut_args(strip).mut_subcommands(|sub| without_empty(sub, ours))
}

/// Whether a setting is a secret, or may contain one: its value is not shown in help texts.
pub fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

/// Every variable that a command or one of its subcommands reads.
fn known(command: &Command, names: &mut BTreeSet<String>) {
    for arg in command.get_arguments() {
        let Some(variable) = arg.get_env().and_then(OsStr::to_str) else { continue };
        names.insert(variable.into());
        if is_secret(arg) {
            names.insert(format!("{variable}{FILE}"));
        }
    }
    for command in command.get_subcommands() {
        known(command, names);
    }
}

fn refuse_unknown(root: &Command, ours: &BTreeMap<String, OsString>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    known(root, &mut names);
    let is_known = |name: &str| {
        names.contains(name)
            || RENAMED.iter().any(|(old, _)| *old == name)
            || OF_TESTS.iter().any(|prefix| name.starts_with(prefix))
    };
    let unknown =
        ours.iter().filter(|(name, value)| !is_known(name) && !is_service_link(name, value));
    let told: Vec<String> = unknown
        .map(|(name, _)| match nearest(name, &names) {
            Some(near) => {
                format!("{name} is set, but it is no setting of nts. Did you mean {near}?")
            }
            None => format!("{name} is set, but it is no setting of nts."),
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nCorrect the name or unset the variable. `nts config --markdown` lists all settings.",
        told.join("\n")
    ))
}

/// Whether a variable is one that Kubernetes sets in every container for a service called nts or nts-…
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>), or Docker
/// for a linked container of that name. Nobody typed it.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let is_address =
        value.to_str().is_some_and(|v| v.starts_with("tcp://") || v.starts_with("udp://"));
    let has_port = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let (port, kind) = rest.split_once('_').unwrap_or((rest, ""));
        let kinds = ["TCP", "UDP", "SCTP"];
        port.parse::<u16>().is_ok() && kinds.iter().any(|k| kind.starts_with(k))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_address)
        || has_port
}

/// The setting whose name is most like this one, if one is: at most a third of its own letters differ.
fn nearest<'a>(name: &str, names: &'a BTreeSet<String>) -> Option<&'a str> {
    let own = name.get(PREFIX.len()..).unwrap_or_default().to_ascii_uppercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&own, &known[PREFIX.len()..]);
    let near = names.iter().map(|known| (distance(known), known.as_str())).min()?;
    (near.0 * 3 <= own.len().max(3)).then_some(near.1)
}

/// The secret that a file holds: its one line. The error is the end of a sentence.
fn read_secret(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| format!("the file cannot be read: {e}."))?;
    let mut text = String::new();
    file.take(LARGEST_SECRET + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("the file cannot be read: {e}."))?;
    if text.len() as u64 > LARGEST_SECRET {
        return Err("the file is too large for a secret.".into());
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err("the file is empty.".into());
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err("the file has more than one line.".into());
    }
    Ok(line.into())
}

#[cfg(test)]
mod tests;
