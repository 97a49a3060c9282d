//! `nts rush`.

use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use nts_api::{EventBody, Money, PoolBody, TicketTypeBody, WebhookBody};
use nts_rush::client::{Client, Request};
use nts_rush::receiver::Receiver;
use nts_rush::report::{self, Server};
use nts_rush::scans::{Door, door_key, give_away};
use nts_rush::{Plan, Progress, Target, rush};
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// The simulated buyers and the event that they want.
#[derive(Args)]
pub struct RushArgs {
    /// Address of an nts server with the sandbox: http://127.0.0.1:9000
    #[arg(conflicts_with = "spawn_server")]
    url: Option<String>,

    /// Start a server on a temporary database, and audit it at the end
    #[arg(long, alias = "self")]
    spawn_server: bool,

    /// The slug of the event
    #[arg(long, default_value = "rush")]
    event: String,

    /// Create the event first, with this many tickets; needs the organiser's key. Default with --spawn-server: 20000
    #[arg(long, value_name = "N")]
    places: Option<u32>,

    /// The organiser's key, to create the event
    #[arg(long, env = "NTS_ORGANISER_KEY", hide_env_values = true)]
    organiser_key: Option<String>,

    /// Seconds that a hold lasts, of the event that is created
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(30..=86_400))]
    hold: u32,

    /// Number of buyers; default: three for every two tickets
    #[arg(long, value_name = "N")]
    buyers: Option<u64>,

    /// Seconds within which the buyers arrive, at random moments; 0: all at once
    #[arg(long, alias = "within", value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    ramp: f64,

    /// Connections at most; buyers wait while all are busy. A fifth of them is for buyers who hold
    /// tickets
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    connections: u16,

    /// Seconds that a buyer waits for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    patience: f64,

    /// Seconds that a buyer thinks before paying, on average
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    think: f64,

    /// Percentage of buyers who view the event's page first
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = percent())]
    look: u32,

    /// Percentage of buyers who hold tickets and never pay
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = percent())]
    walk_away: u32,

    /// Percentage of buyers who first pay with a card that is declined
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = percent())]
    declined: u32,

    /// Percentage of buyers who come back after "sold out", up to three times
    #[arg(long, value_name = "PERCENT", default_value_t = 30, value_parser = percent())]
    come_back: u32,

    /// Buyers at a time who stay after "sold out" and want tickets that return, until no ticket is held
    #[arg(long, alias = "stay", value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    stayers: u16,

    /// Most tickets in an order; the number is random
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4))]
    most: u32,

    /// Limit per buyer of the event that is created; 0: none
    #[arg(long, value_name = "N", default_value_t = 4)]
    limit_per_buyer: u32,

    /// Tries under one idempotency key, if there is no answer or the answer is "not now"
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,

    /// Orders that are read again at the end, besides all whose outcome was not answered
    #[arg(long, default_value_t = 50_000)]
    check: usize,

    /// Seed of the random numbers; the same seed gives the same buyers
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Write a report with charts
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// With --spawn-server: keep the database and the log in this directory, which must not exist
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// With --spawn-server: calls per second that the sandbox accepts, a quarter of them per endpoint; Stripe
    /// allows 100. 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    calls: u32,

    /// With --spawn-server: an empty PostgreSQL database for it, postgres://user:password@host:port/name. Default: an
    /// SQLite file
    #[arg(long, value_name = "URL")]
    database: Option<String>,

    /// Tickets of another event that devices scan at its door during the sale, one in twenty of them twice. They are
    /// given away first, which needs the organiser's key
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    scans: u32,

    /// Devices that scan, each with a connection of its own
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    devices: u16,

    /// Seconds between the beginnings of two scans of a device; 0: the next one as soon as the last one is answered
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds)]
    scan_every: f64,

    /// Have a webhook be told of all that happens to the event's orders, by a receiver here that takes each message at
    /// once; needs the organiser's key
    #[arg(long)]
    webhook: bool,

    /// Allow an address that is not this machine: only for a server that you may overload
    #[arg(long, alias = "not-here")]
    allow_remote: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.0..=86_400.0).contains(&n) => Ok(n),
        _ => Err("a number of seconds from 0 to 86400".into()),
    }
}

