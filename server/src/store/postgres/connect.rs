//! Connecting to the one of several servers that can be used.
//!
//! An address may name several hosts, and a name may stand for several machines. Each of them has its own
//! deadline, from the first packet to the last setting, so that one which is silent (its packets are dropped),
//! mute (it accepts and says nothing) or a standby is passed over. The next one is tried as soon as one has
//! failed or has said nothing for [`STAGGER`], and the first that can be used is taken.
//!
//! Which one that is does not depend on the order alone. The server at which this process has last made a durable
//! commit is tried first, by all of its connections: two primaries are possible, and what is read must be what is
//! written. One that did not answer in time while it was connected (its commits wait for a standby that is gone,
//! say) is tried last, after all others have failed.

use super::link::{LOCK_MS, Session, Trouble};
use super::tls::Tls;
use crate::tasks::spawn;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Config, SimpleQueryMessage};

/// How long connecting to one server may take in all, unless the address says `connect_timeout`.
const CONNECT: Duration = Duration::from_secs(3);
/// The next server is tried as well if one has said nothing for so long.
const STAGGER: Duration = Duration::from_millis(300);

/// What is set for each connection, and left as it is on an engine that does not know it.
const SETTINGS: &[&str] = &[
    // A process that was stopped in the middle of a batch must not stop the others for ever.
    "SET idle_in_transaction_session_timeout = '5s'",
    "SET client_connection_check_interval = '1s'",
    // A small table is not read whole: the plan would still do so when it has grown.
    "SET enable_seqscan = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    // What is acknowledged is on the disk, whatever the database's own setting.
    "SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off'",
];

/// The setting by which a session knows itself.
const MARK: &str = "nts.session";

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// To serve: the server must accept writes.
    Serving,
    /// To look only: a standby will do where nothing else can be had.
    Looking,
}

/// One machine: which host of the address, and where that is.
pub(super) type Place = (usize, Option<IpAddr>);

/// What a process knows of the servers, shared by its connections.
#[derive(Default)]
pub(super) struct Known(Mutex<KnownPlaces>);

#[derive(Default)]
struct KnownPlaces {
    /// Where a durable commit was made last.
    home: Option<Place>,
    /// Which one did not answer in time.
    left: Option<Place>,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, KnownPlaces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A durable commit was made there.
    pub(super) fn settle(&self, place: Place) {
        *self.lock() = KnownPlaces { home: Some(place), left: None };
    }

    /// It does not answer there.
    pub(super) fn leave(&self, place: Place) {
        let mut known = self.lock();
        known.left = Some(place);
        known.home = known.home.filter(|home| *home != place);
    }

    /// Whether the process has settled somewhere else.
    pub(super) fn is_elsewhere(&self, place: Place) -> bool {
        self.lock().home.is_some_and(|home| home != place)
    }
}

/// A server that may be tried.
struct Candidate {
    place: Place,
    config: Config,
    /// For messages.
    name: String,
}

/// The hosts of an address, each with a configuration of its own.
#[derive(Clone)]
pub(super) struct Hosts {
    all: Vec<(Config, String)>,
    /// What the address asks for.
    attrs: TargetSessionAttrs,
    random: bool,
    deadline: Duration,
}

impl Hosts {
    /// The hosts of this address. The error is a sentence.
    pub(super) fn of(config: &Config) -> Result<Hosts, String> {
        let (names, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports();
        let count = names.len().max(addresses.len());
        if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
            return Err(
                "the address of the database has another number of hosts than of hostaddrs".into(),
            );
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(
                "the address of the database has another number of ports than of hosts".into()
            );
        }
        let all = (0..count).map(|nth| {
            let port = ports.get(nth).or(ports.first()).copied().unwrap_or(5432);
            let mut one = without_hosts(config);
            one.port(port);
            let mut name = String::new();
            match names.get(nth) {
                Some(Host::Tcp(host)) => {
                    one.host(host);
                    name.clone_from(host);
                }
                #[cfg(unix)]
                Some(Host::Unix(path)) => {
                    one.host_path(path);
                    name = path.display().to_string();
                }
                None => {}
            }
            if let Some(address) = addresses.get(nth) {
                one.hostaddr(*address);
                if name.is_empty() {
                    name = address.to_string();
                }
            }
            (one, if port == 5432 { name } else { format!("{name}:{port}") })
        });
        Ok(Hosts {
            all: all.collect(),
            attrs: config.get_target_session_attrs(),
            random: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            deadline: config.get_connect_timeout().copied().unwrap_or(CONNECT),
        })
    }

    /// Their names, separated by commas.
    pub(super) fn names(&self) -> String {
        self.all.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(",")
    }

