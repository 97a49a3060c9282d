//! A wrong command line, told in the words of who typed it, or of who set the variable.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use nts_server::config::environment::Prepared;
use std::ffi::{OsStr, OsString};

/// What the parsers of numbers say, and what is meant.
const NUMBERS: [(&str, &str); 5] = [
    ("invalid digit found in string", "expected a whole number"),
    ("cannot parse integer from empty string", "expected a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
    ("number would be zero for non-zero type", "it must be at least 1"),
];

/// What is wrong. A value that comes from a variable is told with its name. Ends the process where clap's own
/// words do, or where help is asked for.
pub fn told(
    error: &Error,
    mut root: Command,
    prepared: &Prepared,
    arguments: &[OsString],
) -> String {
    let named = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(ContextValue::String(arg))) => {
            vec![arg.clone()]
        }
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(args))) => args.clone(),
        _ => error.exit(),
    };
    root.build();
    let mut text = error.to_string();
    for (theirs, ours) in NUMBERS {
        text = text.replace(theirs, ours);
    }
    for name in named {
        let Some(arg) = find(&root, &name) else { continue };
        let Some(variable) = arg.get_env().and_then(OsStr::to_str) else { continue };
        if error.kind() == ErrorKind::MissingRequiredArgument {
            text = text.replace(&name, &format!("{name}, or the variable {variable}"));
        } else if !is_given(arg, arguments) {
            let from = prepared.origins.get(variable);
            let from = from.map_or_else(|| variable.to_owned(), |o| format!("{variable} ({o})"));
            text = text.replace(&format!("'{name}'"), &from);
        }
    }
    text.trim_start_matches("error: ").trim_end().to_owned()
}

/// The argument that is shown so, of whatever command.
fn find<'c>(command: &'c Command, shown: &str) -> Option<&'c Arg> {
    let own = command.get_arguments().find(|arg| arg.to_string() == shown);
    own.or_else(|| command.get_subcommands().find_map(|sub| find(sub, shown)))
}

fn is_given(arg: &Arg, arguments: &[OsString]) -> bool {
    let flag = arg.get_long().map(|long| format!("--{long}"));
    flag.is_some_and(|flag| {
        arguments.iter().filter_map(|a| a.to_str()).any(|given| {
            given.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    })
}