fn percent() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=100)
}

/// 0: every answer was true. 1: one was not. 2: the load test could not run.
pub fn run(args: &RushArgs) -> ExitCode {
    match come(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("nts: the load test could not run: {reason}");
            ExitCode::from(2)
        }
    }
}

fn come(args: &RushArgs) -> Result<bool, String> {
    let of_own = args.keep.is_some() || args.calls > 0 || args.database.is_some();
    if of_own && !args.spawn_server {
        let why = "--keep, --calls and --database are for a server of its own: say --spawn-server";
        return Err(why.into());
    }
    checked(&args.event)?;
    let own = args.spawn_server.then(|| Own::start(args)).transpose()?;
    let address = match (&own, &args.url) {
        (Some(own), _) => own.address,
        (None, Some(url)) => resolve(url, args.allow_remote)?,
        (None, None) => {
            return Err("name an address, or say --spawn-server for a server of its own".into());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let places = args.places.or(args.spawn_server.then_some(20_000));
    let key = own.as_ref().map(|own| own.key.as_str()).or(args.organiser_key.as_deref());
    let key = key.ok_or("to make an event, give --organiser-key (or NTS_ORGANISER_KEY)");
    if let Some(places) = places {
        runtime.block_on(make_event(address, args, (&args.event, places), key?))?;
    }
    let target = runtime.block_on(Target::find(address, &args.event))?;
    let mut drawn = [0u8; 8];
    getrandom::fill(&mut drawn).map_err(|error| format!("no randomness: {error}"))?;
    let run = format!("{:016x}", u64::from_le_bytes(drawn));
    let door = match args.scans {
        0 => None,
        _ => Some(runtime.block_on(open_door(address, args, &run, key?))?),
    };
    let receiver = match args.webhook {
        false => None,
        true => Some(runtime.block_on(make_webhook(address, &args.event, key?))?),
    };
    drop(runtime);
    let plan = plan(args, &target);
    if !args.json {
        say!(
            "{} buyers within {} s want {} places at http://{address}/events/{}.",
            HumanCount(plan.buyers),
            args.ramp,
            HumanCount(target.before.left()),
            target.slug
        );
    }
    let bar = bar(target.before.left())?;
    let tell = |progress: &Progress| show(&bar, &target, progress);
    let probe = || own.as_ref().and_then(Own::memory);
    let outcome = rush(&plan, &target, &run, door, &probe, &tell);
    bar.finish_and_clear();
    let mut outcome = outcome?;
    outcome.told = receiver.map(|receiver| receiver.taken());
    let server = match own {
        Some(own) => own.end(outcome.seconds.iter().filter_map(|s| s.memory).max())?,
        None => Server::default(),
    };
    if args.json {
        say!("{:#}", report::json(&outcome, &server));
    } else {
        say!("{}", report::text(&outcome, &server));
    }
    if let Some(path) = &args.report {
        std::fs::write(path, report::page(&outcome, &server))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if !args.json {
            say!("{} has the pictures.", path.display());
        }
    }
    Ok(outcome.wrong(&server).is_empty())
}

fn plan(args: &RushArgs, target: &Target) -> Plan {
    Plan {
        buyers: args.buyers.unwrap_or(target.before.left() * 3 / 2),
        ramp: Duration::from_secs_f64(args.ramp),
        connections: usize::from(args.connections),
        patience: Duration::from_secs_f64(args.patience),
        think: Duration::from_secs_f64(args.think),
        look: args.look * 10,
        walk_away: args.walk_away * 10,
        declined: args.declined * 10,
        come_back: args.come_back * 10,
        stayers: usize::from(args.stayers),
        most: args.most,
        tries: args.tries,
        check: args.check,
        seed: args.seed,
    }
}

/// The address of a server, which must be on this machine unless it was said otherwise.
fn resolve(url: &str, allow_remote: bool) -> Result<SocketAddr, String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| {
        format!("{url} is not understood: give http://HOST:PORT (the load test speaks no TLS)")
    })?;
    let host = rest.split('/').next().unwrap_or_default();
    let host = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut found = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    let found: Vec<SocketAddr> = found.by_ref().collect();
    let address = found.iter().find(|a| a.is_ipv4()).or(found.first());
    let address = *address.ok_or_else(|| format!("{host} has no address"))?;
    if !address.ip().is_loopback() && !allow_remote {
        return Err(format!(
            "{address} is not this machine. A load test overloads what it is pointed at; if the server there \
             is yours, say --allow-remote"
        ));
    }
    Ok(address)
}

