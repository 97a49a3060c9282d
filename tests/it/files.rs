//! Files that hold secrets are their owner's alone, whatever the umask.
#![cfg(unix)]

use crate::harness::*;
use nts_testkit::Postgres;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The files of a directory with their modes, but for what the tests themselves put there.
fn modes(dir: &Dir) -> BTreeMap<String, u32> {
    let entries = std::fs::read_dir(dir.path(".")).unwrap().flatten();
    let files = entries.map(|e| (e.file_name().into_string().unwrap(), mode(&e.path())));
    files.filter(|(name, _)| name != "log").collect()
}

fn all_private(dir: &Dir, expected: &[&str]) {
    let modes = modes(dir);
    assert_eq!(modes.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(modes.values().all(|mode| *mode == 0o600), "{modes:?}");
}

#[test]
fn everything_that_a_box_office_writes_is_its_owners_alone() {
    if crate::ON_POSTGRES {
        return mark_and_sandbox_beside_a_server();
    }
    for umask in ["022", "000", "077"] {
        let dir = Dir::new("modes");
        let server = Server::start_as(&dir, nts_under(umask, &dir), &[]);
        server.make_event(10, 300);
        let order = server.send(hold("ann", 1)).json();
        server.send(pay(&order, "ctoken_ok"));
        let running = [
            "nts.db",
            "nts.db-lock",
            "nts.db-shm",
            "nts.db-wal",
            "nts.db.sandbox",
            "nts.db.sandbox-shm",
            "nts.db.sandbox-wal",
        ];
        let names: Vec<String> = modes(&dir).into_keys().collect();
        assert!(running.iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");
        all_private(&dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
        // A half of an older backup that others may read is no exception.
        std::fs::write(dir.path("copy.db.partial"), "").unwrap();
        let open = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(dir.path("copy.db.partial"), open).unwrap();
        let backup = nts_under(umask, &dir).args(["backup", "copy.db"]).output().unwrap();
        assert!(backup.status.success(), "{backup:?}");
        assert_eq!(mode(&dir.path("copy.db")), 0o600);
        server.stop();
    }
}

#[test]
fn what_an_older_version_left_open_is_closed_at_the_start() {
    if crate::ON_POSTGRES {
        return; // it is about a file
    }
    let dir = Dir::new("modes-before");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.kill();
    for name in modes(&dir).keys() {
        std::fs::set_permissions(dir.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let server = Server::start(&dir);
    let open: Vec<_> = modes(&dir).into_iter().filter(|(_, mode)| *mode != 0o600).collect();
    assert!(open.is_empty(), "{open:?}");
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    for name in ["nts.db", "nts.db-lock", "nts.db.sandbox"] {
        let said = format!(
            "{name} was open to other users of this machine (mode 644); it is its owner's alone"
        );
        assert!(log.contains(&said), "{said} in {log}");
    }
    server.stop();
}

/// Where the database is a server, the sandbox and its mark are files; and so is what is moved back.
fn mark_and_sandbox_beside_a_server() {
    let Some(postgres) = Postgres::shared() else { return };
    let dir = Dir::on("modes", postgres.url(&postgres.database()));
    let server = Server::start_as(&dir, nts_under("000", &dir), &[]);
    server.make_event(10, 300);
    let order = server.send(hold("ann", 1)).json();
    server.send(pay(&order, "ctoken_ok"));
    server.stop();
    let from = nts_url(&dir);
    let moved = nts_under("000", &dir).args(["migrate-store", &from, "moved.db"]).output().unwrap();
    assert!(moved.status.success(), "{moved:?}");
    let modes = modes(&dir);
    assert!(modes.contains_key("moved.db") && modes.contains_key("nts.sandbox.mark"), "{modes:?}");
    assert!(modes.values().all(|mode| *mode == 0o600), "{modes:?}");
}

/// The address of the directory's database.
fn nts_url(dir: &Dir) -> String {
    let command = nts(dir);
    let url = command.get_envs().find(|(name, _)| *name == "NTS_DATABASE");
    url.and_then(|(_, value)| value).unwrap().to_str().unwrap().to_owned()
}
