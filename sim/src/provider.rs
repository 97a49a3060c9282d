//! The network to the provider, and the provider's double at its other end.

use crate::plan::Fault;
use crate::world::World;
use nts_server::payments::double::{Double, Misstep, Operation};
use nts_server::payments::wire::{Exchange, Lost, Wire, WireRequest, WireResponse};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;
use tokio::time::{Duration, sleep, timeout};

/// How long a process waits for an answer of the provider.
const PATIENCE: Duration = Duration::from_secs(40);

/// The way from a process to the provider.
pub struct SimWire {
    world: Weak<World>,
    machine: usize,
    /// Until when nobody answers, in milliseconds since the beginning.
    away_until: AtomicI64,
}

impl SimWire {
    /// The way from machine `machine`.
    pub fn new(world: &Arc<World>, machine: usize) -> SimWire {
        SimWire { world: Arc::downgrade(world), machine, away_until: AtomicI64::new(0) }
    }
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

impl Wire for SimWire {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        Box::pin(async move {
            let Some(world) = self.world.upgrade() else { return std::future::pending().await };
            let chaos = &world.chaos;
            let what = format!(
                "machine {} → provider: {} {}{}",
                self.machine,
                request.method,
                short(&request.path),
                request.key.as_deref().map(under).unwrap_or_default()
            );
            if chaos.strikes(Fault::ProviderAway) {
                let long = chaos.between(Fault::ProviderAway, 1_000, 300_000);
                self.away_until.store(world.at_ms() + long, Ordering::SeqCst);
                world.tell(
                    None,
                    format!("machine {}: the provider is away for {long} ms", self.machine),
                );
            }
            if !chaos.is_calm() && world.at_ms() < self.away_until.load(Ordering::SeqCst) {
                sleep(ms(50)).await;
                return Err(Lost::NotSent("no connection".into()));
            }
            if chaos.strikes(Fault::ProviderRequestLost) {
                world.tell(None, format!("{what} is lost on its way"));
                sleep(PATIENCE).await;
                return Err(Lost::Unknown("no answer".into()));
            }
            let (mut answer, answered) = oneshot::channel();
            let late = chaos.strikes(Fault::ProviderLate);
            let late = if late { chaos.between(Fault::ProviderLate, 1_000, 120_000) } else { 40 };
            let again = chaos.strikes(Fault::ProviderTwice);
            let again = again.then(|| chaos.between(Fault::ProviderTwice, 1, 120_000));
            let told = what.clone();
            let there = Arc::clone(&world);
            // What has left goes on, whatever becomes of who sent it.
            world.elsewhere(async move {
                sleep(ms(late)).await;
                let got = there.double.exchange(request.clone()).await;
                noted(&there, &request, &got);
                acted(&there);
                if let Some(again) = again {
                    let world = Arc::clone(&there);
                    there.elsewhere(async move {
                        sleep(ms(again)).await;
                        world.tell(None, format!("{told} arrives again"));
                        let got = world.double.exchange(request.clone()).await;
                        noted(&world, &request, &got);
                        acted(&world);
                    });
                }
                tokio::select! {
                    biased;
                    () = answer.closed() => {}
                    () = sleep(ms(40)) => { _ = answer.send(got); }
                }
            });
            let got = timeout(PATIENCE, answered).await;
            let Ok(Ok(got)) = got else {
                world.tell(None, format!("{what}: no answer"));
                return Err(Lost::Unknown("no answer".into()));
            };
            if chaos.strikes(Fault::ProviderAnswerLost) {
                world.tell(None, format!("{what}: the answer is lost on its way"));
                sleep(PATIENCE).await;
                return Err(Lost::Unknown("no answer".into()));
            }
            match &got {
                Ok(WireResponse { status, .. }) => world.tell(None, format!("{what}: {status}")),
                Err(Lost::NotSent(_)) => world.tell(None, format!("{what}: no connection")),
                Err(Lost::Unknown(_)) => world.tell(None, format!("{what}: the connection ended")),
            }
            if got.as_ref().is_ok_and(|r| r.status == 200) && late > 30_000 {
                world.mark("a call arrived after half a minute and was heard");
            }
            got
        })
    }
}

/// A path without its query.
fn short(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// An idempotency key, short enough to be read: `30c6d1-refund-0`.
fn under(key: &str) -> String {
    let mut parts = key.splitn(3, '-');
    let (_, id, what) = (parts.next(), parts.next(), parts.next());
    let (Some(id), Some(what)) = (id, what) else { return format!(" (key {key})") };
    format!(" (key {}-{what})", id.get(id.len().saturating_sub(6)..).unwrap_or(id))
}

/// The provider has answered, whether anybody hears it or not: the auditor remembers which payments
/// it has declined.
fn noted(world: &World, request: &WireRequest, got: &Result<WireResponse, Lost>) {
    let Some(intent) = request.path.strip_prefix("/v1/payment_intents/") else { return };
    let intent = intent.split(['/', '?']).next().unwrap_or_default();
    let Ok(WireResponse { status, body, .. }) = got else { return };
    let refused = (400..500).contains(status) && ![403, 404, 409, 424, 429].contains(status);
    let told =
        std::str::from_utf8(body).is_ok_and(|body| body.contains("\"last_payment_error\":{"));
    if refused || told {
        world.audit(|auditor, _, _| auditor.provider_declined(intent));
    }
}

/// Something was done at the provider: the auditor looks at the ledger.
pub fn acted(world: &World) {
    match world.double.ledger_all() {
        Ok(all) => world.audit(|auditor, story, at| auditor.ledger(story, at, all)),
        Err(error) => {
            world.broken(crate::story::Promise::NoPanic, None, format!("the double: {error:?}"));
        }
    }
}

/// Lets the double itself misbehave.
pub fn misbehave(world: &Arc<World>, double: &Double) {
    let chaos = Arc::clone(&world.chaos);
    if chaos.has(Fault::ReleaseRefunds) {
        chaos.note(Fault::ReleaseRefunds);
        double.release_as_refunds(true);
    }
    double.misbehave(move |operation| {
        if operation == Operation::Confirm && chaos.strikes(Fault::TokenExpired) {
            return Some(Misstep::TokenExpired);
        }
        if operation == Operation::Refund && chaos.strikes(Fault::RefundPending) {
            let fails = chaos.between(Fault::RefundPending, 0, 1) == 0;
            return Some(if fails { Misstep::RefundFails } else { Misstep::RefundPends });
        }
        let ways: [(Fault, &[Misstep]); 9] = [
            (Fault::ProviderLocked, &[Misstep::LockTimeout]),
            (Fault::ProviderDependency, &[Misstep::DependencyBefore, Misstep::DependencyAfter]),
            (Fault::ProviderForbidden, &[Misstep::Forbidden]),
            (Fault::ProviderNulls, &[Misstep::Nulls]),
            (Fault::ProviderError, &[Misstep::ErrorBefore]),
            (Fault::ProviderErrorAfter, &[Misstep::ErrorAfter]),
            (Fault::ProviderTooMany, &[Misstep::TooMany]),
            (Fault::ProviderConflict, &[Misstep::Conflict]),
            (Fault::ProviderNonsense, &[Misstep::Html, Misstep::HtmlOk, Misstep::Garbled]),
        ];
        for (fault, missteps) in ways {
            if chaos.strikes(fault) {
                let which = chaos.between(fault, 0, missteps.len() as i64 - 1);
                return Some(missteps[usize::try_from(which).unwrap_or(0)]);
            }
        }
        None
    });
}
