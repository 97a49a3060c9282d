//! The settings: each by flag and by environment variable, each with its default.

pub mod environment;
mod origins;

use crate::admission::Limits;
use crate::admission::network::Proxies;
use crate::mail::smtp::SmtpSettings;
use crate::payments::governor::Budget;
use crate::payments::stripe;
use crate::webhooks::address::{Allowed, Guard};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser};
pub use origins::Origins;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How `nts serve` is set up. The comments are its help.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// Address to listen on. ":9000" is port 9000 of this machine only; use 0.0.0.0 to accept
    /// connections from elsewhere
    #[arg(long, env = "NTS_ADDRESS", default_value = ":9000", value_parser = parse_address)]
    pub address: SocketAddr,

    /// Base URL that buyers see, without a slash at its end. Default: http://localhost:PORT
    #[arg(long, env = "NTS_PUBLIC_URL", value_parser = parse_url)]
    pub public_url: Option<String>,

    /// The database: one SQLite file, or postgres://user:password@host:port/name, which several nts
    /// processes can share
    #[arg(long, env = "NTS_DATABASE", hide_env_values = true, default_value = "nts.db")]
    pub database: DatabaseName,

    /// File of the sandbox, the built-in Stripe emulator. Default: beside the database file;
    /// nts.sandbox with PostgreSQL, where all processes must share it
    #[arg(long, env = "NTS_SANDBOX", value_parser = path_parser())]
    pub sandbox: Option<PathBuf>,

    /// Calls per second that the sandbox accepts from this process, a quarter of them per endpoint;
    /// 100 is the rate that Stripe allows. 0: no limit
    #[arg(long, env = "NTS_SANDBOX_CALLS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub sandbox_calls: u32,

    /// The organiser's key. If it is not set, the first start makes one and prints it once
    #[arg(long, env = "NTS_ORGANISER_KEY", hide_env_values = true)]
    pub organiser_key: Option<Hidden>,

    /// Stripe's publishable key. Without both Stripe keys nts uses the sandbox, and no money moves
    #[arg(long, env = "NTS_STRIPE_PUBLISHABLE_KEY", hide_env_values = true, default_value = "")]
    pub stripe_publishable_key: Hidden,

    /// Stripe's secret key (sk_…) or a restricted key (rk_…), of the same mode as the publishable key
    #[arg(long, env = "NTS_STRIPE_SECRET_KEY", hide_env_values = true, default_value = "")]
    pub stripe_secret_key: Hidden,

    /// Signing secret of the webhook endpoint (whsec_…). Optional: payments settle without webhooks
    #[arg(long, env = "NTS_STRIPE_WEBHOOK_SECRET", hide_env_values = true, default_value = "")]
    pub stripe_webhook_secret: Hidden,

    /// Base URL of Stripe's API, for tests; refused with a live key
    #[arg(long, env = "NTS_STRIPE_API_BASE", default_value = stripe::net::BASE, value_parser = parse_url)]
    pub stripe_api_base: String,

    /// Calls to Stripe per second in total. Default: 100 with live keys and 25 with test keys, the
    /// limits that Stripe documents
    #[arg(long, env = "NTS_STRIPE_CALLS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub stripe_calls: Option<u32>,

    /// Calls per second to one Stripe endpoint; Stripe allows 25
    #[arg(long, env = "NTS_STRIPE_ENDPOINT_CALLS", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub stripe_endpoint_calls: u32,

    /// Milliseconds after which the outcome of an unanswered call to Stripe counts as unknown
    #[arg(long, env = "NTS_STRIPE_TIMEOUT_MS", default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(100..=80_000))]
    pub stripe_timeout_ms: u64,

    /// The mail relay: smtps://user:password@host:465, or smtp://user:password@host:587 for STARTTLS; special
    /// characters of user and password as %40 and so on. If it is not set, mails wait
    #[arg(long, env = "NTS_SMTP", hide_env_values = true, default_value = "")]
    pub smtp: Hidden,

    /// PEM file of the certificates that are believed of the mail relay, instead of those that browsers
    /// believe
    #[arg(long, env = "NTS_SMTP_CA", value_parser = path_parser())]
    pub smtp_ca: Option<PathBuf>,

    /// From whom mails come: an address, or a name and an address, such as Old Town Hall
    /// <tickets@example.org>. Needed with NTS_SMTP
    #[arg(long, env = "NTS_MAIL_FROM", default_value = "")]
    pub mail_from: String,

    /// Mails per second that are handed to the relay; many allow 10 to 14
    #[arg(long, env = "NTS_MAIL_RATE", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub mail_rate: u32,

    /// Networks of your own to which messages of webhooks may go, beside the public internet: addresses or
    /// networks, separated by commas, such as 10.0.0.0/8
    #[arg(long, env = "NTS_WEBHOOK_ALLOW", default_value = "")]
    pub webhook_allow: Allowed,

    /// Origins of pages, beside our own, that may use the API from a browser: hold and pay orders, and what a key of
    /// theirs allows. Separated by commas, such as `https://www.example.org`. What is public of events any page may read
    #[arg(long, env = "NTS_CORS_ORIGINS", default_value = "")]
    pub cors_origins: Origins,

    /// The event that the old routes /nts/v1/… sell
    #[arg(long, env = "NTS_SHOW", default_value = "best-show-ever", value_parser = parse_show)]
    pub show: String,

    /// Whether a start that finds no events creates the demo event: 1 or 0. Default: 1, but 0 with a
    /// live Stripe key
    #[arg(long = "demo", env = "NTS_DEMO", default_value = "", value_parser = parse_choice)]
    pub demo_show: Choice,

    /// Number of tickets of the demo event, when the first start creates it
    #[arg(long, env = "NTS_DEMO_TICKETS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub demo_tickets: u32,

    /// Whether the front page has the form that reserves a ticket of the old routes' event by name: 1 or 0.
    /// Default: 1 until another event is on sale
    #[arg(long, env = "NTS_DEMO_CARD", default_value = "", value_parser = parse_choice)]
    pub demo_card: Choice,

    /// Commands that may wait for the writer, about one per connection; requests beyond that get 503
    #[arg(long, env = "NTS_QUEUE", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queue: u32,

    /// Milliseconds that a command may wait for the writer before it is dropped and answered with 503
    #[arg(long, alias = "patience-ms", env = "NTS_QUEUE_TIMEOUT_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub queue_timeout_ms: u64,

    /// Connections served at the same time: about 25 kB of memory each, at most 60 kB while a body is
    /// received. As many more wait for a slot; connections beyond that get 503
    #[arg(long, env = "NTS_CONNECTIONS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,

    /// Connections of one client (an IPv4 address or an IPv6 /64) while others are connected as well;
    /// the same fraction of the live count streams. Loopback and the proxies in NTS_TRUSTED_PROXIES
    /// are not limited. 0: a quarter of NTS_CONNECTIONS
    #[arg(long, env = "NTS_CLIENT_CONNECTIONS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub client_connections: u32,

    /// Days after which released orders are deleted for which no money ever moved. 0: never
    #[arg(long, env = "NTS_KEEP_RELEASED_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub keep_released_days: u32,

    /// Proxies in front of nts whose X-Forwarded-For header is trusted: addresses or networks,
    /// separated by commas, such as 127.0.0.1,10.0.0.0/8. Limits per client use the address that they
    /// report
    #[arg(long, env = "NTS_TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Proxies,

    /// Hold requests per client and minute, which is also the burst. A client is an IPv4 address or
    /// an IPv6 /64. Here and in all limits below, 0 means no limit
    #[arg(long, env = "NTS_CLIENT_HOLDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub client_holds: u32,

    /// Unpaid tickets of one client in one pool
    #[arg(long, env = "NTS_CLIENT_PLACES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub client_places: u32,

    /// Unpaid tickets of one client as a percentage of the pool; ten tickets and one full order are
    /// always allowed
    #[arg(long, env = "NTS_CLIENT_SHARE", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub client_share: u32,

    /// Unpaid tickets of one e-mail address in one event, counted separately for each client that
    /// uses it; one full order is always allowed
    #[arg(long, env = "NTS_EMAIL_PLACES", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub email_places: u32,

    /// Payment attempts per client and minute, which is also the burst
    #[arg(long, env = "NTS_CLIENT_PAYMENTS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub client_payments: u32,

    /// Declined payment attempts per client and hour
    #[arg(long, env = "NTS_CLIENT_DECLINES", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub client_declines: u32,

    /// Declined payment attempts per e-mail address and hour; above that, orders with a declined
    /// attempt cannot be paid
    #[arg(long, env = "NTS_EMAIL_DECLINES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub email_declines: u32,

    /// Order reads and cancellations per client and minute; a wrong secret counts as thirty
    #[arg(long, env = "NTS_CLIENT_LOOKUPS", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub client_lookups: u32,

    /// Shortest hold in milliseconds. After holds that expired unpaid, the next holds of the same
    /// client or of the same e-mail address from that client are shorter
    #[arg(long, env = "NTS_LEAST_HOLD_MS", default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(0..=3_600_000))]
    pub least_hold_ms: u32,

    /// Percentage of declined payment attempts within ten minutes above which nts raises an alarm,
    /// and clients and e-mail addresses with declines wait 30 seconds between attempts
    #[arg(long, env = "NTS_DECLINED_PERCENT", default_value_t = 40, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub declined_percent: u32,

    /// Scheduling lag in milliseconds above which hold requests get 503, so that buyers who already
    /// hold tickets can pay. From a quarter of it on, a growing share of event-page requests gets
    /// 503. 0: never
    #[arg(long, alias = "lag-ms", env = "NTS_OVERLOAD_LAG_MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub overload_lag_ms: u64,

    /// Largest body in bytes of an organiser's request or of a webhook from Stripe. All other
    /// requests: 16 KiB, or this if it is less
    #[arg(long, env = "NTS_BODY_BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1_024..=16_777_216))]
    pub body_bytes: u32,

    /// Milliseconds that a client may take to send the head of a request, to send its body, and to
    /// read any part of an answer; each is counted separately
    #[arg(long, env = "NTS_SLOW_CLIENT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub slow_client_ms: u64,

    /// Milliseconds to keep serving after the signal to stop, while /readyz fails, so that a load
    /// balancer can turn to other processes
    #[arg(long, env = "NTS_DRAIN_MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub drain_ms: u64,

    /// Threads for HTTP. 0: one less than the number of cores, at least one
    #[arg(long, env = "NTS_HTTP_THREADS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub http_threads: u16,

    /// Log level: error, warn, info, debug or trace; or per module: info,nts_server=debug
    #[arg(long, env = "NTS_LOG", default_value = "info", value_parser = parse_log)]
    pub log: String,

    /// Log format: text or json
    #[arg(long, env = "NTS_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,
}

