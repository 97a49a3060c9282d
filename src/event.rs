//! `nts event`: makes and changes events of a running server.

use clap::Subcommand;
use nts_server::client;
use nts_server::http::organiser::EventBody;
use nts_server::text::plain;
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
        /// Send the key without encryption to another machine as well: everybody on the way can read it
        #[arg(long)]
        plain_http: bool,
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
    let EventCommand::Apply { file, url, organiser_key, plain_http } = command;
    if !plain_http && !client::is_private(&url) {
        return Err(format!(
            "{url} is not this machine, and http:// would show the organiser's key to everybody on the \
             way. Nothing was sent. Use https://, or say --plain-http if you trust the network."
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
            let detail = said["detail"].as_str().unwrap_or("the server gave no reason");
            let title = said["title"].as_str().unwrap_or("refused");
            return Err(format!("{} ({status}): {}", plain(title), plain(detail)));
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
