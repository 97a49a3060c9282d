//! What is counted, for Prometheus.

pub mod figures;
mod health;

pub use health::Health;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// A fixed word, never something that a client chose.
    pub reason: &'static str,
}

/// The state of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByState {
    /// Its word in the API.
    pub state: &'static str,
}

/// A mail, and what came of trying to send it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByMail {
    /// What it tells.
    pub kind: &'static str,
    /// "sent", or why not.
    pub outcome: &'static str,
}

/// What came of trying to deliver something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    /// "delivered", or why not.
    pub outcome: &'static str,
}

/// A call to the payment provider, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProviderCall {
    /// What was asked of the provider.
    pub operation: &'static str,
    /// "ok", or the kind of the error.
    pub outcome: &'static str,
}

/// A route and the class of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// The route's pattern, never the path itself: paths hold secrets.
    pub route: String,
    /// The status code.
    pub status: u16,
}

/// All of it.
pub struct Metrics {
    registry: Registry,
    /// Commits of the store.
    pub commits: Counter,
    /// Commands in a commit.
    pub batch_size: Histogram,
    /// Loading and deciding a batch.
    pub decide_seconds: Histogram,
    /// Committing a batch.
    pub commit_seconds: Histogram,
    /// Waiting in the writer's queue.
    pub waited: Histogram,
    /// Commands that wait now.
    pub queue: Gauge,
    /// Requests rejected because of overload: a full queue, a long wait, or scheduling lag.
    pub requests_shed: Counter,
    /// Faults of the store.
    pub store_faults: Counter,
    /// Batches that could not be recorded, or of which it is not known: their callers got 503.
    pub failed_batches: Counter,
    /// Batches that made way for another process.
    pub overtaken: Counter,
    /// 1 if something can be sold, when it was looked last.
    pub ready: Gauge,
    /// Whether something can be sold, and why not.
    pub health: Health,
    /// 1 while the database is in an earlier state than it was, and nobody has accepted it.
    pub history_went_back: Gauge,
    /// 1 if what is acknowledged is on a synchronous standby as well.
    pub on_standby: Gauge,
    /// Holds that were given.
    pub holds: Counter,
    /// Commands that the rules refused, by reason.
    pub refusals: Family<ByReason, Counter>,
    /// Requests over the budget of their client or e-mail address, by reason.
    pub limited: Family<ByReason, Counter>,
    /// Holds that ran out unpaid, of clients that are counted.
    pub ran_out: Counter,
    /// Unpaid orders that are counted for their clients.
    pub unpaid_orders: Gauge,
    /// 1 while very many attempts to pay are declined.
    pub declines_high: Gauge,
    /// Orders by the state they reached.
    pub orders: Family<ByState, Counter>,
    /// Calls to the payment provider, by operation and outcome.
    pub provider: Family<ProviderCall, Counter>,
    /// Orders that cannot move on, by state.
    pub stuck: Family<ByState, Gauge>,
    /// Alarms that a person should look at.
    pub alarms: Counter,
    /// 1 while the mail relay takes no mail because of our settings.
    pub mail_relay_fault: Gauge,
    /// HTTP requests by route and status.
    pub http: Family<Route, Counter>,
    /// Time to answer a request.
    pub http_seconds: Histogram,
    /// Open connections.
    pub connections: Gauge,
    /// How far the server is behind.
    pub lag: Gauge<f64, AtomicU64>,
    /// How far the database's clock is ahead of this machine's.
    pub database_clock_ahead: Gauge<f64, AtomicU64>,
    /// Mails by what they tell and what came of trying to send them.
    pub mails: Family<ByMail, Counter>,
    /// Tries to deliver messages to webhooks, by what came of them.
    pub webhooks: Family<ByOutcome, Counter>,
    /// Mails that wait.
    pub mails_waiting: Gauge,
    /// How long the oldest of them has waited.
    pub oldest_mail: Gauge<f64, AtomicU64>,
    /// Numbers of events, amounts, and the time of the last backup.
    pub figures: Arc<figures::Figures>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let mut m = Metrics {
            registry: Registry::with_prefix("nts"),
            commits: Counter::default(),
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            decide_seconds: seconds(),
            commit_seconds: seconds(),
            waited: seconds(),
            queue: Gauge::default(),
            requests_shed: Counter::default(),
            store_faults: Counter::default(),
            failed_batches: Counter::default(),
            overtaken: Counter::default(),
            ready: Gauge::default(),
            health: Health::default(),
            history_went_back: Gauge::default(),
            on_standby: Gauge::default(),
            holds: Counter::default(),
            refusals: Family::default(),
            limited: Family::default(),
            ran_out: Counter::default(),
            unpaid_orders: Gauge::default(),
            declines_high: Gauge::default(),
            orders: Family::default(),
            provider: Family::default(),
            stuck: Family::default(),
            alarms: Counter::default(),
            mail_relay_fault: Gauge::default(),
            http: Family::default(),
            http_seconds: seconds(),
            connections: Gauge::default(),
            lag: Gauge::default(),
            database_clock_ahead: Gauge::default(),
            mails: Family::default(),
            webhooks: Family::default(),
            mails_waiting: Gauge::default(),
            oldest_mail: Gauge::default(),
            figures: Arc::default(),
        };
        let r = &mut m.registry;
        r.register("commits", "Commits of the store", m.commits.clone());
        r.register("batch_size", "Commands in a commit", m.batch_size.clone());
        r.register("decide_seconds", "Loading and deciding a batch", m.decide_seconds.clone());
        r.register("commit_seconds", "Committing a batch", m.commit_seconds.clone());
        r.register("queue_seconds", "Waiting in the writer's queue", m.waited.clone());
        r.register("queue", "Commands waiting for the writer", m.queue.clone());
        let text = "Requests rejected because of overload";
        r.register("requests_shed", text, m.requests_shed.clone());
        r.register("store_faults", "Faults of the store", m.store_faults.clone());
        let text = "Batches that could not be committed; their callers got 503";
        r.register("commits_failed", text, m.failed_batches.clone());
        r.register("overtaken", "Batches that made way for another process", m.overtaken.clone());
        r.register("ready", "1 if something can be sold", m.ready.clone());
        let text = "1 while the database is in an earlier state and nobody has accepted it";
        r.register("history_went_back", text, m.history_went_back.clone());
        let text = "1 if commits in PostgreSQL are on a synchronous standby as well";
        r.register("database_synchronous_standby", text, m.on_standby.clone());
        r.register("holds", "Holds given", m.holds.clone());
        r.register("refusals", "Refusals by reason", m.refusals.clone());
        r.register("limited", "Requests over a client's budget by reason", m.limited.clone());
        r.register("ran_out", "Holds that ran out unpaid, of counted clients", m.ran_out.clone());
        let text = "Unpaid orders that are counted for their clients";
        r.register("unpaid_orders", text, m.unpaid_orders.clone());
        let text = "1 while very many attempts to pay are declined";
        r.register("declines_high", text, m.declines_high.clone());
        r.register("orders", "Orders by the state they reached", m.orders.clone());
        r.register("provider_calls", "Calls to the payment provider", m.provider.clone());
        r.register("orders_stuck", "Orders that cannot move on, by state", m.stuck.clone());
        r.register("alarms", "Things a person should look at", m.alarms.clone());
        let text = "1 while the mail relay takes no mail because of the settings";
        r.register("mail_relay_fault", text, m.mail_relay_fault.clone());
        r.register("http_requests", "HTTP requests by route and status", m.http.clone());
        let text = "Time to answer a request";
        r.register("http_request_duration_seconds", text, m.http_seconds.clone());
        r.register("connections", "Open connections", m.connections.clone());
        r.register("lag_seconds", "How far the server is behind", m.lag.clone());
        let clock = "How far the database's clock is ahead of this machine's";
        r.register("database_clock_ahead_seconds", clock, m.database_clock_ahead.clone());
        let text = "Mails, by what they tell and what came of trying to send them";
        r.register("mails", text, m.mails.clone());
        let text = "Tries to deliver messages to webhooks, by what came of them";
        r.register("webhook_tries", text, m.webhooks.clone());
        r.register("mails_waiting", "Mails that wait to be sent", m.mails_waiting.clone());
        let text = "How long the oldest mail has waited that is to be sent";
        r.register("mail_oldest_seconds", text, m.oldest_mail.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "The version of nts", version);
        r.register_collector(Box::new(figures::Collected(Arc::clone(&m.figures))));
        m
    }
}

impl Metrics {
    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }
}

#[cfg(test)]
mod tests;