/// A text that is a secret: it is not shown by mistake.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(String);

impl std::ops::Deref for Hidden {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Hidden {
    fn from(secret: String) -> Hidden {
        Hidden(secret)
    }
}

impl From<&str> for Hidden {
    fn from(secret: &str) -> Hidden {
        Hidden(secret.into())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "(set, not shown)" })
    }
}

/// Yes, no, or whatever is usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice(Option<bool>);

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("", |yes| if yes { "1" } else { "0" }))
    }
}

/// Where the database is, as it was told. It may hold a password, so it is not shown as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// As it was told, with the password if there is one.
    pub fn told(&self) -> &str {
        &self.0
    }

    /// As it was told, with the word PASSWORD in the place of a password; and whether there is one. For an
    /// address that could be understood: then what is before the first `@` is the user and the password.
    pub fn without_password(&self) -> (String, bool) {
        let (address, query) =
            self.0.split_once('?').map_or((&*self.0, None), |(a, q)| (a, Some(q)));
        let (mut shown, mut hidden) = (address.to_owned(), false);
        if let Some((scheme, rest)) = address.split_once("://")
            && let Some((user, host)) = rest.split_once('@')
            && let Some((user, _)) = user.split_once(':')
        {
            (shown, hidden) = (format!("{scheme}://{user}:PASSWORD@{host}"), true);
        }
        let pair = |pair: &str| match pair.split_once('=') {
            Some(("password" | "sslpassword", _)) => {
                hidden = true;
                "password=PASSWORD".to_owned()
            }
            _ => pair.to_owned(),
        };
        if let Some(query) = query {
            shown.push('?');
            shown.push_str(&query.split('&').map(pair).collect::<Vec<_>>().join("&"));
        }
        (shown, hidden)
    }
}

