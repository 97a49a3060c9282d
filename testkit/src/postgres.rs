//! A private PostgreSQL for tests and benchmarks: in a directory of its own, on a free port of this
//! machine, as a user who is not root, and gone when the test is, however it ends.
//!
//! A small shell script is its keeper: it starts and kills the server when told to through a pipe,
//! and when the pipe ends, because this process did, it stops the server and removes the directory.

use crate::eventually;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// `$1` where the programs are, `$2` the directory, `$3` the port, `$4` the port of the server that
/// it is a standby of, or nothing, then settings.
const KEEPER: &str = r#"
trap '' INT
bin=$1; dir=$2; port=$3; primary=$4; shift 4
cd "$dir" || exit 1
if [ -n "$primary" ]; then
    "$bin/pg_basebackup" -D data -R -X stream --checkpoint=fast --no-sync \
        -d "host=127.0.0.1 port=$primary user=postgres application_name=standby" >log 2>&1
else
    "$bin/initdb" -D data -U postgres -A trust --no-sync -E UTF8 --locale=C >log 2>&1
fi || { cat log; exit 1; }
begin() {
    "$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c max_connections=200 "$@" >>log 2>&1 &
    pid=$!
    for try in $(seq 600); do
        "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && { echo ready; return; }
        if ! kill -0 $pid 2>/dev/null; then
            # The last one's memory may not be free yet.
            [ "$try" -lt 300 ] || break
            "$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 \
                -c unix_socket_directories= -c max_connections=200 "$@" >>log 2>&1 &
            pid=$!
        fi
        sleep 0.05
    done
    tail -n 20 log; exit 1
}
begin "$@"
while read -r word; do
    case $word in
        kill) kill -9 $pid; wait $pid 2>/dev/null; echo killed ;;
        freeze) kill -STOP $pid $(cat /proc/$pid/task/$pid/children); echo frozen ;;
        thaw) kill -CONT $pid $(cat /proc/$pid/task/$pid/children); echo thawed ;;
        begin) begin "$@" ;;
    esac
done
kill -CONT $pid $(cat /proc/$pid/task/$pid/children) 2>/dev/null
kill -QUIT $pid 2>/dev/null
wait $pid 2>/dev/null
cd / && rm -rf "$dir"
"#;

/// A running server of one's own.
pub struct Postgres {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    keeper: Child,
    pipe: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

/// Where the programs of PostgreSQL are, if they are installed.
fn programs() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|v| v.path().join("bin")).collect())
        .unwrap_or_default();
    installed.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates =
        told.into_iter().chain(installed.into_iter().rev()).chain(std::env::split_paths(&path));
    candidates.find(|dir| {
        ["initdb", "postgres", "pg_isready", "psql"].iter().all(|name| dir.join(name).exists())
    })
}

pub(crate) fn said(command: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(command).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Says why tests of PostgreSQL are left out, or fails if nothing may be left out.
pub(crate) fn left_out(why: &str) {
    assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "this cannot be tested: {why}");
    eprintln!("left out: this is not tested here, for {why}");
}

impl Postgres {
    /// One server for all tests of a process; `None` if there is no PostgreSQL, and then it is
    /// said (with `NTS_TEST_ALL` set it is an error).
    pub fn shared() -> Option<&'static Postgres> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        // No test takes the power away: what a server has written that is killed, the system still has.
        SHARED.get_or_init(|| Postgres::start(&["fsync=off"])).as_ref()
    }

    /// A server for one test alone, with settings such as `"synchronous_standby_names=*"`.
    pub fn start(settings: &[&str]) -> Option<Postgres> {
        Postgres::start_as(settings, "")
    }

    /// A server that follows this one, as its standby.
    pub fn standby(&self) -> Postgres {
        let standby = Postgres::start_as(&[], &self.port.to_string());
        standby.expect("what starts one server starts another")
    }

    /// The standby takes over.
    pub fn promote(&self) {
        assert_eq!(self.sql("postgres", "SELECT pg_promote()"), "t");
    }

    fn start_as(settings: &[&str], primary: &str) -> Option<Postgres> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(bin) = programs() else {
            left_out(
                "the programs of PostgreSQL are not installed (Debian's package is called postgresql)",
            );
            return None;
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("nts-pg-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = match user(&dir) {
            Ok(command) => command,
            Err(why) => {
                left_out(&why);
                return None;
            }
        };
        command.args(["sh", "-c", KEEPER, "keeper"]).arg(&bin).arg(&dir).arg(port.to_string());
        command.arg(primary);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = (keeper.stdin.take().unwrap(), BufReader::new(keeper.stdout.take().unwrap()));
        let postgres = Postgres { bin, dir, port, keeper, pipe: Mutex::new(Some(pipe)) };
        postgres.hear("ready");
        Some(postgres)
    }

    fn pipe(&self) -> MutexGuard<'_, Option<(ChildStdin, BufReader<ChildStdout>)>> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, word: &str) {
        writeln!(self.pipe().as_mut().unwrap().0, "{word}").unwrap();
    }

    fn hear(&self, expected: &str) {
        let mut heard = String::new();
        self.pipe().as_mut().unwrap().1.read_line(&mut heard).unwrap();
        if heard.trim() != expected {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            panic!("PostgreSQL does not start: {heard} {log}");
        }
    }

    /// Ends the server as a power cut ends a process: nothing is finished.
    pub fn kill(&self) {
        self.tell("kill");
        self.hear("killed");
    }

    /// Starts it again on the same files and the same port.
    pub fn start_again(&self) {
        self.tell("begin");
        self.hear("ready");
    }

    /// Stops all of its processes where they are, as a machine that hangs: connections are still accepted, by
    /// the kernel, and nobody answers.
    pub fn freeze(&self) {
        self.tell("freeze");
        self.hear("frozen");
    }

    /// They go on.
    pub fn thaw(&self) {
        self.tell("thaw");
        self.hear("thawed");
    }

    /// Sets something for the whole server, and waits until it is so; `''` sets it back.
    pub fn set(&self, name: &str, value: &str) {
        self.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.sql("postgres", "SELECT pg_reload_conf()");
        eventually("it is set", || self.sql("postgres", &format!("SHOW {name}")) == value);
    }

    /// The port on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a new empty database and gives its name.
    pub fn database(&self) -> String {
        self.copy("template1")
    }

    /// Makes a copy of a database and gives its name. The server waits five seconds for those who are still connected to it.
    pub fn copy(&self, database: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {database}"));
        name
    }

    /// From now on this user must show a password; nobody else must.
    pub fn require_password(&self, user: &str) {
        let rule = format!("host all {user} 127.0.0.1/32 scram-sha-256\n");
        let file = self.dir.join("data/pg_hba.conf");
        let rules = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, rule + &rules).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Runs some SQL and gives what it says, a line a row, columns apart by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        *self.pipe() = None;
        _ = self.keeper.wait();
    }
}

/// A command that runs as somebody who is not root, for PostgreSQL refuses to; and who owns `dir`.
pub(crate) fn user(dir: &Path) -> Result<Command, String> {
    if said("id", &["-u"]).as_deref() != Some("0") {
        return Ok(Command::new("env"));
    }
    for name in ["postgres", "nobody"] {
        let (Some(uid), Some(gid)) = (said("id", &["-u", name]), said("id", &["-g", name])) else {
            continue;
        };
        let owner = format!("{uid}:{gid}");
        if said("chown", &[&owner, &dir.to_string_lossy()]).is_none() {
            continue;
        }
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
        return Ok(command);
    }
    Err("PostgreSQL refuses to run as root, and there is no other user here".into())
}
