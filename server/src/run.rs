//! Puts the parts together, starts them and stops them.

use crate::access::Caller;
use crate::accounts::Accounts;
use crate::accounts::passwords::Hasher;
use crate::actor::Actor;
use crate::admission::Admission;
use crate::admission::overload::Overload;
use crate::admission::slots::Slots;
use crate::app::App;
use crate::calendar::Sequences;
use crate::catalogue::{Catalogue, Watchers};
use crate::clock::{Clock, DatabaseClock};
use crate::codes::Codes;
use crate::config::{Config, StripeSettings};
use crate::door::Door;
use crate::event_body;
use crate::http;
use crate::ids::{Ids, Secrets, base32, digest};
use crate::links::Links;
use crate::mail::compose::Composer;
use crate::mail::smtp::{PATIENCE, Smtp};
use crate::mail::{AnyCompose, AnyRelay};
use crate::mailing::{Mailer, Mailing, Turns, fan_out, watch};
use crate::messages::{self, Outbox};
use crate::metrics::Metrics;
use crate::organiser::export::Exports;
use crate::organiser::search::Search;
use crate::organiser::search::fill::{self, Fill};
use crate::organiser::watching::Watching;
use crate::organiser::{Organiser, cancel, retention};
use crate::payments::fake::FakeStripe;
use crate::payments::governor::{Budget, Governor};
use crate::payments::stripe::Stripe;
use crate::payments::stripe::net::Net;
use crate::payments::wire::Wire;
use crate::pdf::Printer;
use crate::private_file;
use crate::publish::Publisher;
use crate::reads::Reads;
use crate::replicate::{Replica, follow, read_versions};
use crate::sales::{Running, Sales};
use crate::settlement::{self, Settlement, SettlementQueue};
use crate::shop::Shop;
use crate::stop::Stop;
use crate::store::records::ticket_keys::{self, TicketKey};
use crate::store::records::webhooks::{self as webhook_rows, Webhook};
use crate::store::test_orders::{Mode, NotClaimed, claim};
use crate::store::{Database, Fault, MetaStore, OpenError, Opened, Reader, VersionVector};
use crate::tasks::{AbortOnPanic, BackgroundRuntime, lower_thread_priority, spawn};
use crate::tickets::Tickets;
use crate::trust;
use crate::webhooks::deliver::Sender;
use crate::webhooks::send::{self, Carry, Net as WebhookNet};
use crate::webhooks::{self, Webhooks};
use crate::writer::{Committed, HookList, Job, Queue, Writer};
use boxoffice::Event;
use nts_api::{EventBody, Money, PoolBody, TicketTypeBody};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::{Instant, sleep};

/// A server that is ready to serve.
pub struct Server {
    /// Its parts.
    pub app: Arc<App>,
    listener: TcpListener,
    writer: std::thread::JoinHandle<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Where the tasks run. Ends with the server.
    back_office: BackgroundRuntime,
}

/// How often the lists of what is owed are read.
const LOOK: Duration = Duration::from_millis(100);

/// How often the outbox is read.
const MAIL_LOOK: Duration = Duration::from_secs(1);

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 65_535;
/// How much of its answers the kernel may keep for a client that does not read them. Linux takes twice
/// as much, and up to 4 MB if nothing is set.
const SEND_BYTES: u32 = 32 * 1024;
/// How often it is looked what other processes have committed.
const FOLLOW: Duration = Duration::from_millis(250);

/// How often it is looked whether the buyers of an event are to be erased.
const RETENTION: Duration = Duration::from_secs(3_600);

/// Why the server did not start: one or more sentences for who runs it.
pub type Reason = String;

/// How many connections to the database answer pages, besides that of the writer.
const READERS: usize = 2;

/// How long the start waits for a database server that takes nothing yet: machines that start together are not
/// ready at the same moment.
const DATABASE: Duration = Duration::from_secs(60);

/// Where the sandbox keeps what a real provider would know.
pub fn sandbox_path(config: &Config, database: &Database) -> PathBuf {
    let told = config.sandbox.clone().filter(|path| !path.as_os_str().is_empty());
    told.unwrap_or_else(|| database.sandbox())
}