impl From<String> for DatabaseName {
    fn from(told: String) -> DatabaseName {
        DatabaseName(told)
    }
}

impl From<&str> for DatabaseName {
    fn from(told: &str) -> DatabaseName {
        DatabaseName(told.into())
    }
}

/// A file's name, or no more than that it is an address: what is before the host may be a password
/// that is not written as it should be.
impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
        match self.0.split_once("://") {
            Some((scheme, _)) if plain(scheme) => write!(f, "{scheme}://(set, not shown)"),
            // No address, and not what it was meant to be.
            None if !self.0.starts_with("postgres:") && !self.0.starts_with("postgresql:") => {
                f.write_str(&self.0)
            }
            _ => f.write_str("(set, not shown)"),
        }
    }
}

impl fmt::Debug for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is needed to speak with Stripe, checked.
pub struct StripeSettings {
    /// The secret key.
    pub secret_key: String,
    /// Whether real money moves.
    pub live: bool,
    /// The address of the API, without a slash at its end.
    pub base: String,
    /// How often Stripe may be called.
    pub budget: Budget,
    /// How long one call may take.
    pub patience: Duration,
}

/// Whether a key is live; `None` if it is no such key.
fn mode(key: &str, kinds: &[&str]) -> Option<bool> {
    let (kind, rest) = key.split_once('_')?;
    let (mode, secret) = rest.split_once('_')?;
    let plain = !secret.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match mode {
        _ if !plain || !kinds.contains(&kind) => None,
        "live" => Some(true),
        "test" => Some(false),
        _ => None,
    }
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Alone {
    #[command(flatten)]
    config: Config,
}

impl Config {
    /// The settings that these flags and the environment make.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Config, clap::Error> {
        Alone::try_parse_from(flags).map(|alone| alone.config)
    }

    /// Whether a start that finds no events makes the show of the demo. With a live key only if that was
    /// asked for: nobody sells by accident.
    pub fn makes_demo_show(&self, live: bool) -> bool {
        self.demo_show.0.unwrap_or(!live)
    }

    /// Whether the front page has the form of the old routes. `others`: other events are on sale.
    pub fn shows_demo_card(&self, others: bool) -> bool {
        self.demo_card.0.unwrap_or(!others)
    }

    /// Whether this is the demo: no money can move.
    pub fn demo(&self) -> bool {
        self.stripe_secret_key.is_empty() && self.stripe_publishable_key.is_empty()
    }

    /// Where messages of webhooks may go. This machine itself may be named while no money moves.
    pub fn webhook_guard(&self) -> Guard {
        Guard { allowed: self.webhook_allow.clone(), loopback: self.demo() }
    }

    /// Checks the settings of Stripe against each other; `None` if there are none: the sandbox
    /// serves then. The error says what to change. No key is quoted in it.
    pub fn stripe(&self) -> Result<Option<StripeSettings>, String> {
        if self.demo() {
            return Ok(None);
        }
        let (secret, publishable) = (&self.stripe_secret_key, &self.stripe_publishable_key);
        if secret.is_empty() || publishable.is_empty() {
            return Err(
                "only one of Stripe's two keys is set. Set both NTS_STRIPE_SECRET_KEY and \
                        NTS_STRIPE_PUBLISHABLE_KEY, or neither to serve with the sandbox."
                    .into(),
            );
        }
        let live = match (mode(secret, &["sk", "rk"]), mode(publishable, &["pk"])) {
            (None, _) => {
                return Err(
                    "NTS_STRIPE_SECRET_KEY is no secret key of Stripe's: expected sk_live_…, \
                            sk_test_…, rk_live_… or rk_test_…."
                        .into(),
                );
            }
            (_, None) => {
                return Err(
                    "NTS_STRIPE_PUBLISHABLE_KEY is no publishable key of Stripe's: expected \
                            pk_live_… or pk_test_…."
                        .into(),
                );
            }
            (Some(a), Some(b)) if a != b => {
                return Err(
                    "one of Stripe's keys is live and the other is for tests: buyers could \
                            not pay. Take both from the same mode of Stripe's dashboard."
                        .into(),
                );
            }
            (Some(live), _) => live,
        };
        let base = match self.stripe_api_base.as_str() {
            "" => stripe::net::BASE.to_owned(),
            base => base.to_owned(),
        };
        if live && base != stripe::net::BASE {
            return Err(
                "NTS_STRIPE_API_BASE is set together with a live key. A live key is sent to \
                        Stripe and to nobody else: unset one of them."
                    .into(),
            );
        }
        let webhook = &self.stripe_webhook_secret;
        if !webhook.is_empty() && !webhook.starts_with("whsec_") {
            return Err("NTS_STRIPE_WEBHOOK_SECRET is no webhook secret of Stripe's: expected \
                        whsec_…, from the page of the webhook endpoint."
                .into());
        }
        // https://docs.stripe.com/rate-limits: a sandbox may be asked a quarter as often.
        let all = self.stripe_calls.unwrap_or(if live { 100 } else { 25 });
        let budget = Budget { each: self.stripe_endpoint_calls, all };
        let patience = Duration::from_millis(self.stripe_timeout_ms);
        Ok(Some(StripeSettings { secret_key: secret.to_string(), live, base, budget, patience }))
    }

    /// The mail relay; `None` if none is set: mails wait then. The error says what to change, without the
    /// password.
    pub fn mail(&self) -> Result<Option<SmtpSettings>, String> {
        if self.smtp.is_empty() {
            return Ok(None);
        }
        let ca = self.smtp_ca.as_deref().filter(|path| !path.as_os_str().is_empty());
        SmtpSettings::parse(&self.smtp, ca, &self.mail_from, &self.public_url()).map(Some)
    }

    /// Checks the organiser's own key, if one is set. It is not quoted in the error, as it would be if it
    /// were checked where flags are read.
    pub fn check_organiser_key(&self) -> Result<(), String> {
        let key = self.organiser_key.as_deref().unwrap_or("");
        if !key.is_empty() && (key.len() < 16 || !key.chars().all(|c| c.is_ascii_graphic())) {
            return Err(
                "NTS_ORGANISER_KEY is no key: it needs at least 16 letters, digits or signs, \
                        without spaces. openssl rand -hex 16 makes one."
                    .into(),
            );
        }
        Ok(())
    }

    /// Checks what is checked at a start, apart from files. The error says what to change.
    pub fn check(&self) -> Result<(), String> {
        self.check_organiser_key()?;
        let live = self.stripe()?.is_some_and(|keys| keys.live);
        self.mail()?;
        self.check_public_url(live)
    }

    /// With a live key the address that buyers see must begin with https://. The error says what to do.
    pub fn check_public_url(&self, live: bool) -> Result<(), String> {
        if live && !self.public_url.as_deref().unwrap_or("").starts_with("https://") {
            return Err("a live key is set, but NTS_PUBLIC_URL is not an address that begins with https://. \
                        Cards are typed into pages there, and Stripe sends buyers back there after \
                        their bank has asked them. Set it, for example to \
                        NTS_PUBLIC_URL=https://tickets.example.org."
                .into());
        }
        Ok(())
    }

    /// How often the sandbox may be called; `None`: as often as one likes. One endpoint may be called a
    /// quarter as often, as at Stripe (<https://docs.stripe.com/rate-limits>: 25 of 100).
    pub fn sandbox_budget(&self) -> Option<Budget> {
        let all = self.sandbox_calls;
        (all > 0).then_some(Budget { each: all.div_ceil(4), all })
    }

    /// How many connections one client may have while others have some, too.
    pub fn client_connections(&self) -> u32 {
        match self.client_connections {
            0 => self.connections.div_ceil(4),
            told => told,
        }
    }

    /// What each client may do.
    pub fn limits(&self) -> Limits {
        Limits {
            holds: self.client_holds,
            places: self.client_places,
            share: self.client_share,
            email_places: self.email_places,
            payments: self.client_payments,
            declines: self.client_declines,
            email_declines: self.email_declines,
            lookups: self.client_lookups,
            least_hold_ms: self.least_hold_ms,
            declined_percent: self.declined_percent,
            proxies: self.trusted_proxies.clone(),
        }
    }

    /// The address that buyers see.
    pub fn public_url(&self) -> String {
        let default = || format!("http://localhost:{}", self.address.port());
        self.public_url.clone().filter(|url| !url.is_empty()).unwrap_or_else(default)
    }

    /// Whether buyers come by HTTPS.
    pub fn is_secure(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Every setting with its variable, its default, its value now and where that comes from; secrets are not
    /// shown. `origin` tells of a setting, by its id and variable, where its value comes from.
    pub fn describe(&self, origin: impl Fn(&str, &str) -> String) -> String {
        use std::fmt::Write as _;
        let values = self.values();
        let mut text = String::new();
        for arg in Alone::command().get_arguments() {
            let Some(variable) = arg.get_env() else { continue };
            let variable = variable.to_string_lossy();
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let default = arg.get_default_values().first();
            let default = default.map_or(String::new(), |d| d.to_string_lossy().into_owned());
            let id = arg.get_id().as_str();
            let value = values.iter().find(|(name, _)| *name == id).map_or("", |(_, v)| v);
            let flag = arg.get_long().unwrap_or_default();
            let origin = origin(id, &variable);
            _ = writeln!(text, "# {help}\n# --{flag}, default: {default:?}; now: {origin}");
            _ = writeln!(text, "{variable}={value}\n");
        }
        text
    }

    /// Every setting as a row of a Markdown table: its variable, its default and its meaning. README.md has
    /// this table.
    pub fn markdown() -> String {
        use std::fmt::Write as _;
        let mut text = String::from("| variable | default | meaning |\n|---|---|---|\n");
        for arg in Alone::command().get_arguments() {
            let Some(variable) = arg.get_env() else { continue };
            let default = arg.get_default_values().first().map(|d| d.to_string_lossy());
            let default =
                default.filter(|d| !d.is_empty()).map_or(String::new(), |d| format!("`{d}`"));
            let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let variable = variable.to_string_lossy();
            if environment::is_secret(arg) {
                _ = write!(help, ". Or in a file, named by `{variable}_FILE`");
            }
            _ = writeln!(text, "| `{variable}` | {default} | {help} |");
        }
        text
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let secret = |s: &str| if s.is_empty() { "" } else { "(set, not shown)" }.to_string();
        vec![
            ("address", self.address.to_string()),
            ("public_url", self.public_url()),
            ("database", self.database.to_string()),
            ("sandbox", self.sandbox.as_ref().map_or(String::new(), |p| p.display().to_string())),
            ("sandbox_calls", self.sandbox_calls.to_string()),
            ("organiser_key", secret(self.organiser_key.as_deref().unwrap_or(""))),
            ("stripe_publishable_key", secret(&self.stripe_publishable_key)),
            ("stripe_secret_key", secret(&self.stripe_secret_key)),
            ("stripe_webhook_secret", secret(&self.stripe_webhook_secret)),
            ("stripe_api_base", self.stripe_api_base.clone()),
            ("stripe_calls", self.stripe_calls.map_or(String::new(), |calls| calls.to_string())),
            ("stripe_endpoint_calls", self.stripe_endpoint_calls.to_string()),
            ("stripe_timeout_ms", self.stripe_timeout_ms.to_string()),
            ("smtp", secret(&self.smtp)),
            ("smtp_ca", self.smtp_ca.as_ref().map_or(String::new(), |p| p.display().to_string())),
            ("mail_from", self.mail_from.clone()),
            ("mail_rate", self.mail_rate.to_string()),
            ("webhook_allow", self.webhook_allow.to_string()),
            ("cors_origins", self.cors_origins.to_string()),
            ("show", self.show.clone()),
            ("demo_show", self.demo_show.to_string()),
            ("demo_tickets", self.demo_tickets.to_string()),
            ("demo_card", self.demo_card.to_string()),
            ("queue", self.queue.to_string()),
            ("queue_timeout_ms", self.queue_timeout_ms.to_string()),
            ("connections", self.connections.to_string()),
            ("client_connections", self.client_connections().to_string()),
            ("keep_released_days", self.keep_released_days.to_string()),
            ("trusted_proxies", self.trusted_proxies.to_string()),
            ("client_holds", self.client_holds.to_string()),
            ("client_places", self.client_places.to_string()),
            ("client_share", self.client_share.to_string()),
            ("email_places", self.email_places.to_string()),
            ("client_payments", self.client_payments.to_string()),
            ("client_declines", self.client_declines.to_string()),
            ("email_declines", self.email_declines.to_string()),
            ("client_lookups", self.client_lookups.to_string()),
            ("least_hold_ms", self.least_hold_ms.to_string()),
            ("declined_percent", self.declined_percent.to_string()),
            ("overload_lag_ms", self.overload_lag_ms.to_string()),
            ("body_bytes", self.body_bytes.to_string()),
            ("slow_client_ms", self.slow_client_ms.to_string()),
            ("drain_ms", self.drain_ms.to_string()),
            ("http_threads", self.http_threads.to_string()),
            ("log", self.log.clone()),
            ("log_format", self.log_format.clone()),
        ]
    }
}

/// Understands `:9000` as the Go demo did, but on this machine alone.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.replace("localhost:", "127.0.0.1:"),
    };
    full.parse().map_err(|_| "expected an address such as :9000 or 0.0.0.0:9000".into())
}

