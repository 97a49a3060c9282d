//! `nts event`: makes and changes events of a running server.

use clap::Subcommand;
use nts_server::client;
use nts_server::http::organiser::EventBody;
use std::path::PathBuf;

/// What can be done with events.
#[derive(Subcommand)]
pub enum EventCommand {
    /// Make or change the event that FILE describes; see show.toml for an example
    Apply {
        /// A TOML file
        file: PathBuf,
        /// The server
        #[arg(long, env = "NTS_URL", default_value = "http://localhost:9000")]
        url: String,
        /// The organiser's key
        #[arg(long, env = "NTS_ORGANISER_KEY", hide_env_values = true)]
        organiser_key: String,
        /// Send the key over http:// to another machine, too: everybody on the way can read it
        #[arg(long)]
        insecure: bool,
    },
}

/// The file: the event's id beside what the API takes.
#[derive(serde::Deserialize)]
struct File {
    id: String,
    #[serde(flatten)]
    event: toml::Table,
}

/// Runs the command.
pub fn run(command: EventCommand) -> Result<(), String> {
    let EventCommand::Apply { file, url, organiser_key, insecure } = command;
    if !insecure && !is_safe(&url) {
        return Err(format!(
            "{url} is another machine, and over http:// everybody on the way can read the organiser's \
             key. Nothing was sent. Use https://, or run this on that machine with \
             --url http://localhost:9000. --insecure sends it all the same."
        ));
    }
    let name = file.display();
    let text = std::fs::read_to_string(&file).map_err(|e| format!("cannot read {name}: {e}"))?;
    let File { id, event } = toml::from_str(&text).map_err(|e| format!("{name}: {e}"))?;
    // Read as the server reads it, so that a slip is told with its place in the file.
    let body: EventBody = event.try_into().map_err(|e| format!("{name}: {e}"))?;
    body.clone().spec(&id).map_err(|e| format!("{name}: {e}"))?;
    let json = serde_json::to_vec(&body).map_err(|e| e.to_string())?;
    let target = format!("{}/api/v1/events/{id}", url.trim_end_matches('/'));
    let (status, answer) = client::put_json(&target, &organiser_key, json)?;
    let said: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    match status {
        201 => say!("{id} is on sale at {url}/events/{id}"),
        200 => say!("{id} is changed: {url}/events/{id}"),
        _ => {
            let detail = plain(said["detail"].as_str().unwrap_or("the server gave no reason"));
            let title = plain(said["title"].as_str().unwrap_or("refused"));
            return Err(format!("{title} ({status}): {detail}"));
        }
    }
    for pool in said["pools"].as_array().into_iter().flatten() {
        let count = |name: &str| pool[name].as_u64().unwrap_or_default();
        say!(
            "  {}: {} places, {} held, {} sold, {} left",
            plain(pool["id"].as_str().unwrap_or_default()),
            count("capacity"),
            count("held"),
            count("sold"),
            count("left")
        );
    }
    Ok(())
}

/// Whether a key may be sent there: encrypted, or to this machine.
fn is_safe(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return true };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    !scheme.eq_ignore_ascii_case("http") || loopback || host.eq_ignore_ascii_case("localhost")
}

/// What a server says, without what would move a terminal's cursor or change its title.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_http_to_this_machine_alone() {
        for url in [
            "http://localhost:9000",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000",
            "HTTP://LOCALHOST",
            "http://127.8.9.1",
            "https://tickets.example.org",
            "nonsense",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://tickets.example.org",
            "http://10.0.0.1:9000",
            "http://localhost.example.org",
            "http://localhost@example.org",
            "http://127.0.0.1.example.org/",
            "HTTP://example.org",
            "http://example.org#@localhost",
            "http://[2001:db8::1]:9000",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }

    #[test]
    fn a_server_does_not_write_into_the_terminal() {
        let told = plain("no\u{1b}]0;owned\u{7}\nnew line\r\u{9b}31m é “x”");
        assert!(!told.chars().any(char::is_control) && told.ends_with("é “x”"), "{told}");
    }
}