fn open_sandbox(path: &Path, clock: &Clock) -> Result<Arc<FakeStripe>, Reason> {
    let mut tries = 0;
    loop {
        let opened = FakeStripe::open(path, clock.clone(), seed()?);
        tries += 1;
        match opened {
            Ok(sandbox) => return Ok(Arc::new(sandbox)),
            // Another process may be making the same file.
            Err(_) if tries < 5 => std::thread::sleep(Duration::from_millis(100)),
            Err(error) => {
                return Err(format!(
                    "cannot open the sandbox's own file, {}: {error}",
                    path.display()
                ));
            }
        }
    }
}

/// Where several processes share a database they must share the sandbox, or each would know other
/// payments. A mark beside its file tells it from another one of the same name on another machine.
fn same_sandbox(path: &Path, store: &mut dyn MetaStore) -> Result<(), NotBegun> {
    let mut mark = path.as_os_str().to_owned();
    mark.push(".mark");
    let mark = PathBuf::from(mark);
    let trouble = |error: std::io::Error| format!("{}: {error}", mark.display());
    let drawn = format!("{:016x}", u64::from_le_bytes(seed()?[..8].try_into().expect("8 bytes")));
    // Written whole under a name of its own first, so that nobody reads a half of it.
    let own = mark.with_extension(format!("mark-{drawn}"));
    private_file::write(&own, drawn.as_bytes()).map_err(trouble)?;
    // It stays as it is if another process was first.
    let linked = std::fs::hard_link(&own, &mark);
    _ = std::fs::remove_file(&own);
    if let Err(error) = linked
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(trouble(error).into());
    }
    private_file::close(&mark);
    let here = std::fs::read_to_string(&mark).map_err(trouble)?;
    let kept = store.meta_keep("sandbox", &here)?;
    if kept != here {
        tracing::error!(
            "the sandbox at {} is not the one with which this database was begun: payments that \
             were begun there are not known here. No real money is concerned. Set NTS_SANDBOX to \
             the file that all processes share.",
            path.display()
        );
    }
    Ok(())
}

fn seed() -> Result<[u8; 32], Reason> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|e| format!("no randomness: {e}"))?;
    Ok(seed)
}

/// Work that goes on until the server stops.
pub type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a server is made of. Time, randomness, the way to the provider and the database are handed
/// in here, and nowhere else does anything reach for them.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The time, corrected by what the database said at the start.
    pub clock: Arc<DatabaseClock>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Derives secrets.
    pub secrets: Secrets,
    /// The keys that sign tickets, as far as they are stored.
    pub ticket_keys: Vec<TicketKey>,
    /// The digest of the organiser's key.
    pub organiser_key: u128,
    /// All events as the database has them.
    pub events: Vec<Event>,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The way to the provider.
    pub stripe: Stripe,
    /// The provider itself, if it is the sandbox.
    pub sandbox: Option<Arc<FakeStripe>>,
    /// The way of mails to buyers; none while no relay is configured, and they wait.
    pub mail: Option<MailParts>,
    /// The webhooks, as far as they are stored.
    pub webhooks: Vec<Webhook>,
    /// The way of messages to webhooks.
    pub carry: Arc<dyn Carry>,
    /// How often the outbox is read.
    pub mail_look: Duration,
    /// Tells this process from all others, and from itself before it was started again; not 0.
    pub process: i64,
    /// How often the lists of what is owed are read.
    pub look: Duration,
    /// How many of what is owed a list gives at a time.
    pub due_at_once: usize,
    /// How often it is looked whether the buyers of an event are to be erased.
    pub retention: Duration,
    /// Which commits are in these events at least; `None` where no other process commits.
    pub pulse: Option<VersionVector>,
    /// How often it is read what other processes have committed.
    pub follow: Duration,
}

/// The way of mails.
pub struct MailParts {
    /// Makes their text; none: as buyers get it.
    pub compose: Option<Arc<dyn AnyCompose>>,
    /// Takes them.
    pub relay: Arc<dyn AnyRelay>,
    /// So many a second at most, in this process.
    pub per_second: u32,
}

/// A server that only needs somebody to run its tasks, and a [`Writer`] that serves its queue.
pub struct Assembled {
    /// What everything shares.
    pub app: Arc<App>,
    /// What the writer is asked.
    pub jobs: mpsc::Receiver<Job>,
    /// Where the writer tells what it has committed.
    pub told: mpsc::UnboundedSender<Committed>,
    /// What goes on in the background. None of it must ever end or panic.
    pub tasks: Vec<Task>,
}