    /// From now on connections are called so.
    pub(super) fn call(&mut self, name: &str) {
        for (config, _) in &mut self.all {
            config.application_name(name);
        }
    }

    /// All machines that these hosts are, and why some of them cannot be found.
    async fn find(&self) -> (Vec<Candidate>, Vec<(String, Trouble)>) {
        let looking = self.all.iter().map(|(config, _)| {
            Box::pin(addresses(config, self.deadline)) as Pin<Box<dyn Future<Output = _>>>
        });
        let found = super::link::in_order(looking.collect()).await;
        let (mut candidates, mut missing) = (Vec::new(), Vec::new());
        for (nth, (found, (config, name))) in found.into_iter().zip(&self.all).enumerate() {
            match found {
                Ok(places) => {
                    for place in places {
                        let mut config = config.clone();
                        // A name that was looked up stays the name that a certificate must have.
                        if let Some(ip) = place
                            && config.get_hostaddrs().is_empty()
                        {
                            config.hostaddr(ip);
                        }
                        candidates.push(Candidate {
                            place: (nth, place),
                            config,
                            name: name.clone(),
                        });
                    }
                }
                Err(trouble) => missing.push((name.clone(), trouble)),
            }
        }
        (candidates, missing)
    }
}

/// Everything but where it is.
fn without_hosts(told: &Config) -> Config {
    let mut config = Config::new();
    if let Some(user) = told.get_user() {
        config.user(user);
    }
    if let Some(password) = told.get_password() {
        config.password(password);
    }
    if let Some(name) = told.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = told.get_options() {
        config.options(options);
    }
    if let Some(name) = told.get_application_name() {
        config.application_name(name);
    }
    if let Some(wait) = told.get_tcp_user_timeout() {
        config.tcp_user_timeout(*wait);
    }
    if let Some(interval) = told.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = told.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
        .ssl_mode(told.get_ssl_mode())
        .ssl_negotiation(told.get_ssl_negotiation())
        .keepalives(told.get_keepalives())
        .keepalives_idle(told.get_keepalives_idle())
        .channel_binding(told.get_channel_binding());
    config
}

/// Where a host is: its addresses, or a socket in the file system.
async fn addresses(config: &Config, deadline: Duration) -> Result<Vec<Option<IpAddr>>, Trouble> {
    if let Some(address) = config.get_hostaddrs().first() {
        return Ok(vec![Some(*address)]);
    }
    let name = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name,
        _ => return Ok(vec![None]),
    };
    if let Ok(address) = name.parse() {
        return Ok(vec![Some(address)]);
    }
    let found = timeout(deadline, lookup_host((name.as_str(), 0))).await;
    let found = found.map_err(|_| Trouble::Late)?;
    let found = found.map_err(|error| Trouble::Lost(format!("its name is not known: {error}")))?;
    let mut all: Vec<Option<IpAddr>> = Vec::new();
    for address in found.map(|found| Some(found.ip())) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    if all.is_empty() { Err(Trouble::Lost("its name has no address".into())) } else { Ok(all) }
}

/// Connects to the first server that can be used.
pub(super) async fn connect(
    hosts: &Hosts,
    tls: &Tls,
    known: &Known,
    wanted: Use,
) -> Result<Session, Trouble> {
    if wanted == Use::Serving && hosts.attrs == TargetSessionAttrs::ReadOnly {
        return Err(Trouble::Unreadable(
            "target_session_attrs=read-only is for nts audit; a process that sells must write"
                .into(),
        ));
    }
    let (candidates, mut failed) = hosts.find().await;
    // A look is at the primary where there is one; what the address asks for is kept to.
    let passes: &[bool] = match (wanted, hosts.attrs) {
        (Use::Serving, _) | (Use::Looking, TargetSessionAttrs::ReadWrite) => &[true],
        (Use::Looking, TargetSessionAttrs::ReadOnly) => &[false],
        (Use::Looking, _) => &[true, false],
    };
    let (home, left) = {
        let known = known.lock();
        (known.home, known.left)
    };
    let (mut others, mut last): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| Some(candidate.place) != left);
    if hosts.random {
        others.sort_by_cached_key(|_| super::link::draw());
    }
    others.sort_by_key(|candidate| Some(candidate.place) != home);
    if others.is_empty() {
        std::mem::swap(&mut others, &mut last);
    }
    for writes in passes {
        for some in [&others, &last] {
            let attempts = some.iter().map(|candidate| {
                Box::pin(one(candidate, tls, *writes, hosts.deadline)) as Attempt<'_>
            });
            match race(attempts.collect()).await {
                Ok(session) => return Ok(session),
                Err(troubles) => failed.extend(troubles),
            }
        }
    }
    Err(all_of(failed))
}

type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Session, (String, Trouble)>> + 'a>>;

