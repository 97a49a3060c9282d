//! Two steps on one order at the same moment.
//!
//! What goes wrong only when two certain steps overlap is rare among buyers who do what they like. A
//! plan may name two steps: then some buyers bring an order to where the first can be done, and do both
//! within a moment.

use super::{Buyer, Mine, network_of, pause};
use crate::actors::{refund_order, ring};
use crate::plan::Fault;
use crate::provider::acted;
use crate::rng::Rng;
use crate::world::{WEBHOOK_SECRET, World};
use boxoffice::OrderState;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// A step on an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// Its buyer pays with a good card.
    Pays,
    /// Its buyer pays with another card that the bank wants to ask about.
    PaysOther,
    /// Its buyer gives it back.
    Cancels,
    /// Its buyer looks at it.
    Looks,
    /// The bank hears yes.
    BankYes,
    /// The bank hears no.
    BankNo,
    /// Its hold ends.
    Ends,
    /// Its payment is cancelled at the provider by hand.
    Voids,
    /// Its payment is captured at the provider by hand.
    Captures,
    /// The organiser refunds it.
    Refunds,
    /// Somebody refunds it at the provider by hand.
    RefundsByHand,
    /// Its cardholder disputes it.
    Disputes,
    /// The provider rings about it.
    Rings,
    /// A process dies.
    Dies,
}

/// How far an order is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Held,
    /// Its bank waits for an answer.
    AtBank,
    /// Somebody has just tried to pay.
    Paying,
    Paid,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 14] = [
        Step::Pays,
        Step::PaysOther,
        Step::Cancels,
        Step::Looks,
        Step::BankYes,
        Step::BankNo,
        Step::Ends,
        Step::Voids,
        Step::Captures,
        Step::Refunds,
        Step::RefundsByHand,
        Step::Disputes,
        Step::Rings,
        Step::Dies,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Step::Pays => "pays",
            Step::PaysOther => "pays with another card",
            Step::Cancels => "gives it back",
            Step::Looks => "looks",
            Step::BankYes => "tells the bank yes",
            Step::BankNo => "tells the bank no",
            Step::Ends => "the hold ends",
            Step::Voids => "voids it by hand",
            Step::Captures => "captures it by hand",
            Step::Refunds => "the organiser refunds it",
            Step::RefundsByHand => "refunds it by hand",
            Step::Disputes => "disputes it",
            Step::Rings => "the provider rings",
            Step::Dies => "a process dies",
        }
    }

    /// The fault that people at the provider's desk do by this step.
    fn by_hand(self) -> Option<Fault> {
        match self {
            Step::Voids => Some(Fault::Voided),
            Step::Captures => Some(Fault::CapturedByHand),
            Step::RefundsByHand => Some(Fault::RefundedByHand),
            Step::Disputes => Some(Fault::Disputed),
            _ => None,
        }
    }

    /// How far an order must be for this step.
    fn stage(self) -> Stage {
        match self {
            Step::Pays | Step::PaysOther | Step::Cancels | Step::Looks | Step::Ends => Stage::Held,
            Step::BankYes | Step::BankNo => Stage::AtBank,
            Step::Voids | Step::Captures | Step::Rings | Step::Dies => Stage::Paying,
            Step::Refunds | Step::RefundsByHand | Step::Disputes => Stage::Paid,
        }
    }
}

/// So many orders meet the two steps.
pub const ORDERS: u64 = 12;

