//! Which payment provider the orders of a database belong to, and the way from test mode to real sales.
//!
//! - A database says, under a key of its own, with which provider its orders were made.
//! - While it has orders, it is not served with another one: a ticket of the sandbox would be valid in a real
//!   sale, and a real payment could be neither settled nor refunded by the sandbox.
//! - [`set_aside`] moves test orders into a file of their own, and keeps the events. It refuses if there is a
//!   real order.

use super::records::audit_log::{Action, AuditLine, audit_id};
use super::transfer::{Moved, Stage, Unfinished, compare, copy};
use super::{Database, Fault, MetaStore, Reader};
use crate::actor::Actor;
use crate::clock::Clock;
use crate::text::counted;
use boxoffice::{Order, OrderId, Tender};
use std::fmt;
use std::path::Path;

/// The key under which a database says it.
pub(super) const PROVIDER: &str = "provider";
/// What it says when its test orders were set aside, until it is served again.
pub(super) const NO_PROVIDER: &str = "none";
/// Orders at a time, where all of them are read.
const PAGE: usize = 1_000;

/// Where money is taken, and whether it is real.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The built-in emulator of Stripe.
    Sandbox,
    /// Stripe, with test keys.
    StripeTest,
    /// Stripe, with live keys: real money moves.
    StripeLive,
}

impl Mode {
    /// With these keys of Stripe: `None` for no keys, else whether they are live.
    pub fn of(live: Option<bool>) -> Mode {
        match live {
            None => Mode::Sandbox,
            Some(false) => Mode::StripeTest,
            Some(true) => Mode::StripeLive,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Mode::Sandbox => "sandbox",
            Mode::StripeTest => "stripe_test",
            Mode::StripeLive => "stripe_live",
        }
    }

    pub(super) fn read(word: &str) -> Option<Mode> {
        [Mode::Sandbox, Mode::StripeTest, Mode::StripeLive].into_iter().find(|m| m.word() == word)
    }

    /// What it takes to be in this mode.
    pub fn how(self) -> &'static str {
        match self {
            Mode::Sandbox => "unset Stripe's keys",
            Mode::StripeTest => {
                "set NTS_STRIPE_SECRET_KEY and NTS_STRIPE_PUBLISHABLE_KEY to the test keys"
            }
            Mode::StripeLive => {
                "set NTS_STRIPE_SECRET_KEY and NTS_STRIPE_PUBLISHABLE_KEY to the live keys"
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Sandbox => "the sandbox",
            Mode::StripeTest => "Stripe in test mode",
            Mode::StripeLive => "Stripe, for real money",
        })
    }
}

/// Why a database is not served.
#[derive(Debug)]
pub enum NotClaimed {
    /// It must not be, with this provider. The sentence says what to do.
    Refused(String),
    /// It cannot be asked.
    Fault(Fault),
}

impl From<Fault> for NotClaimed {
    fn from(fault: Fault) -> NotClaimed {
        NotClaimed::Fault(fault)
    }
}

impl fmt::Display for NotClaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotClaimed::Refused(why) => f.write_str(why),
            NotClaimed::Fault(fault) => fault.fmt(f),
        }
    }
}

/// Begins to serve a database in this mode, or says why that must not be. `name` is the database's;
/// `sandbox_exists` tells whether the sandbox has been used beside it.
pub fn claim(
    store: &mut dyn MetaStore,
    reader: &mut dyn Reader,
    mode: Mode,
    name: &Database,
    sandbox_exists: bool,
) -> Result<(), NotClaimed> {
    let word = store.meta_get(PROVIDER)?;
    let kept = word.as_deref().and_then(Mode::read);
    if kept == Some(mode) && store.claim_provider(word.as_deref(), mode.word())? {
        return Ok(());
    }
    // Free orders are nobody's: no provider is ever asked for them. Neither is one for what is sold at the box
    // office; but beside what was sold with live keys nothing is tried.
    let offline_counts = kept == Some(Mode::StripeLive);
    let mut priced = false;
    each_order(reader, &mut |order| {
        let counts = order.tender == Tender::Online || offline_counts;
        priced |= counts && order.total().minor > 0;
        !priced
    })?;
    let known = match (kept, infer(reader, sandbox_exists)?) {
        // Real payments are what they are, whatever was written down.
        (_, Some(Mode::StripeLive)) => Some(Mode::StripeLive),
        (Some(kept), _) => priced.then_some(kept),
        // Of a version that did not write it down.
        (None, made) => made,
    };
    match known {
        Some(known) if known != mode => Err(NotClaimed::Refused(refusal(known, mode, name))),
        _ if store.claim_provider(word.as_deref(), mode.word())? => Ok(()),
        _ => Err(NotClaimed::Refused(format!(
            "{name} is served by another process with another payment provider, and this start is with {mode}: \
             a database has one. Nothing was changed. Stop all its processes first, then start them with the \
             same keys."
        ))),
    }
}