/// Puts the parts together.
pub fn assemble(parts: Parts) -> Assembled {
    let Parts { config, clock, ids, secrets, ticket_keys, organiser_key, events, reads, .. } =
        parts;
    let metrics = Arc::new(Metrics::default());
    let overload = Overload::new(config.overload_lag_ms);
    let slots = Slots::new(config.connections, config.client_connections());
    let admission =
        Admission::new(config.limits(), ids.random(), Arc::clone(&metrics), overload, slots);
    let admission = Arc::new(admission);
    let patience = Duration::from_millis(config.queue_timeout_ms);
    let (writer, jobs) = Queue::new(config.queue as usize, patience, Arc::clone(&metrics));
    let (told, committed) = mpsc::unbounded_channel();
    let (notices, received) = settlement::Notices::new();
    let links = Arc::new(Links::new(config.public_url(), secrets.clone()));
    let codes = Arc::new(Codes::new(config.public_url(), secrets.clone(), &ticket_keys));
    let (catalogue, watchers) = (Arc::new(Catalogue::new(events)), Arc::new(Watchers::default()));
    let stop = Arc::new(Stop::default());
    let printer = Arc::new(Printer::new(reads.are_inline()));
    let settlement = Arc::new(Settlement {
        stripe: parts.stripe,
        queue: SettlementQueue::default(),
        stuck: settlement::Stuck::default(),
        notices,
        clock: Arc::clone(&clock),
        reads: reads.clone(),
        writer: writer.clone(),
        admission: Arc::clone(&admission),
        links: Arc::clone(&links),
        metrics: Arc::clone(&metrics),
        shared: parts.pulse.is_some(),
        keep_released_days: config.keep_released_days,
    });
    let composer = Arc::new(Composer {
        reads: reads.clone(),
        catalogue: Arc::clone(&catalogue),
        links: Arc::clone(&links),
        codes: Arc::clone(&codes),
        clock: Arc::clone(&clock),
        printer: Arc::clone(&printer),
        live: settlement.stripe.live(),
        sequences: Sequences::default(),
    });
    let outbox = Outbox {
        queue: writer.clone(),
        reads: reads.clone(),
        clock: Arc::clone(&clock),
        news: Arc::default(),
        look: parts.mail_look,
        owner: parts.process,
    };
    let list = Arc::new(HookList::new(parts.webhooks, settlement.stripe.live()));
    let webhook_outbox = Outbox { news: Arc::default(), ..outbox.clone() };
    let webhooks = Arc::new(Webhooks {
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        secrets: secrets.clone(),
        reads: reads.clone(),
        queue: writer.clone(),
        list: Arc::clone(&list),
        guard: config.webhook_guard(),
        news: Arc::clone(&webhook_outbox.news),
        changed: Arc::default(),
        removed: Notify::new(),
        memory: Arc::default(),
        metrics: Arc::clone(&metrics),
        turn: Mutex::default(),
        reading: Mutex::default(),
    });
    let sender = Sender {
        carry: parts.carry,
        list,
        secrets: secrets.clone(),
        ids: Arc::clone(&ids),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        reads: reads.clone(),
        changed: Arc::clone(&webhooks.changed),
        memory: Arc::clone(&webhooks.memory),
    };
    let filling = Fill { queue: writer.clone(), reads: reads.clone(), clock: Arc::clone(&clock) };
    let mailing = Arc::new(Mailing {
        queue: writer.clone(),
        reads: reads.clone(),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        has_relay: parts.mail.is_some(),
        turns: Turns::default(),
    });
    let mailer = parts.mail.map(|MailParts { compose, relay, per_second }| Mailer {
        compose: compose.unwrap_or_else(|| Arc::clone(&composer) as Arc<dyn AnyCompose>),
        relay,
        per_second,
        reads: reads.clone(),
        catalogue: Arc::clone(&catalogue),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
    });
    let accounts = Arc::new(Accounts {
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        secrets: secrets.clone(),
        reads: reads.clone(),
        writer: writer.clone(),
        hasher: Hasher::new(reads.are_inline()),
        admission: Arc::clone(&admission),
        organiser: Actor::ApiKey(secrets.log_name(organiser_key)),
    });
    let sales = Arc::new(Sales {
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        writer,
        reads: reads.clone(),
        catalogue: Arc::clone(&catalogue),
        watchers: Arc::clone(&watchers),
        admission: Arc::clone(&admission),
        settlement: Arc::clone(&settlement),
        running: Running::default(),
        under_way: Arc::default(),
        stop: Arc::clone(&stop),
    });
    let publisher = Publisher {
        catalogue: Arc::clone(&catalogue),
        sales: Arc::clone(&sales),
        settlement: Arc::clone(&settlement),
        watchers,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
    };
    let shop = Shop::new(Arc::clone(&clock), Arc::clone(&ids), sales.writer.clone(), reads.clone());
    let shop = Arc::new(shop);
    let of_settlement = || Arc::clone(&settlement);
    let mut tasks: Vec<Task> = vec![
        Box::pin(publisher.run(committed)),
        Box::pin(Arc::clone(&sales).recount()),
        Box::pin(settlement::expire(of_settlement(), parts.look, parts.due_at_once)),
        Box::pin(settlement::run(of_settlement(), parts.look, parts.due_at_once)),
        Box::pin(settlement::handle_notices(of_settlement(), received)),
    ];
    tasks.push(Box::pin(fan_out(outbox.clone())));
    tasks.push(Box::pin(webhooks::follow(Arc::clone(&webhooks))));
    tasks.push(Box::pin(webhooks::clean(Arc::clone(&webhooks))));
    tasks.push(Box::pin(messages::work(webhook_outbox, Arc::new(sender))));
    tasks.push(Box::pin(Arc::clone(&shop).follow(parts.pulse.is_some())));
    if let Some(mailer) = mailer {
        tasks.push(Box::pin(watch(outbox.clone(), Arc::clone(&metrics))));
        tasks.push(Box::pin(messages::work(outbox, Arc::new(mailer))));
    }
    if let Some(pulse) = parts.pulse {
        catalogue.refresh(None, &pulse.mark, pulse.at_ms);
        let replica = Replica {
            reads,
            catalogue: Arc::clone(&catalogue),
            codes: Arc::clone(&codes),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        tasks.push(Box::pin(follow(Arc::new(replica), parts.follow)));
    }
    if parts.sandbox.is_none() {
        tasks.push(Box::pin(settlement::follow_external_changes(of_settlement())));
    }
    let (codes_of, secrets_of) = (Arc::clone(&codes), secrets.clone());
    let tickets = Tickets {
        sales: Arc::clone(&sales),
        codes: codes_of,
        secrets: secrets_of,
        reading_keys: Mutex::default(),
    };
    let tickets = Arc::new(tickets);
    let door = Door { sales: Arc::clone(&sales), tickets: Arc::clone(&tickets) };
    let search = Search { sales: Arc::clone(&sales), tickets: Arc::clone(&tickets) };
    tasks.push(Box::pin(fill::run(filling)));
    let exports = Arc::new(Exports::new(Arc::clone(&sales), Arc::clone(&codes)));
    let organiser = Arc::new(Organiser { sales: Arc::clone(&sales) });
    tasks.push(Box::pin(retention::run(Arc::clone(&organiser), parts.retention)));
    let watching = Arc::new(Watching::new(Arc::clone(&sales), Arc::clone(&mailing)));
    tasks.push(Box::pin(cancel::run(Arc::clone(&organiser), parts.mail_look)));
    let app = Arc::new(App {
        config,
        clock,
        ids,
        secrets,
        codes,
        links,
        mailing,
        accounts,
        organiser_key,
        admission,
        catalogue,
        organiser,
        watching,
        sales,
        door: Arc::new(door),
        search: Arc::new(search),
        exports,
        shop,
        tickets,
        webhooks,
        composer,
        printer,
        settlement,
        sandbox: parts.sandbox,
        metrics,
        draining: Stop::default(),
        stop,
    });
    Assembled { app, jobs, told, tasks }
}

/// Who takes the money.
enum Provider {
    Stripe(StripeSettings),
    /// And how often it may be called.
    Sandbox(Arc<FakeStripe>, Option<Budget>),
}

/// The way to the provider, and the task that must run for it.
fn connect(
    provider: Provider,
    shop: String,
    ids: &Arc<Ids>,
    clock: &Arc<DatabaseClock>,
) -> Result<(Stripe, Option<Task>), Reason> {
    let (wire, budget, live): (Box<dyn Wire>, _, _) = match provider {
        Provider::Stripe(keys) => {
            let net = Net::new(&keys.base, &keys.secret_key, keys.patience)?;
            (Box::new(net), Some(keys.budget), keys.live)
        }
        Provider::Sandbox(sandbox, budget) => (Box::new(sandbox), budget, false),
    };
    let (governor, task): (_, Option<Task>) = match budget.map(Governor::new) {
        Some((governor, task)) => (governor, Some(Box::pin(task))),
        None => (Governor::unlimited(), None),
    };
    Ok((Stripe::new(wire, governor, Arc::clone(ids), Arc::clone(clock), live, shop), task))
}

/// The provider of a database that somebody else may be serving: for the audit. `None` if it never
/// had one: no key is set and the sandbox has no file.
pub fn provider(
    config: &Config,
    clock: &Clock,
    database: &Database,
    secret: [u8; 32],
) -> Result<Option<Stripe>, Reason> {
    let keys = config.stripe()?;
    let path = sandbox_path(config, database);
    let provider = match keys {
        Some(keys) => Provider::Stripe(keys),
        // Only a sale has a pace.
        None if path.exists() => Provider::Sandbox(open_sandbox(&path, clock)?, None),
        None => return Ok(None),
    };
    let ids = Arc::new(Ids::new(seed()?, 0));
    let clock = Arc::new(DatabaseClock::new(clock.clone()));
    let (stripe, task) = connect(provider, Secrets::new(secret).shop(), &ids, &clock)?;
    // It ends with the provider.
    _ = task.map(spawn);
    Ok(Some(stripe))
}

/// What the database gives at the start.
struct Begun {
    opened: Opened,
    readers: Vec<Box<dyn Reader>>,
    clock: DatabaseClock,
    pulse: Option<VersionVector>,
    events: Vec<Event>,
    ids: Arc<Ids>,
    organiser_key: u128,
    ticket_keys: Vec<TicketKey>,
    webhooks: Vec<Webhook>,
}

/// Why the database did not give it.
enum NotBegun {
    /// That may be over in a moment.
    MayPass(Reason),
    /// Somebody must change something.
    Hopeless(Reason),
}

impl From<Fault> for NotBegun {
    fn from(fault: Fault) -> NotBegun {
        match fault {
            Fault::Away(why) => NotBegun::MayPass(why),
            fault => NotBegun::Hopeless(fault.to_string()),
        }
    }
}

impl From<OpenError> for NotBegun {
    fn from(error: OpenError) -> NotBegun {
        let why = error.to_string();
        if error.may_pass() { NotBegun::MayPass(why) } else { NotBegun::Hopeless(why) }
    }
}

impl From<NotClaimed> for NotBegun {
    fn from(not: NotClaimed) -> NotBegun {
        match not {
            NotClaimed::Refused(why) => NotBegun::Hopeless(why),
            NotClaimed::Fault(fault) => fault.into(),
        }
    }
}

impl From<Reason> for NotBegun {
    fn from(why: Reason) -> NotBegun {
        NotBegun::Hopeless(why)
    }
}

/// Opens the database and reads what is needed at the start. Waits where it must, whichever of its connections
/// is in trouble, so not from async code.
fn begin(config: &Config, database: &Database, clock: &Clock) -> Result<Begun, Reason> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match try_begin(config, database, clock) {
            Ok(begun) => return Ok(begun),
            Err(NotBegun::MayPass(error)) if begun.elapsed() < DATABASE => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "waiting for the database");
                }
                std::thread::sleep(Duration::from_millis(500));
            }
            Err(NotBegun::MayPass(why) | NotBegun::Hopeless(why)) => return Err(why),
        }
    }
}

