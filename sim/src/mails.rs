//! The relay that takes mails, the network to it, and buyers who give another address.

use crate::auditor::Leaves;
use crate::plan::Fault;
use crate::rng::Rng;
use crate::world::World;
use boxoffice::{OrderId, OrderState};
use nts_server::mail::{Composed, Relay, Sent};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::time::{Duration, sleep};

/// So many mails a second a process sends at most.
pub const PER_SECOND: u32 = 20;
/// How long a process waits for the relay's reply to a mail that was handed over.
const PATIENCE: Duration = Duration::from_secs(40);

/// The way from a process to the relay.
pub struct SimRelay {
    world: Weak<World>,
    machine: usize,
    life: u32,
    /// Until when nobody answers, in milliseconds since the beginning.
    away_until: AtomicI64,
    rng: Mutex<Rng>,
}

impl SimRelay {
    /// The way from the process that is the `life`th of its machine.
    pub fn new(world: &Arc<World>, machine: usize, life: u32) -> SimRelay {
        let stream = 7_400 + 100 * u64::from(life) + machine as u64;
        let rng = Mutex::new(Rng::new(world.plan.seed, stream));
        let (away_until, world) = (AtomicI64::new(0), Arc::downgrade(world));
        SimRelay { world, machine, life, away_until, rng }
    }

    /// Some milliseconds.
    fn takes(&self, low: i64, high: i64) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(rng.between(low, high).unsigned_abs())
    }
}

impl Relay for SimRelay {
    async fn send(&self, id: u128, to: &str, composed: &Composed) -> Sent {
        let Some(world) = self.world.upgrade() else { return std::future::pending().await };
        let chaos = &world.chaos;
        let Some(row) = world.mail_row(id) else {
            // The database cannot be read by anybody at the moment.
            return Sent::Later("450 4.3.0 try again".into());
        };
        let mail = Leaves {
            id,
            order: row.order_id,
            subject: row.subject,
            to: to.to_owned(),
            machine: self.machine,
            life: self.life,
            text: composed.text.clone(),
        };
        world.audit(|auditor, story, at| auditor.mail_leaves(story, at, &mail));
        let what =
            format!("machine {}: mail {} {:08x} to {to}", self.machine, mail.subject, id as u32);
        let order = mail.order;
        if chaos.strikes(Fault::MailAway) {
            let long = chaos.between(Fault::MailAway, 1_000, 3_600_000);
            self.away_until.store(world.at_ms() + long, Ordering::SeqCst);
            world.tell(None, format!("machine {}: the relay is away for {long} ms", self.machine));
        }
        if !chaos.is_calm() && world.at_ms() < self.away_until.load(Ordering::SeqCst) {
            sleep(self.takes(1, 100)).await;
            return Sent::Later("no connection".into());
        }
        if chaos.strikes(Fault::MailSlow) {
            let long = chaos.between(Fault::MailSlow, 1_000, 55_000);
            sleep(Duration::from_millis(long.unsigned_abs())).await;
        }
        sleep(self.takes(5, 80)).await;
        if chaos.strikes(Fault::MailLater) {
            world.tell(order, format!("{what}: 450"));
            return Sent::Later("450 4.2.0 greylisted".into());
        }
        if chaos.strikes(Fault::MailRefused) {
            world.tell(order, format!("{what}: 550"));
            world.audit(|auditor, _, _| auditor.mail_refused(&mail));
            return Sent::Refused("550 5.1.1 no such user".into());
        }
        if chaos.strikes(Fault::MailHangs) {
            // It was not taken, and nobody will ever say so.
            world.tell(order, format!("{what}: nobody answers"));
            world.audit(|auditor, _, _| auditor.mail_hangs(&mail));
            return std::future::pending().await;
        }
        // Whoever's reply is late once is late again.
        let again = world.audit(|auditor, _, _| auditor.reply_was_lost(id, to));
        let lost = chaos.strikes(Fault::MailAnswerLost)
            || again && !chaos.is_calm() && self.takes(0, 1).is_zero();
        let accepted = if lost { "taken, and the reply is lost" } else { "taken" };
        world.tell(order, format!("{what}: {accepted}"));
        world.trace().count("mails taken");
        world.audit(|auditor, story, at| {
            let dead = |machine: usize, life: u32| !world.machines[machine].lives(life);
            auditor.mail_taken(story, at, &mail, lost, &dead);
        });
        if lost {
            sleep(PATIENCE).await;
            return Sent::Unknown("no reply after DATA".into());
        }
        sleep(self.takes(5, 80)).await;
        Sent::Accepted
    }
}

/// How often somebody may have mistyped an address.
const LOOK: Duration = Duration::from_secs(5);

/// Buyers give other addresses for as long as the storm lasts.
pub async fn readdress(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 7_301);
    let mut nth = 0;
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        if !world.chaos.strikes(Fault::Readdress) {
            continue;
        }
        let orders: Vec<(OrderId, OrderState, String)> = world.audit(|auditor, _, _| {
            let orders = auditor.orders().filter(|order| !order.buyer.email.is_empty());
            orders.map(|order| (order.id, order.state, order.buyer.email.clone())).collect()
        });
        let paid = |of: &&(OrderId, OrderState, String)| of.1 == OrderState::Paid;
        let mut of: Vec<_> = orders.iter().filter(paid).collect();
        // Now and then of one that has no tickets.
        if rng.below(5) == 0 || of.is_empty() {
            of = orders.iter().collect();
        }
        if of.is_empty() {
            continue;
        }
        let order = of[rng.below(of.len() as u64) as usize].0;
        nth += 1;
        let to = match rng.below(4) {
            0 => orders[rng.below(orders.len() as u64) as usize].2.clone(),
            _ => format!("moved{nth}@example.com"),
        };
        let n = rng.below(world.machines.len() as u64) as usize;
        world.audit(|auditor, _, _| auditor.address_asked(order, &to));
        world.tell(Some(order), format!("its buyer gives the address {to}"));
        if let Some(answered) = world.machines[n].change_address(order, to)
            && let Ok(Ok(changed)) = answered.await
        {
            world.mark("an order got another address");
            world.audit(|auditor, story, at| auditor.address_told(story, at, &changed));
        }
    }
}