fn refusal(known: Mode, mode: Mode, name: &Database) -> String {
    let back = known.how();
    if known == Mode::StripeLive {
        return format!(
            "{name} has real orders, and this start is with {mode}: their payments could be neither settled \
             nor refunded, and test orders would be among them. Nothing was changed. To go on selling, \
             {back}. To try something, use another database, such as NTS_DATABASE=try.db."
        );
    }
    format!(
        "{name} has orders that were made with {known}, and this start is with {mode}: their tickets would \
         be valid beside those that are sold from now on. Nothing was changed. Run `nts go-live` once: it \
         moves those orders and their tickets into a file of their own and keeps the events. Or go on as \
         before: {back}."
    )
}

/// Who made the orders of a database that does not say it; `None` if none of them was ever paid, so that
/// nothing is wrong with any provider.
fn infer(reader: &mut dyn Reader, sandbox_exists: bool) -> Result<Option<Mode>, Fault> {
    let (mut paid, mut live) = (false, false);
    each_order(reader, &mut |order| {
        paid |= order.payment.is_some();
        live |= is_real(order);
        !live
    })?;
    Ok(match (paid, live) {
        (false, _) => None,
        (true, true) => Some(Mode::StripeLive),
        (true, false) if sandbox_exists => Some(Mode::Sandbox),
        (true, false) => Some(Mode::StripeTest),
    })
}

/// Whether the payment provider moved real money for it.
fn is_real(order: &Order) -> bool {
    order.payment.as_ref().is_some_and(|payment| payment.live)
}

/// What nothing tells of whether it was a test.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Unclear {
    /// Orders that cost nothing, or were given away.
    pub free: bool,
    /// Orders that the organiser sold for cash or at a card terminal.
    pub box_office: bool,
}

/// Tells every order, until it is enough.
fn each_order(reader: &mut dyn Reader, tell: &mut dyn FnMut(&Order) -> bool) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let page = reader.all_orders(after, PAGE)?;
        if !page.orders.iter().all(&mut *tell) || page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

/// What was set aside.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SetAside {
    /// The ids of the events, which stay.
    pub events: Vec<String>,
    /// Orders, which are gone from the database.
    pub orders: u64,
    /// Tickets, of which none is valid any more.
    pub tickets: u64,
}