fn try_begin(config: &Config, database: &Database, clock: &Clock) -> Result<Begun, NotBegun> {
    let mut opened = database.open(clock.clone())?;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(database.serving_reader(clock)?);
    }
    // First as of when, then what.
    let corrected = DatabaseClock::new(clock.clone());
    let pulse = read_versions(&mut *readers[0], &corrected)?;
    let events = readers[0].events()?;
    let ids = Arc::new(match opened.node.clone() {
        Some(node) => Ids::shared(seed()?, opened.last_high, node),
        None => Ids::new(seed()?, opened.last_high),
    });
    let organiser_key = match config.organiser_key.as_deref().filter(|key| !key.is_empty()) {
        Some(key) => digest(&[b"organiser", key.as_bytes()]),
        None => kept_key(&mut *opened.store, &ids)?,
    };
    let mode = Mode::of(config.stripe()?.map(|keys| keys.live));
    let sandbox_exists = sandbox_path(config, database).exists();
    claim(&mut *opened.store, &mut *readers[0], mode, database, sandbox_exists)?;
    if database.is_shared() && config.demo() {
        same_sandbox(&sandbox_path(config, database), &mut *opened.store)?;
    }
    let ticket_keys = ticket_keys::all(readers[0].tables())?;
    let webhooks = webhook_rows::all(readers[0].tables())?;
    Ok(Begun {
        opened,
        readers,
        clock: corrected,
        pulse,
        events,
        ids,
        organiser_key,
        ticket_keys,
        webhooks,
    })
}

