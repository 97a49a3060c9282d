//! The page of the API: every command that it shows works when it is pasted.

use crate::harness::*;
use nts_server::config::Config;
use nts_server::http::openapi::Needs;
use nts_server::http::routes::routes;
use std::path::Path;
use std::process::Command;

/// The commands of the page by their ids, as a browser would copy them.
struct Commands(String);

impl Commands {
    fn of(&self, id: &str) -> String {
        let begin = format!("id=\"curl-{id}\">");
        let after = self.0.split(&begin).nth(1).unwrap_or_else(|| panic!("no command of {id}"));
        let html = after.split("</pre>").next().unwrap();
        let marks =
            [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
        marks.iter().fold(html.to_owned(), |text, (mark, is)| text.replace(mark, is))
    }

    /// The command of an operation, with the id that it answers kept under this name.
    fn keeping(&self, name: &str, operation: &str) -> String {
        let id = "grep -o '\"id\":\"[^\"]*\"' | head -n 1 | cut -d'\"' -f4";
        format!("{name}=$({} | {id})", self.of(operation))
    }

    /// What a reader has pasted before the command of an operation.
    fn before(&self, needs: Needs) -> Vec<String> {
        let all = |ids: &[&str]| ids.iter().map(|id| self.of(id)).collect();
        match needs {
            Needs::Nothing => vec![],
            Needs::Event => all(&["put_event"]),
            Needs::CanceledEvent => all(&["put_event", "cancel_event"]),
            Needs::Keys => all(&["make_ticket_key"]),
            Needs::Link => vec![self.keeping("LINK", "make_gate_link")],
            Needs::Webhook => vec![self.keeping("WEBHOOK", "make_webhook")],
            Needs::Delivery => vec![
                self.keeping("WEBHOOK", "make_webhook"),
                self.keeping("DELIVERY", "test_webhook"),
            ],
            Needs::Held => all(&["begin"]),
            Needs::Paid => all(&["begin", "begin-pay", "begin-code"]),
            Needs::Scan => all(&["begin", "begin-pay", "begin-code", "check_in"]),
        }
    }
}

/// Runs commands in a shell, whose `curl` tells the status of each answer. The status of the last one, and what the
/// shell has said.
fn pasted(commands: &[String]) -> (Option<u16>, String) {
    let told = "curl() { command curl -sS -w '%{stderr}status %{http_code}\\n' \"$@\"; }";
    let script = format!("{told}\nKEY={KEY}\n{}\n", commands.join("\n"));
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    let said = said(&output);
    let last = said.lines().filter_map(|line| line.split("status ").nth(1)).next_back();
    (last.and_then(|status| status.trim().parse().ok()), said)
}

/// The commands of a part of a document, a block each.
fn blocks(file: &str, part: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let part = text.split(&format!("\n## {part}\n")).nth(1).expect("the part is there");
    let part = part.split("\n## ").next().unwrap();
    let blocks = part.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_first_sale_of_the_guide_works_when_it_is_pasted() {
    let dir = Dir::new("guide");
    let server = Server::start(&dir);
    let mut blocks = blocks("docs/api.md", "Your first sale");
    let address = format!("http://{}", server.address);
    assert!(blocks[0].contains("URL=http://localhost:9000\n"), "{blocks:?}");
    blocks[0] = blocks[0].replace("http://localhost:9000", &address);
    // Held, paid, read, refunded.
    assert_eq!(blocks.len(), 4);
    for (number, status) in [201, 200, 200, 200].into_iter().enumerate() {
        let (last, said) = pasted(&blocks[..=number]);
        assert_eq!(last, Some(status), "{}\n{said}", blocks[number]);
    }
    let (_, said) = pasted(&blocks);
    assert!(said.contains(r#""state":"paid""#), "{said}");
    assert!(
        said.contains(r#""state":"refunding""#) || said.contains(r#""state":"refunded""#),
        "{said}"
    );
}

#[test]
fn each_command_of_the_page_works_when_it_is_pasted() {
    // Each is asked of a server of its own, as after the first start.
    let routes = routes(&Config::from_flags([""; 0]).unwrap(), true);
    let mut tried = 0;
    for route in routes.all() {
        let Some(operation) = &route.operation else { continue };
        let dir = Dir::new("docs");
        let server = Server::start(&dir);
        let commands = Commands(server.get("/docs/api").text());
        let mut all = commands.before(operation.needs());
        all.push(commands.of(operation.id));
        let (status, said) = pasted(&all);
        assert_eq!(status, Some(operation.status()), "{}: {all:#?}\n{said}", operation.id);
        tried += 1;
    }
    assert!(tried > 30, "the routes are where they are looked for");
}

/// Asks everything that the description allows, and what it forbids, and looks whether each answer is described.
/// `tools/pypi/get` gets it.
#[test]
fn schemathesis_finds_nothing() {
    let name = "schemathesis";
    let Some(folder) = nts_testkit::fetched(name, name, "tools/pypi/get") else { return };
    let dir = Dir::new("schemathesis");
    let server = Server::start_with(&dir, &[("NTS_DEMO_TICKETS", "5000")]);
    let with = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemathesis");
    let output = Command::new(folder.join("bin/st"))
        .arg("--config-file")
        .arg(with.join("schemathesis.toml"))
        .args(["run", "--no-color", "--header", &format!("Authorization: Bearer {KEY}")])
        .arg(format!("http://{}/openapi.json", server.address))
        .current_dir(dir.path(""))
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", with)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    // All but the stream were asked, and orders were led from the hold to the refund.
    let tested = said.split("Tested: ").nth(1).and_then(|after| after.lines().next()).unwrap();
    assert!(tested.trim().parse::<usize>().unwrap() > 30, "{said}");
    let asked = Request::get("/api/v1/orders?state=refunded").bearer(KEY);
    assert_ne!(server.send(asked).json()["orders"].as_array().unwrap().len(), 0, "{said}");
}