/// Copies everything into a new file, compares, and removes all orders, payments, refunds and tickets from the
/// database; its events, prices and audit log stay. Refuses if an order is real, or may be and is not among the
/// `tests`, if a server runs, or if the file exists. The error is one or more sentences.
pub fn set_aside(
    database: &Database,
    archive: &Path,
    tests: Unclear,
    clock: &Clock,
    tell: &mut dyn FnMut(Stage),
) -> Result<SetAside, String> {
    let mut source = database.source(clock).map_err(|why| match why.contains("Nothing was") {
        true => why,
        false => format!("{} Nothing was changed.", why.trim_end()),
    })?;
    tell(Stage::Checking);
    let unreadable =
        |fault: Fault| format!("{database} cannot be read: {fault}. Nothing was changed.");
    let facts = source.facts().map_err(unreadable)?;
    let mut real: Option<OrderId> = None;
    let (mut any, mut free, mut sold) = (false, 0_u64, 0_u64);
    each_order(source.reader(), &mut |order| {
        any = true;
        let offline = matches!(order.tender, Tender::Cash | Tender::Terminal);
        let unclear = order.payment.is_none() && order.state.sells();
        free += u64::from(unclear && !offline);
        sold += u64::from(unclear && offline);
        real = real.or(is_real(order).then_some(order.id));
        real.is_none()
    })
    .map_err(unreadable)?;
    if let Some(order) = real {
        let order = uuid::Uuid::from_u128(order.0);
        return Err(format!(
            "{database} has real orders: order {order} is paid with real money. Nothing was changed."
        ));
    }
    if !any {
        return Ok(SetAside::default());
    }
    if sold > 0 && !tests.box_office {
        return Err(format!(
            "{database} has {} of the box office, paid in cash or at a card terminal, which may be real: nothing \
             says whether such a sale was a test. Nothing was changed. If all of them were tests: nts go-live \
             --box-office-too. If some are real, sell online in a new database, such as NTS_DATABASE=live.db; \
             a database without online test orders needs no go-live, and keeps them.",
            counted(sold, "order"),
        ));
    }
    if free > 0 && !tests.free {
        return Err(format!(
            "{database} has {free} free order{}, which may be real: nothing says whether a free ticket was a \
             test. Nothing was changed. If all of them were tests: nts go-live --free-too. If some are real, \
             sell in a new database, such as NTS_DATABASE=live.db.",
            if free == 1 { "" } else { "s" },
        ));
    }
    if facts.provider.as_deref() == Some(Mode::StripeLive.word()) {
        return Err(format!(
            "{database} has real orders: it was served with live keys of Stripe. Nothing was changed."
        ));
    }
    let wrong = source.reader().verify().map_err(unreadable)?;
    if let Some(first) = wrong.first() {
        return Err(format!(
            "the accounts of {database} do not balance: {first}. Nothing was changed. nts audit tells more."
        ));
    }
    let to = Database::File(archive.into());
    let mut sink = to.sink(&facts, clock)?;
    let moved = copy(&mut *source, &mut *sink, tell)
        .and_then(|moved| compare(&mut *source, &mut *sink, moved.orders, tell).map(|()| moved));
    let Moved { orders, tickets, .. } = moved.map_err(|fault| {
        format!("{database} could not be copied to {to}: {fault}. Nothing was changed.")
    })?;
    let events = source.reader().events().map_err(unreadable)?;
    let events = events.into_iter().map(|event| event.spec.slug).collect();
    sink.finish().map_err(|(Unfinished::Nothing(why) | Unfinished::Unknown(why))| why)?;
    let at_ms = clock.now_ms();
    let line = AuditLine {
        id: audit_id(at_ms, (0, 0), 0),
        at_ms,
        actor: Actor::System,
        action: Action::TestOrdersMoved,
        event: None,
        order_id: None,
        detail: format!(
            "go-live: {} and {} to {}",
            counted(orders, "order"),
            counted(tickets, "ticket"),
            archive.display()
        ),
    };
    source.clear_orders(&line).map_err(|fault| {
        format!(
            "{to} has a copy of all orders, but they could not be removed from {database}: {fault}. They are \
             still there. Remove {to} and try again."
        )
    })?;
    Ok(SetAside { events, orders, tickets })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Tables that `clear_orders` of each engine empties.
    const OF_ORDERS: &[&str] = &[
        "attempts",
        "buyers",
        "gate_counts",
        "mail_jobs",
        "order_search",
        "orders",
        "outbox",
        "payment_tries",
        "payments",
        "refunds",
        "requests",
        "sale_figures",
        "scans",
        "terms_accepted",
        "tickets",
        "webhook_tries",
    ];
    /// Tables that stay.
    const KEPT: &[&str] = &[
        "accounts",
        "api_keys",
        "audit_log",
        "cancellations",
        "door_devices",
        "doors",
        "event_pictures",
        "events",
        "gate_links",
        "grants",
        "meta",
        "one_time_links",
        "pictures",
        "pools",
        "progress",
        "recovery_codes",
        "search_progress",
        "sessions",
        "shop",
        "terms",
        "ticket_keys",
        "ticket_types",
        "webhooks",
        "writers",
    ];

    #[test]
    fn of_each_table_it_is_decided_whether_it_stays_when_test_orders_go() {
        for engine in ["sqlite", "postgres"] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let mut tables = BTreeSet::new();
            for entry in std::fs::read_dir(root.join("migrations").join(engine)).expect("there") {
                let text = std::fs::read_to_string(entry.expect("there").path()).expect("a text");
                let names = text.split("CREATE TABLE ").skip(1);
                let names = names.filter_map(|rest| Some(rest.split_once([' ', '('])?.0));
                // One that takes the place of another has its name in the end.
                let stays = |name: &&str| !text.contains(&format!("ALTER TABLE {name} RENAME TO"));
                tables.extend(names.filter(stays).map(str::to_owned));
            }
            assert!(tables.len() > 10, "the migrations are where they are looked for: {tables:?}");
            let transfer = root.join("src/store").join(engine).join("transfer.rs");
            let transfer = std::fs::read_to_string(transfer).expect("a text");
            let is_cleared = |table: &str| transfer.contains(&format!("DELETE FROM {table};"));
            for table in tables {
                let dropped = engine == "sqlite" && table == "buyers";
                assert_eq!(
                    is_cleared(&table),
                    OF_ORDERS.contains(&&*table) && !dropped,
                    "{engine}: {table}"
                );
                assert!(
                    is_cleared(&table) || dropped || KEPT.contains(&&*table),
                    "{engine}: {table}"
                );
            }
        }
    }
}