/// The digest of the organiser's key that the first start makes.
fn kept_key(store: &mut dyn MetaStore, ids: &Ids) -> Result<u128, NotBegun> {
    let kept = match store.meta_get("organiser_key")? {
        Some(kept) => kept,
        None => {
            let key = base32(ids.random(), 26);
            let own = format!("{:032x}", digest(&[b"organiser", key.as_bytes()]));
            let kept = store.meta_keep("organiser_key", &own)?;
            // Of several processes that start at once, one has made it.
            if kept == own {
                say(&format!("The organiser's key, shown this once: {key}"));
            }
            kept
        }
    };
    u128::from_str_radix(&kept, 16)
        .map_err(|_| "the organiser's key in the database cannot be read".to_owned().into())
}

/// Binds an address. A crowd connects at one moment: who does not fit into the kernel's line is not
/// refused but left to ask again after 1, 3, 7, 15 seconds, so that line is as long as the kernel
/// allows (Linux shortens it to `net.core.somaxconn`).
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: a server that starts again finds its address free.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Of the listening socket: accepted ones inherit it.
    socket.set_send_buffer_size(SEND_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// Opens the database, starts the writer and settlement, and binds the address.
    pub async fn start(config: Config) -> Result<Server, Reason> {
        Server::start_at(config, Clock::System).await
    }

    /// The same with a clock of one's own.
    pub async fn start_at(config: Config, clock: Clock) -> Result<Server, Reason> {
        config.check_organiser_key()?;
        let keys = config.stripe()?;
        config.check_public_url(keys.as_ref().is_some_and(|keys| keys.live))?;
        let smtp = config.mail()?;
        let listener = listen(config.address).map_err(|error| {
            format!("cannot listen on {}: {error}. Is another server running there? Choose another address with --address or NTS_ADDRESS.", config.address)
        })?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let mut config = config;
        config.address = address;

        let database = Database::parse(config.database.told())?;
        let begun = {
            let (config, database, clock) = (config.clone(), database.clone(), clock.clone());
            let begin = move || begin(&config, &database, &clock);
            tokio::task::spawn_blocking(begin).await.map_err(|e| e.to_string())??
        };
        let Begun { opened, readers, clock: corrected, pulse, events, ids, .. } = begun;
        let (organiser_key, ticket_keys) = (begun.organiser_key, begun.ticket_keys);
        let corrected = Arc::new(corrected);
        let carry = Arc::new(WebhookNet::new(
            config.webhook_guard(),
            trust::client(trust::public()),
            send::system as send::LookUp,
            send::PATIENCE,
        ));
        let Opened { store, secret, .. } = opened;
        let empty = events.is_empty();
        let reads = Reads::threads(readers).map_err(|e| e.to_string())?;
        let secrets = Secrets::new(secret);
        let mut tasks = Vec::new();
        let (provider, sandbox) = match keys {
            Some(keys) => (Provider::Stripe(keys), None),
            None => {
                let sandbox = open_sandbox(&sandbox_path(&config, &database), &clock)?;
                (Provider::Sandbox(Arc::clone(&sandbox), config.sandbox_budget()), Some(sandbox))
            }
        };
        let back_office = BackgroundRuntime::open().map_err(|e| format!("cannot start: {e}"))?;
        let (stripe, task) = {
            let _there = back_office.enter();
            connect(provider, secrets.shop(), &ids, &corrected)?
        };
        tasks.extend(task.map(|task| back_office.spawn(vital(task))));

        let drawn: [u8; 32] = seed()?;
        let process = i64::from_le_bytes(drawn[..8].try_into().expect("8 bytes")) | 1;
        let smtp = smtp.map(|smtp| Smtp::new(smtp, PATIENCE, clock.clone()));
        let mail = smtp.clone().map(|smtp| MailParts {
            compose: None,
            relay: Arc::new(smtp),
            per_second: config.mail_rate,
        });
        let parts = Parts {
            config,
            clock: corrected,
            ids,
            secrets,
            ticket_keys,
            organiser_key,
            events,
            reads,
            stripe,
            sandbox,
            mail,
            webhooks: begun.webhooks,
            carry,
            mail_look: MAIL_LOOK,
            process,
            look: LOOK,
            due_at_once: settlement::DUE_AT_ONCE,
            retention: RETENTION,
            pulse,
            follow: FOLLOW,
        };
        let Assembled { app, jobs, told, tasks: work } = assemble(parts);
        if let Some(smtp) = smtp {
            smtp.count(Arc::clone(&app.metrics));
        }
        let writer = Writer::new(store, Arc::clone(&app.metrics));
        let writer = writer.telling(Arc::clone(&app.webhooks.list));
        let writer = writer.dating(Arc::clone(&app.clock), Arc::clone(&app.sales.under_way));
        let writer = std::thread::Builder::new().name("nts-writer".into()).spawn(move || {
            let _vital = AbortOnPanic;
            writer.run(jobs, &told);
        });
        let writer = writer.map_err(|e| e.to_string())?;
        tasks.extend(work.into_iter().map(|task| back_office.spawn(vital(task))));
        let measured = Arc::clone(&app);
        tasks.push(spawn(vital(Box::pin(
            async move { measured.admission.overload.measure().await },
        ))));
        if app.config.keep_released_days > 0 {
            tasks.push(back_office.spawn(vital(settlement::forget(Arc::clone(&app.settlement)))));
        }
        if app.sandbox.is_none() {
            tasks.push(back_office.spawn(settlement::try_permissions(Arc::clone(&app.settlement))));
        }
        let server = Server { app, listener, writer, tasks, back_office };
        server.make_show(empty).await?;
        server.warn_of_demo_event();
        Ok(server)
    }

    /// The demo event may be left from test mode, and is sold for real money then.
    fn warn_of_demo_event(&self) {
        let app = &self.app;
        let asked_for = app.config.makes_demo_show(true);
        let event = app.catalogue.event(&app.config.show).filter(|event| is_demo(event));
        if let Some(event) = event.filter(|_| app.sales.is_live() && !asked_for) {
            let slug = &event.spec.slug;
            tracing::warn!(
                "the demo event {slug} is on sale for real money: delete it (nts event delete {slug}) or \
                 make it an event of yours. NTS_DEMO=1 says that this is meant"
            );
        }
    }

    /// The first start, which finds no events, makes the show of the demo by itself.
    async fn make_show(&self, empty: bool) -> Result<(), Reason> {
        let app = &self.app;
        if !(empty && app.config.makes_demo_show(app.sales.is_live())) {
            return Ok(());
        }
        let show = demo_show(app.config.demo_tickets);
        let spec = event_body::spec(show, &app.config.show)
            .map_err(|flaws| format!("cannot make the demo's show: {}", boxoffice::told(&flaws)))?;
        let permit = Caller::system().shop_permit().expect("the box office may do everything");
        let made = app.organiser.put_event(&permit, spec, Vec::new()).await;
        made.map_err(|no| format!("cannot make the demo's show: {no:?}"))?;
        Ok(())
    }

    /// As long as nobody owns the office, every start says how to make the owner's account.
    async fn say_first_owner(&self) {
        let app = &self.app;
        match app.accounts.has_owner().await {
            Ok(true) => {}
            Ok(false) => say(&format!(
                "The office has no owner yet. Make your account, once and within 24 hours: {}/office/welcome/{}",
                app.links.base(),
                app.accounts.first_owner()
            )),
            // It serves all the same.
            Err(_) => tracing::warn!("it could not be read whether the office has an owner"),
        }
    }

    /// Serves until `stop` is done; then finishes what was accepted and closes the database.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let router = http::router(Arc::clone(&self.app));
        self.serve_router(router, stop).await;
    }

    /// The same with routes of one's own.
    pub async fn serve_router(
        self,
        router: axum::Router,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let app = Arc::clone(&self.app);
        lower_thread_priority();
        self.say_first_owner().await;
        say(&format!("nts serves at {}", app.config.public_url()));
        if app.config.demo() {
            say(
                "Test mode: no Stripe key is set, so the sandbox takes the payments and no real money moves.",
            );
        } else if !app.sales.is_live() {
            say("Stripe in test mode: no real money moves.");
        }
        say(&match app.config.mail() {
            Ok(Some(smtp)) => format!(
                "Mails go to {}, at most {} a second, from {}.",
                smtp.describe(),
                app.config.mail_rate,
                smtp.from(),
            ),
            _ if app.config.demo() => {
                "Mails wait: NTS_SMTP is not set (docs/mail.md). In test mode each can be read from its order's page."
                    .into()
            }
            _ => "Mails wait: NTS_SMTP is not set, so no tickets are sent to buyers. docs/mail.md says how to set it; \
                  nts mail test ADDRESS tries it."
                .into(),
        });
        say(&app.admission.clients().describe(app.config.address.ip()));
        let stopping = Arc::clone(&app);
        spawn(async move {
            stop.await;
            let drain = Duration::from_millis(stopping.config.drain_ms);
            if !drain.is_zero() {
                tracing::info!(?drain, "not ready any more: serving until others have taken over");
                stopping.draining.raise();
                sleep(drain).await;
            }
            tracing::info!("stopping: finishing what was accepted");
            stopping.stop.raise();
        });
        http::connection::serve::serve(Arc::clone(&app), self.listener, router).await;
        // What is owed to the provider stays in the database and is taken up at the next start.
        for task in self.tasks {
            task.abort();
            _ = task.await;
        }
        drop((app, self.app, self.back_office));
        // All ends of the queue are gone now, but for requests that were cut off: the writer
        // commits what it has and ends.
        let writer = tokio::task::spawn_blocking(move || self.writer.join());
        _ = tokio::time::timeout(Duration::from_secs(5), writer).await;
        tracing::info!("stopped");
    }
}