/// A path; an empty one is as good as none.
pub fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// The id of an event, or nothing: then the old routes sell nothing.
fn parse_show(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    boxoffice::check_slug(text).map(|()| text.into())
}

/// A level, or several parts of which each is a level or MODULE=LEVEL. Another word would be taken for a
/// module and switch everything else off.
fn parse_log(text: &str) -> Result<String, String> {
    let is_level = |word: &str| {
        let word = word.trim().to_ascii_lowercase();
        ["off", "error", "warn", "info", "debug", "trace"].contains(&word.as_str())
    };
    for part in text.split(',') {
        let (module, level) = part.split_once('=').unwrap_or(("all", part));
        if module.trim().is_empty() || !is_level(level) {
            return Err(format!(
                "“{}” is no level; expected error, warn, info, debug or trace, or per module: \
                 info,nts_server=debug",
                crate::text::cut(level.trim())
            ));
        }
    }
    Ok(text.into())
}

/// An empty value is as good as none: container files pass variables on that are not set.
fn parse_url(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    if !(text.is_empty() || text.starts_with("http://") || text.starts_with("https://")) {
        return Err("expected an address that begins with http:// or https://".into());
    }
    Ok(text.into())
}

/// An empty value is as good as none, as for addresses.
fn parse_choice(text: &str) -> Result<Choice, String> {
    match text {
        "" => Ok(Choice(None)),
        "0" => Ok(Choice(Some(false))),
        "1" => Ok(Choice(Some(true))),
        _ => Err("expected 1 or 0".into()),
    }
}

#[cfg(test)]
mod tests;