/// What cannot be an event's id is not put into an address.
fn checked(event: &str) -> Result<(), String> {
    boxoffice::check_slug(event).map_err(|error| format!("{event:?} is no id: {error}"))
}

/// The ticket type of the events that are made.
const TICKET_TYPE: &str = "standing";

/// Makes another event, gives its tickets away, and gets a key for its door.
async fn open_door(
    address: SocketAddr,
    args: &RushArgs,
    run: &str,
    key: &str,
) -> Result<Door, String> {
    let (slug, tickets) = (format!("door-{run}"), args.scans as usize);
    make_event(address, args, (&slug, args.scans), key).await?;
    let codes = give_away(address, &slug, key, (tickets, TICKET_TYPE, run)).await?;
    let key = door_key(address, &slug, key).await?;
    let every = Duration::from_secs_f64(args.scan_every);
    Ok(Door { address, slug, key, codes, devices: args.devices.into(), every, seed: args.seed })
}

async fn make_event(
    address: SocketAddr,
    args: &RushArgs,
    (slug, places): (&str, u32),
    key: &str,
) -> Result<(), String> {
    let limit_per_buyer = (args.limit_per_buyer > 0).then_some(args.limit_per_buyer);
    let price = Money { amount: 3500, currency: "EUR".into() };
    let (id, name, pool) = (TICKET_TYPE.into(), "Standing".into(), "all".to_owned());
    let event = EventBody {
        name: "Rush".into(),
        place: "Here".into(),
        starts_at: "2035-06-01T20:00:00Z".into(),
        zone: "UTC".into(),
        currency: "EUR".into(),
        limit_per_order: Some(4),
        limit_per_buyer,
        hold_seconds: Some(args.hold),
        pools: vec![PoolBody { id: pool.clone(), capacity: places }],
        ticket_types: vec![TicketTypeBody { id, name, pool, price, ..TicketTypeBody::default() }],
        ..EventBody::default()
    };
    let event = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    let request = Request::put(&format!("/api/v1/events/{slug}"), key, &event);
    made(address, "event", &request).await
}

/// Makes a webhook that is told of the event, and its receiver.
async fn make_webhook(address: SocketAddr, event: &str, key: &str) -> Result<Receiver, String> {
    let receiver = Receiver::start()?;
    let webhook = WebhookBody {
        url: Some(format!("http://{}/", receiver.address)),
        event: Some(event.into()),
        ..WebhookBody::default()
    };
    let webhook = serde_json::to_string(&webhook).map_err(|error| error.to_string())?;
    made(address, "webhook", &Request::post_as("/api/v1/webhooks", key, &webhook)).await?;
    Ok(receiver)
}

/// Sends what makes something.
async fn made(address: SocketAddr, what: &str, request: &Request) -> Result<(), String> {
    let answer = Client::new(address, 1).once(request, Duration::from_secs(10)).await;
    let answer = answer.map_err(|why| format!("http://{address} does not answer: {why}"))?;
    match answer.status {
        200 | 201 => Ok(()),
        status => Err(format!(
            "the {what} could not be made: {status} {}",
            String::from_utf8_lossy(&answer.body)
        )),
    }
}

fn bar(places: u64) -> Result<ProgressBar, String> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} sold, {msg}");
    Ok(ProgressBar::new(places).with_style(style.map_err(|e| e.to_string())?))
}