/// A task whose panic ends the process: see [`AbortOnPanic`].
async fn vital(task: impl Future<Output = ()>) {
    let mut task = std::pin::pin!(task);
    std::future::poll_fn(|context| {
        // Only while it runs: that it is dropped because somebody else panics is not its fault.
        let _vital = AbortOnPanic;
        task.as_mut().poll(context)
    })
    .await;
}

/// Tells who started the server something that they must see, whatever is logged. If nobody reads
/// it (the pipe is closed), the sale goes on all the same.
fn say(text: &str) {
    _ = writeln!(std::io::stdout(), "{text}");
}

/// Whether an event still says what the demo's says.
fn is_demo(event: &Event) -> bool {
    let demo = demo_show(0);
    (&event.spec.name, &event.spec.place) == (&demo.name, &demo.place)
}

/// The show of the demo: the Go demo's, 9.99 GBP, five minutes. Four tickets for each address; the old routes
/// sell one for each name.
fn demo_show(tickets: u32) -> EventBody {
    let price = Money { amount: 999, currency: "GBP".into() };
    let (id, name, pool) = ("ticket".into(), "Show Ticket".into(), "places".to_owned());
    EventBody {
        name: "The best ever show".into(),
        place: "The Old Town Hall".into(),
        starts_at: "2030-06-01T20:00:00+01:00".into(),
        zone: "Europe/London".into(),
        currency: "GBP".into(),
        limit_per_order: Some(4),
        limit_per_buyer: Some(4),
        hold_seconds: Some(300),
        pools: vec![PoolBody { id: pool.clone(), capacity: tickets }],
        ticket_types: vec![TicketTypeBody { id, name, pool, price, ..TicketTypeBody::default() }],
        ..EventBody::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_event_is_known_until_it_says_something_else() {
        let spec = event_body::spec(demo_show(5), "any-slug").expect("it is sound");
        let mut event = Event {
            id: boxoffice::EventId(1),
            spec,
            pools: vec![],
            ticket_types: vec![],
            counters: vec![],
            serials: 0,
            sale: boxoffice::Sale::Open,
        };
        assert!(is_demo(&event));
        event.spec.place = "Elsewhere".into();
        assert!(!is_demo(&event));
    }
}