/// A buyer whose order meets two steps at the same moment.
pub async fn meets(world: Arc<World>, n: u64, (one, two): (Step, Step)) {
    let mut rng = Rng::new(world.plan.seed, 80_000 + n);
    let comes = rng.between(0, world.plan.storm_ms * 3 / 4);
    sleep(Duration::from_millis(comes.unsigned_abs())).await;
    let (name, email) = (format!("pair {n}"), format!("pair-{n}@example.org"));
    let mut buyer = Buyer::new(&world, name, email, network_of(3 * n + 1), rng);
    let quantity = 1 + buyer.rng.below(2) as u32;
    let wanted = buyer.wants(quantity);
    let Some(mine) = buyer.holds(wanted).await else { return };
    if mine.total == 0 {
        return;
    }
    match one.stage().max(two.stage()) {
        Stage::Held => {}
        Stage::AtBank => buyer.pays_with(&mine, "ctoken_3ds").await,
        Stage::Paying => {
            // The steps begin while this is under way.
            let mut pays = buyer.clone_with(1);
            let paid_for = mine.clone();
            let token = buyer.good_card();
            world.elsewhere(async move { pays.pays_with(&paid_for, &token).await });
            buyer.waits(0, 400).await;
        }
        Stage::Paid => {
            let token = buyer.good_card();
            buyer.pays_with(&mine, &token).await;
        }
    }
    // The hold's end is not moved: the other step is.
    let ends = one == Step::Ends || two == Step::Ends;
    if ends {
        let until = world.audit(|a, _, _| a.order(mine.order).map_or(0, |order| order.until_ms));
        let left = until - world.clock().now_ms() - buyer.rng.between(0, 1_500);
        sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0))).await;
    }
    if world.chaos.is_calm() {
        return;
    }
    let moment = buyer.rng.pick(&[20, 200, 2_000]);
    let (mut first, mut second) = (buyer.clone_with(2), buyer.clone_with(3));
    world.trace().count("two steps at one moment");
    tokio::join!(
        async {
            first.waits(0, moment).await;
            first.does(&mine, one).await;
        },
        async {
            second.waits(0, moment).await;
            second.does(&mine, two).await;
        }
    );
    buyer.waits(1_000, 20_000).await;
    buyer.sees(&mine).await;
}

impl Buyer {
    fn good_card(&mut self) -> String {
        format!("ctoken_ok_{:x}", self.rng.below(u64::MAX))
    }

    /// Pays with this card, whatever comes of it.
    async fn pays_with(&mut self, mine: &Mine, token: &str) {
        let suffix = self.rng.below(u64::MAX);
        self.pays_by(mine, token.to_owned(), suffix).await;
    }

    async fn does(&mut self, mine: &Mine, step: Step) {
        let world = Arc::clone(&self.world);
        world.tell(Some(mine.order), format!("{}: {}", self.name, step.words()));
        match step {
            Step::Pays => {
                let token = self.good_card();
                self.pays_with(mine, &token).await;
            }
            Step::PaysOther => self.pays_with(mine, "ctoken_3ds_sdk").await,
            Step::Cancels => self.cancels(mine).await,
            Step::Looks => _ = self.sees(mine).await,
            Step::Ends => {}
            Step::BankYes | Step::BankNo => {
                if let Some(intent) = self.intent(mine) {
                    _ = world.fake.authenticate(&intent, step == Step::BankYes);
                }
            }
            Step::Voids | Step::Captures | Step::RefundsByHand | Step::Disputes => {
                self.acts_by_hand(mine, step);
            }
            Step::Refunds => refund_order(&world, &mut self.rng, mine.order).await,
            Step::Rings => {
                let events = world.fake.events_since(0).unwrap_or_default();
                let Some(intent) = self.intent(mine) else { return };
                for (_, body) in events.into_iter().filter(|(_, body)| body.contains(&intent)) {
                    ring(&world, &mut self.rng, WEBHOOK_SECRET, body).await;
                }
            }
            Step::Dies => {
                let n = self.rng.below(world.machines.len() as u64) as usize;
                sleep(pause(&mut self.rng, 0, 100)).await;
                world.machines[n].dies();
            }
        }
    }

    fn intent(&self, mine: &Mine) -> Option<String> {
        crate::buyers::payment_of(&self.world, mine.order, &OrderState::ALL)
    }

    fn acts_by_hand(&mut self, mine: &Mine, step: Step) {
        let world = Arc::clone(&self.world);
        let Some(intent) = self.intent(mine) else { return };
        world.audit(|a, _, _| a.by_hand(mine.order));
        let whole = self.rng.below(2) == 0;
        let part = if world.plan.currency == "KWD" { 10 } else { 1 };
        let amount = if whole { mine.total } else { part };
        let fake = &world.fake;
        let done = match step {
            Step::Voids => fake.void(&intent),
            Step::Captures => fake.capture_by_hand(&intent, (!whole).then_some(amount)),
            Step::RefundsByHand => fake.refund_by_hand(&intent, amount).map(drop),
            _ => fake.dispute(&intent, amount).map(drop),
        };
        if let (Ok(()), Some(fault)) = (done, step.by_hand()) {
            world.chaos.note(fault);
        }
        acted(&world);
    }
}
