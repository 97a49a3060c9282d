//! The network to the provider, and the fake provider at its other end.

use crate::pace::{Pace, endpoint};
use crate::pages;
use crate::plan::Fault;
use crate::trace::Promise;
use crate::world::{EPOCH_MS, World};
use nts_server::payments::fake::{FakeStripe, InjectedFault, Operation};
use nts_server::payments::wire::{Exchange, Lost, Wire, WireRequest, WireResponse};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    pace: Mutex<Pace>,
}

impl SimWire {
    /// The way from machine `machine`.
    pub fn new(world: &Arc<World>, machine: usize) -> SimWire {
        let (away_until, pace) = (AtomicI64::new(0), Mutex::default());
        SimWire { world: Arc::downgrade(world), machine, away_until, pace }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call leaves: the process must keep to its budget.
    fn leaves(&self, world: &World, request: &WireRequest) {
        let what = (request.method, &*request.path, request.key.as_deref());
        let wrong = self.pace().leaves(what, world.plan.budget, world.at_ms());
        // After a jump of its own clock a process takes the database's for later than it is, until its
        // next look; pauses end early then, as they do where the database's clock is put forward.
        let jumps = world.chaos.has(Fault::ClockJump) || world.chaos.has(Fault::ClockInStep);
        if let Some(wrong) = wrong.filter(|wrong| !(jumps && wrong.contains("429"))) {
            let text = format!("machine {} calls the provider too fast: {wrong}", self.machine);
            world.broken(Promise::AllSettles, None, text);
        }
    }
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

impl Wire for SimWire {
    fn exchange(&self, mut request: WireRequest) -> Exchange<'_> {
        Box::pin(async move {
            let Some(world) = self.world.upgrade() else { return std::future::pending().await };
            let chaos = &world.chaos;
            self.leaves(&world, &request);
            let (key, path) = (request.key.clone(), request.path.clone());
            pages::ask(&mut request, world.plan.page, (EPOCH_MS + world.at_ms()) / 1000);
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
            if is_too_fast(&world, &request) {
                world.tell(None, format!("{what}: 429, the provider is busy"));
                sleep(ms(80)).await;
                self.pace().refused(key.as_deref(), world.at_ms());
                return Ok(too_fast(&world));
            }
            // A cancellation that never arrives is rare, and all that follows from it rarer still.
            let lost = Fault::ProviderRequestLost;
            let aimed = short(&request.path).ends_with("/cancel") && chaos.has(lost);
            let aimed = aimed && !chaos.is_calm() && chaos.between(lost, 0, 3) == 0;
            if aimed {
                chaos.note(lost);
            }
            if aimed || chaos.strikes(lost) {
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
                let got = there.fake.exchange(request.clone()).await;
                noted(&there, &request, &got);
                acted(&there);
                if let Some(again) = again {
                    let world = Arc::clone(&there);
                    there.elsewhere(async move {
                        sleep(ms(again)).await;
                        world.tell(None, format!("{told} arrives again"));
                        let got = world.fake.exchange(request.clone()).await;
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
            let Ok(Ok(mut got)) = got else {
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
            if let Ok(response) = &mut got {
                pages::misread(&path, response);
                if response.status == 429 {
                    self.pace().refused(key.as_deref(), world.at_ms());
                }
            }
            if got.as_ref().is_ok_and(|r| r.status == 200) && late > 30_000 {
                world.mark("a call arrived after half a minute and was heard");
            }
            got
        })
    }
}

/// Whether the provider refuses it for it takes no more a second, from all processes together.
fn is_too_fast(world: &World, request: &WireRequest) -> bool {
    let chaos = &world.chaos;
    if !chaos.has(Fault::ProviderBusy) || chaos.is_calm() {
        return false;
    }
    let mut calls = world.calls.lock().unwrap_or_else(PoisonError::into_inner);
    let endpoint = endpoint(request.method, &request.path);
    let too_fast = calls.add(endpoint, world.at_ms()) > world.plan.provider_takes;
    if too_fast {
        calls.take_back(endpoint);
        chaos.note(Fault::ProviderBusy);
    }
    too_fast
}

/// What it says then (<https://docs.stripe.com/rate-limits>).
fn too_fast(world: &World) -> WireResponse {
    let wait_ms = world.chaos.between(Fault::ProviderBusy, 0, 3) * 1_000;
    let error = r#"{"error": {"type": "invalid_request_error", "code": "rate_limit",
                    "message": "Too many requests came too quickly."}}"#;
    WireResponse {
        status: 429,
        request_id: None,
        should_retry: None,
        retry_after_ms: Some(wait_ms).filter(|ms| *ms > 0),
        body: error.into(),
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
    match world.fake.ledger_all() {
        Ok(all) => world.audit(|auditor, trace, at| auditor.ledger(trace, at, all)),
        Err(error) => {
            world.broken(crate::trace::Promise::NoPanic, None, format!("the fake: {error:?}"));
        }
    }
    fences(world);
}

/// Asks the provider how the payments stand whose places have just gone back.
pub fn fences(world: &World) {
    for (order, intent) in world.audit(|auditor, _, _| auditor.take_freed()) {
        // The provider's own database may fail just now: then nobody can know.
        let Ok(look) = world.fake.look(&intent) else { continue };
        let status = look.map(|look| look.status);
        world.audit(|auditor, trace, at| {
            auditor.freed_while(trace, at, (order, &intent), status);
        });
    }
}

/// Lets the fake itself misbehave.
pub fn misbehave(world: &Arc<World>, fake: &FakeStripe) {
    let chaos = Arc::clone(&world.chaos);
    if chaos.has(Fault::ReleaseRefunds) {
        chaos.note(Fault::ReleaseRefunds);
        fake.release_as_refunds(true);
    }
    fake.misbehave(move |operation| {
        if operation == Operation::Confirm && chaos.strikes(Fault::TokenExpired) {
            return Some(InjectedFault::TokenExpired);
        }
        if operation == Operation::Refund && chaos.strikes(Fault::RefundPending) {
            let fails = chaos.between(Fault::RefundPending, 0, 1) == 0;
            return Some(if fails {
                InjectedFault::RefundFails
            } else {
                InjectedFault::RefundPends
            });
        }
        let ways: [(Fault, &[InjectedFault]); 9] = [
            (Fault::ProviderLocked, &[InjectedFault::LockTimeout]),
            (
                Fault::ProviderDependency,
                &[InjectedFault::DependencyBefore, InjectedFault::DependencyAfter],
            ),
            (Fault::ProviderForbidden, &[InjectedFault::Forbidden]),
            (Fault::ProviderNulls, &[InjectedFault::Nulls]),
            (Fault::ProviderError, &[InjectedFault::ErrorBefore]),
            (Fault::ProviderErrorAfter, &[InjectedFault::ErrorAfter]),
            (Fault::ProviderTooMany, &[InjectedFault::TooMany]),
            (Fault::ProviderConflict, &[InjectedFault::Conflict]),
            (
                Fault::ProviderNonsense,
                &[InjectedFault::Html, InjectedFault::HtmlOk, InjectedFault::Garbled],
            ),
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