fn show(bar: &ProgressBar, target: &Target, progress: &Progress) {
    bar.set_position(progress.places.sold.saturating_sub(target.before.sold));
    bar.set_message(match progress.checked {
        Some((done, all)) => format!("{done} of {all} orders looked at again"),
        None => format!(
            "{} held, {} left; {} sold and {} not now in the last second; places within {:.0} ms \
             (p99); {} buyers here",
            HumanCount(progress.places.held),
            HumanCount(progress.places.left()),
            HumanCount(progress.sold_a_second),
            HumanCount(progress.not_now_a_second),
            progress.hold_p99_ms,
            HumanCount(progress.active),
        ),
    });
}

/// A server of our own.
struct Own {
    child: Child,
    address: SocketAddr,
    key: String,
    dir: PathBuf,
    /// A database elsewhere; none: a file in the directory.
    database: Option<String>,
    keep: bool,
}

impl Own {
    fn start(args: &RushArgs) -> Result<Own, String> {
        let dir = match &args.keep {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("nts-rush-{}", std::process::id())),
        };
        std::fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut own = Own {
            child: Own::spawn(&dir, args)?,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            key: Own::KEY.into(),
            dir,
            database: args.database.clone(),
            keep: args.keep.is_some(),
        };
        let out = own.child.stdout.take().ok_or("the server cannot be heard")?;
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|error| format!("the server cannot be heard: {error}"))?;
            let port = line.strip_prefix("nts serves at http://localhost:");
            if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
                own.address.set_port(port);
                return Ok(own);
            }
        }
        let log = std::fs::read_to_string(own.dir.join("log")).unwrap_or_default();
        Err(format!("the server did not start: {}", log.lines().last().unwrap_or("no word")))
    }

    /// Only this process speaks to it, on this machine.
    const KEY: &str = "the-organiser-of-a-load-test";

    /// nts itself, with nothing of our own environment.
    fn command(dir: &Path, database: Option<&str>) -> Result<Command, String> {
        let nts = std::env::current_exe().map_err(|error| format!("where is nts? {error}"))?;
        let mut command = Command::new(nts);
        command.env_clear().current_dir(dir);
        command.env("NTS_DATABASE", database.unwrap_or("rush.db"));
        command.env("NTS_ORGANISER_KEY", Own::KEY);
        Ok(command)
    }

    fn spawn(dir: &Path, args: &RushArgs) -> Result<Child, String> {
        let log = dir.join("log");
        let log = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        Own::command(dir, args.database.as_deref())?
            .env("NTS_ADDRESS", "127.0.0.1:0")
            .env("NTS_SANDBOX_CALLS", args.calls.to_string())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("the server cannot be started: {error}"))
    }

    /// Its resident memory in bytes, on Linux.
    fn memory(&self) -> Option<u64> {
        status(self.child.id(), "VmRSS:")
    }

    /// Stops it and audits its books.
    fn end(mut self, memory: Option<u64>) -> Result<Server, String> {
        let most = status(self.child.id(), "VmHWM:").or(memory);
        let cpu_s = cpu_s(&self.child.id().to_string());
        let crowd_cpu_s = cpu_s_of_us();
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        asked.map_err(|error| format!("the server cannot be stopped: {error}"))?;
        let begun = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the server does not stop".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let disk = std::fs::metadata(self.dir.join("rush.db")).ok().map(|meta| meta.len());
        let audit = Own::command(&self.dir, self.database.as_deref())?.arg("audit").output();
        let audit = audit.map_err(|error| format!("the audit cannot be made: {error}"))?;
        let said = String::from_utf8_lossy(&audit.stdout).into_owned()
            + &String::from_utf8_lossy(&audit.stderr);
        Ok(Server {
            memory: most,
            cpu_s,
            crowd_cpu_s,
            disk,
            audit: Some((audit.status.success(), said)),
        })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        _ = self.child.kill();
        _ = self.child.wait();
        if !self.keep {
            _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// A size from `/proc`, in bytes; unknown where there is none.
fn status(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The processor time of a process in seconds, from `/proc` (proc(5): utime and stime, in ticks of
/// a hundredth of a second on every Linux there is).
fn cpu_s(pid: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = text.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

fn cpu_s_of_us() -> Option<f64> {
    cpu_s("self")
}
