//! `nts serve`.

use nts_server::config::Config;
use nts_server::run::Server;
use nts_server::tasks;
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Serves until the process is asked to stop (SIGINT, SIGTERM). The notes are about old names of settings.
pub fn serve(config: Config, notes: &[String]) -> Result<(), String> {
    log(&config)?;
    for note in notes {
        tracing::warn!("{note}");
    }
    let threads = match config.http_threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1)),
        n => usize::from(n),
    };
    let runtime = tasks::front(threads).map_err(|e| format!("cannot start: {e}"))?;
    let result = runtime.block_on(async {
        let server = Server::start(config).await?;
        let stop = asked_to_stop()?;
        server.serve(stop).await;
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}

fn asked_to_stop() -> Result<impl Future<Output = ()> + Send + 'static, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|e| format!("cannot listen for signals: {e}"));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn log(config: &Config) -> Result<(), String> {
    let filter: Targets = config
        .log
        .parse()
        .map_err(|e| format!("NTS_LOG: {e}. Try info, or info,nts_server=debug."))?;
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for people: not in a file, nor in a journal, nor where somebody asked for none
    // (https://no-color.org).
    let none = std::env::var_os("NO_COLOR").is_some_and(|asked| !asked.is_empty());
    let colours = std::io::stderr().is_terminal() && !none;
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let done = if config.log_format == "json" {
        registry.with(text.json()).try_init()
    } else {
        registry.with(text.with_target(false)).try_init()
    };
    done.map_err(|e| e.to_string())
}
