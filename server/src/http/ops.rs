//! For who runs the server.

use super::problem::Problem;
use super::site::Site;
use crate::metrics::ByState;
use crate::store::Database;
use crate::store::sqlite::backup_mark;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use boxoffice::{Command, OrderId};
use nts_api::ProblemCode;
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// So long the database is asked who is in.
const PRESENCE: Duration = Duration::from_millis(500);
/// So long is waited for a batch that shows whether something can be recorded again.
const PROOF: Duration = Duration::from_millis(1_500);

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: something can be sold, and nobody has asked us to stop.
pub async fn readyz(State(app): State<Arc<Site>>) -> Result<&'static str, Problem> {
    if app.draining.is_raised() || app.stop.is_raised() {
        return Err(not_ready("It is stopping."));
    }
    let health = &app.metrics.health;
    if health.is_failing() {
        // Nobody sends buyers to who is not ready, so nothing would be committed any more: ask for
        // something that changes nothing, with which the store proves that it records.
        let asked = app.sales.submit(Command::Expire { order: OrderId(0) }, None);
        _ = timeout(PROOF, asked).await;
    }
    match health.why_not() {
        Some(why) => Err(not_ready(&why)),
        None => Ok("ready\n"),
    }
}

fn not_ready(why: &str) -> Problem {
    Problem::new(ProblemCode::NotReady, why)
}

/// `GET /metrics`, in the text format of OpenMetrics.
pub async fn metrics(State(app): State<Arc<Site>>) -> Response {
    app.metrics.ready.set(i64::from(app.metrics.health.why_not().is_none()));
    app.metrics.lag.set(app.admission.overload.behind_us() as f64 / 1e6);
    for (state, orders) in app.settlement.stuck.counts() {
        app.metrics.stuck.get_or_create(&ByState { state }).set(orders);
    }
    let figures = &app.metrics.figures;
    figures.set_events(&app.catalogue.events(), app.clock.now_ms());
    // A database in trouble must not hide the other metrics: then the last figures stay.
    if let Ok(Ok(presence)) = timeout(PRESENCE, app.door.presence()).await {
        figures.set_presence(presence);
    }
    figures.set_last_backup(last_backup_s(app.config.database.told()));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.text()).into_response()
}

/// When `nts backup` last copied a database that is a file, in seconds since 1970; 0: never.
fn last_backup_s(database: &str) -> Option<i64> {
    let Ok(Database::File(path)) = Database::parse(database) else { return None };
    let made = std::fs::metadata(backup_mark(&path)).and_then(|mark| mark.modified());
    let since = made.ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    Some(since.map_or(0, |since| since.as_secs() as i64))
}
