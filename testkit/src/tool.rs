//! Programs that tests ask for a second opinion.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of packages that a script of `tools/` has fetched into `target/NAME`, if `package` is among them. `None`
/// if not, which is said with the script (with `NTS_TEST_ALL` set it is an error).
pub fn fetched(name: &str, package: &str, script: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join(option_env!("CARGO_TARGET_DIR").unwrap_or("target")).join(name);
    let packages = std::fs::read_to_string(folder.join("packages")).unwrap_or_default();
    if packages.contains(package) {
        return Some(folder);
    }
    let why = format!("{package} is not in target/{name}: run {script}, or ./check");
    assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "{why}");
    eprintln!("left out: {why}");
    None
}

/// Runs a program that is not part of this repository, with this on its standard input, and returns what it
/// writes. `None` if it is not installed, which is said with the Debian `package` that has it (with
/// `NTS_TEST_ALL` set it is an error). Panics if it fails.
pub fn tool(program: &str, package: &str, words: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(why) => {
            let why = format!("{program} (Debian: the package {package}) cannot be run: {why}");
            assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "{why}");
            eprintln!("left out: {why}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that needs no more of it may close it.
    let writes = std::thread::spawn(move || _ = stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {said}");
    Some(output.stdout)
}