/// Begins them one after the other and takes the first that succeeds; the rest is dropped.
async fn race(attempts: VecDeque<Attempt<'_>>) -> Result<Session, Vec<(String, Trouble)>> {
    let (mut waiting, mut running, mut failed) = (attempts, Vec::<Attempt<'_>>::new(), Vec::new());
    loop {
        running.extend(waiting.pop_front());
        if running.is_empty() {
            return Err(failed);
        }
        let step = std::future::poll_fn(|context| {
            for at in 0..running.len() {
                if let Poll::Ready(outcome) = running[at].as_mut().poll(context) {
                    drop(running.swap_remove(at));
                    return Poll::Ready(outcome);
                }
            }
            Poll::Pending
        });
        let outcome = match waiting.is_empty() {
            true => Some(step.await),
            false => timeout(STAGGER, step).await.ok(),
        };
        match outcome {
            Some(Ok(session)) => return Ok(session),
            Some(Err(trouble)) => failed.push(trouble),
            None => {}
        }
    }
}

/// What to say of all of them: what trying again will not help with comes first.
fn all_of(failed: Vec<(String, Trouble)>) -> Trouble {
    let hopeless = failed.iter().position(|(_, trouble)| !trouble.may_pass());
    let mut failed = failed;
    if let Some(at) = hopeless {
        return failed.swap_remove(at).1;
    }
    // The last trouble of each.
    let mut each: Vec<(String, Trouble)> = Vec::new();
    for (name, trouble) in failed {
        match each.iter_mut().find(|(known, _)| *known == name) {
            Some((_, last)) => *last = trouble,
            None => each.push((name, trouble)),
        }
    }
    if each.len() == 1 {
        return each.remove(0).1;
    }
    let told = each.iter().map(|(name, trouble)| match trouble {
        Trouble::Lost(why) => format!("{name}: {why}"),
        trouble => format!("{name}: {trouble}"),
    });
    Trouble::Lost(told.collect::<Vec<_>>().join("; "))
}

/// One server within its deadline.
async fn one(
    candidate: &Candidate,
    tls: &Tls,
    writes: bool,
    deadline: Duration,
) -> Result<Session, (String, Trouble)> {
    let begun = timeout(deadline, begin(candidate, tls, writes)).await;
    begun.unwrap_or(Err(Trouble::Late)).map_err(|trouble| (candidate.name.clone(), trouble))
}

async fn begin(candidate: &Candidate, tls: &Tls, writes: bool) -> Result<Session, Trouble> {
    let (client, mut connection) = candidate.config.connect(tls.clone()).await?;
    let warned = Arc::new(AtomicBool::new(false));
    let warns = Arc::clone(&warned);
    let carrier = spawn(async move {
        loop {
            match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notice(notice))) => {
                    if notice.parsed_severity() == Some(Severity::Warning) {
                        tracing::warn!(notice = notice.message(), "the database warns");
                        warns.store(true, Ordering::SeqCst);
                    }
                }
                Some(Ok(_)) => {}
                // Who waits for an answer is told.
                Some(Err(_)) | None => return,
            }
        }
    });
    let session = Session::new(client, warned, carrier, candidate.place);
    let told = session.client().simple_query("SHOW transaction_read_only").await;
    let is_read_only = match told.map_err(Trouble::from) {
        Ok(told) => told.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
            _ => false,
        }),
        // An engine that does not know it.
        Err(Trouble::Sql { .. }) => false,
        Err(trouble) => return Err(trouble),
    };
    match (writes, is_read_only) {
        (true, true) => {
            let why = "it accepts no writes: it is a standby, or set to read only";
            return Err(Trouble::Lost(why.into()));
        }
        (false, false) => return Err(Trouble::Lost("it is no standby".into())),
        _ => {}
    }
    // Set for this session alone: behind a pooler that gives each transaction another one it is gone, or another's.
    let mark = super::link::draw().to_string();
    let set = format!("SELECT set_config('{MARK}', '{mark}', false)");
    let mark = match session.client().batch_execute(&set).await.map_err(Trouble::from) {
        Ok(()) => Some(mark),
        Err(Trouble::Sql { .. }) => None,
        Err(trouble) => return Err(trouble),
    };
    let locks = format!("SET lock_timeout = {LOCK_MS}");
    for setting in SETTINGS.iter().copied().chain([locks.as_str()]) {
        match session.client().batch_execute(setting).await.map_err(Trouble::from) {
            Ok(()) => {}
            Err(trouble) if trouble.may_pass() => return Err(trouble),
            Err(Trouble::Sql { text, .. }) => tracing::debug!(setting, text, "not known here"),
            Err(trouble) => return Err(trouble),
        }
    }
    session.forget_warnings();
    Ok(session.knowing(is_read_only, mark))
}
