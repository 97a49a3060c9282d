//! A client that a public generator makes from the description of the API does a whole sale.

use crate::harness::*;
use std::path::Path;
use std::process::Command;

/// `tools/pypi/get` gets the generator.
#[test]
fn a_client_that_is_made_from_the_description_does_a_whole_sale() {
    let fetched = nts_testkit::fetched("client", "openapi-python-client", "tools/pypi/get");
    let Some(programs) = fetched.map(|folder| folder.join("bin")) else { return };
    let dir = Dir::new("client");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runs = |command: &mut Command| {
        let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let made = runs(
        Command::new(programs.join("openapi-python-client"))
            .args(["generate", "--meta", "none", "--path"])
            .arg(here.join("docs/openapi.json"))
            .arg("--output-path")
            .arg(dir.path("client")),
    );
    // Of what a client has no words for, the generator knows files of lines only.
    let left_out = made.matches("WARNING parsing").count();
    assert_eq!(
        (left_out, made.matches("Unsupported content type text/csv").count()),
        (1, 1),
        "{made}"
    );
    // Every operation tells the same of what went wrong, so there is one type for it.
    let models = std::fs::read_dir(dir.path("client/models")).unwrap();
    let names = models.map(|file| file.unwrap().file_name().into_string().unwrap());
    let of_answers: Vec<String> = names.filter(|name| name.contains("_response_")).collect();
    assert!(of_answers.is_empty(), "{of_answers:?}");
    let server = Server::start(&dir);
    let sold = runs(
        Command::new(programs.join("python"))
            .arg(here.join("tests/it/client/sale.py"))
            .arg(dir.path(""))
            .args([&format!("http://{}", server.address), KEY]),
    );
    assert!(sold.contains("sold, checked in and given back"), "{sold}");
}
