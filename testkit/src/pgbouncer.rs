//! A private PgBouncer before a private PostgreSQL.

use crate::postgres::{left_out, said, user};
use crate::{Postgres, eventually};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A pooler, gone when the test is.
pub struct PgBouncer {
    dir: PathBuf,
    port: u16,
    to: u16,
    child: Mutex<Child>,
}

impl PgBouncer {
    /// A pooler before this server, in this `pool_mode`, with so many connections to each database. `None` if
    /// there is no PgBouncer, and then it is said (with `NTS_TEST_ALL` set it is an error).
    pub fn start(postgres: &Postgres, mode: &str, pool_size: u32) -> Option<PgBouncer> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if said("pgbouncer", &["--version"]).is_none() {
            left_out("PgBouncer is not installed (Debian's package is called pgbouncer)");
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("nts-pool-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let to = postgres.port();
        let child = Mutex::new(begin(&dir, port, to, mode, pool_size));
        let pooler = PgBouncer { dir, port, to, child };
        pooler.wait();
        Some(pooler)
    }

    /// The same port leads to another pooler.
    pub fn restart(&self, mode: &str, pool_size: u32) {
        self.end();
        let again = begin(&self.dir, self.port, self.to, mode, pool_size);
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = again;
        self.wait();
    }

    /// The address of a database through it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn wait(&self) {
        eventually("PgBouncer listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    fn end(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        _ = child.kill();
        _ = child.wait();
    }
}

fn begin(dir: &Path, port: u16, to: u16, mode: &str, pool_size: u32) -> Child {
    let file = dir.join("pgbouncer.ini");
    let settings = format!(
        "[databases]\n* = host=127.0.0.1 port={to} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
         default_pool_size = {pool_size}\nserver_login_retry = 1\n"
    );
    std::fs::write(&file, settings).unwrap();
    let mut command = user(dir).expect("PostgreSQL runs as somebody here");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    command.arg("pgbouncer").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.end();
        _ = std::fs::remove_dir_all(&self.dir);
    }
}
