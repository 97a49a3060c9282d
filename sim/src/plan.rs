//! What a run is made of. All of it is drawn from the seed; a plan can be written down, changed and
//! run again, which is what shrinking does.

use crate::buyers::pairs::Step;
use crate::goods::{Goods, STREAM};
use crate::rng::Rng;
use std::collections::BTreeMap;

/// What can go wrong, or be done by people who get in the way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "each is told by `what`")]
pub enum Fault {
    RequestLost,
    AnswerLost,
    RequestTwice,
    Slow,
    Crash,
    PowerLoss,
    CrashInStep,
    CleanStop,
    ClockJump,
    DiskError,
    DiskFull,
    CommitSlow,
    CommitRefused,
    CommitAnswerLost,
    CommitLost,
    CommitLate,
    ReadFails,
    ProviderAway,
    ProviderRequestLost,
    ProviderAnswerLost,
    ProviderTwice,
    ProviderLate,
    ProviderError,
    ProviderErrorAfter,
    ProviderTooMany,
    ProviderConflict,
    ProviderNonsense,
    WebhookLost,
    WebhookTwice,
    WebhookLate,
    WebhookForged,
    Voided,
    CapturedByHand,
    RefundedByHand,
    Disputed,
    Resize,
    Pause,
    Refund,
    ProviderLocked,
    ProviderDependency,
    ProviderForbidden,
    ProviderNulls,
    TokenExpired,
    RefundPending,
    RefundFailsLater,
    DisputeMoves,
    ReleaseRefunds,
    Relimit,
    Stranger,
    KeyReused,
    Reprice,
    Rename,
    Retire,
    Window,
    OddRefund,
    OldRoute,
    CommitBetween,
    CallerLeaves,
    ClockInStep,
    ProviderBusy,
    WebhookReplayed,
    HandsAnywhere,
    AwayForWeeks,
    Erase,
    MailLater,
    MailRefused,
    MailAnswerLost,
    MailHangs,
    MailAway,
    MailSlow,
    Readdress,
    /// The receiver of a webhook answers 500.
    HookFails,
    /// The receiver of a webhook never answers, and has not taken the message.
    HookHangs,
    /// The receiver of a webhook takes a message, and its answer is lost.
    HookAnswerLost,
    /// Nobody answers at the receiver of a webhook, for up to an hour.
    HookAway,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 75] = [
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::RequestTwice,
        Fault::Slow,
        Fault::Crash,
        Fault::PowerLoss,
        Fault::CrashInStep,
        Fault::CleanStop,
        Fault::ClockJump,
        Fault::DiskError,
        Fault::DiskFull,
        Fault::CommitSlow,
        Fault::CommitRefused,
        Fault::CommitAnswerLost,
        Fault::CommitLost,
        Fault::CommitLate,
        Fault::ReadFails,
        Fault::ProviderAway,
        Fault::ProviderRequestLost,
        Fault::ProviderAnswerLost,
        Fault::ProviderTwice,
        Fault::ProviderLate,
        Fault::ProviderError,
        Fault::ProviderErrorAfter,
        Fault::ProviderTooMany,
        Fault::ProviderConflict,
        Fault::ProviderNonsense,
        Fault::WebhookLost,
        Fault::WebhookTwice,
        Fault::WebhookLate,
        Fault::WebhookForged,
        Fault::Voided,
        Fault::CapturedByHand,
        Fault::RefundedByHand,
        Fault::Disputed,
        Fault::Resize,
        Fault::Pause,
        Fault::Refund,
        Fault::ProviderLocked,
        Fault::ProviderDependency,
        Fault::ProviderForbidden,
        Fault::ProviderNulls,
        Fault::TokenExpired,
        Fault::RefundPending,
        Fault::RefundFailsLater,
        Fault::DisputeMoves,
        Fault::ReleaseRefunds,
        Fault::Relimit,
        Fault::Stranger,
        Fault::KeyReused,
        Fault::Reprice,
        Fault::Rename,
        Fault::Retire,
        Fault::Window,
        Fault::OddRefund,
        Fault::OldRoute,
        Fault::CommitBetween,
        Fault::CallerLeaves,
        Fault::ClockInStep,
        Fault::ProviderBusy,
        Fault::WebhookReplayed,
        Fault::HandsAnywhere,
        Fault::AwayForWeeks,
        Fault::Erase,
        Fault::MailLater,
        Fault::MailRefused,
        Fault::MailAnswerLost,
        Fault::MailHangs,
        Fault::MailAway,
        Fault::MailSlow,
        Fault::Readdress,
        Fault::HookFails,
        Fault::HookHangs,
        Fault::HookAnswerLost,
        Fault::HookAway,
    ];
    /// What goes wrong with mails, and buyers who give another address.
    pub const OF_MAIL: [Fault; 7] = [
        Fault::MailLater,
        Fault::MailRefused,
        Fault::MailAnswerLost,
        Fault::MailHangs,
        Fault::MailAway,
        Fault::MailSlow,
        Fault::Readdress,
    ];
    /// What goes wrong with messages to webhooks.
    pub const OF_HOOKS: [Fault; 4] =
        [Fault::HookFails, Fault::HookHangs, Fault::HookAnswerLost, Fault::HookAway];
    /// Kinds of faults that have a stream of randomness of their own, which stream, and how often they
    /// strike in a thousand: so that what else a seed says stays as it was.
    const APART: [(&[Fault], u64, &[u32]); 5] = [
        (&Fault::OF_HOOKS, 9_202, &[15, 60, 200]),
        (&Fault::OF_MAIL, 7_300, &[15, 60, 200]),
        (&[Fault::Erase], 7_100, &[40, 100, 250]),
        (&[Fault::Stranger, Fault::KeyReused], 7_000, &[15, 40, 100]),
        (
            &[
                Fault::Reprice,
                Fault::Rename,
                Fault::Retire,
                Fault::Window,
                Fault::OddRefund,
                Fault::OldRoute,
            ],
            STREAM + 2,
            &[15, 40, 100],
        ),
    ];
    /// The first of those that came later: they have a stream of randomness of their own, so that a seed
    /// gives the plan that it gave before them, and these beside it.
    const LATER: Fault = Fault::ProviderLocked;

    /// Its name on the command line, and what it is.
    pub fn what(self) -> (&'static str, &'static str) {
        match self {
            Fault::RequestLost => ("request-lost", "a buyer's request never arrives"),
            Fault::AnswerLost => ("answer-lost", "a buyer never hears the answer"),
            Fault::RequestTwice => ("request-twice", "a request arrives again, later"),
            Fault::Slow => ("slow", "a request or an answer takes seconds"),
            Fault::Crash => ("crash", "a process is killed and starts again"),
            Fault::PowerLoss => ("power-loss", "a machine loses its power and starts again"),
            Fault::CrashInStep => {
                ("crash-in-step", "a process dies between a commit and its answers")
            }
            Fault::CleanStop => ("clean-stop", "a process is stopped and starts again"),
            Fault::ClockJump => ("clock-jump", "a machine's clock jumps, forwards or back"),
            Fault::DiskError => ("disk-error", "the disk fails from some call on"),
            Fault::DiskFull => ("disk-full", "the disk is full for a while"),
            Fault::CommitSlow => ("commit-slow", "a commit takes seconds"),
            Fault::CommitRefused => ("commit-refused", "the database refuses a commit (40001)"),
            Fault::CommitAnswerLost => {
                ("commit-answer-lost", "the connection breaks at COMMIT, which was done")
            }
            Fault::CommitLost => ("commit-lost", "the connection breaks at COMMIT, never done"),
            Fault::CommitLate => {
                ("commit-late", "the connection breaks at COMMIT, which is decided later")
            }
            Fault::ReadFails => ("read-fails", "the database cannot be read at the moment"),
            Fault::ProviderAway => ("provider-away", "nobody answers at the provider for a while"),
            Fault::ProviderRequestLost => {
                ("provider-request-lost", "a call never reaches the provider")
            }
            Fault::ProviderAnswerLost => {
                ("provider-answer-lost", "a call takes effect, its answer is lost")
            }
            Fault::ProviderTwice => ("provider-twice", "a call reaches the provider again, later"),
            Fault::ProviderLate => ("provider-late", "a call takes up to two minutes to arrive"),
            Fault::ProviderError => ("provider-error", "500 without effect, repeated for a day"),
            Fault::ProviderErrorAfter => {
                ("provider-error-after", "500 after the effect, repeated for a day")
            }
            Fault::ProviderTooMany => ("provider-429", "the provider says 429"),
            Fault::ProviderConflict => ("provider-409", "the provider says 409"),
            Fault::ProviderNonsense => ("provider-nonsense", "HTML for JSON, or half of the JSON"),
            Fault::WebhookLost => ("webhook-lost", "a webhook never comes"),
            Fault::WebhookTwice => ("webhook-twice", "a webhook comes twice"),
            Fault::WebhookLate => ("webhook-late", "a webhook comes late, after newer ones"),
            Fault::WebhookForged => ("webhook-forged", "somebody makes a webhook up"),
            Fault::Voided => ("voided", "an authorisation is voided by hand"),
            Fault::CapturedByHand => ("captured-by-hand", "a payment is captured by hand"),
            Fault::RefundedByHand => ("refunded-by-hand", "money is given back by hand"),
            Fault::Disputed => ("disputed", "a cardholder disputes a payment"),
            Fault::Resize => ("resize", "the organiser changes the number of places"),
            Fault::Pause => ("pause", "the organiser closes the sale and opens it again"),
            Fault::Relimit => {
                ("relimit", "the organiser sets, changes or lifts the limit per buyer")
            }
            Fault::Stranger => {
                ("stranger", "somebody tries to act on an order or an event of another's")
            }
            Fault::KeyReused => (
                "key-reused",
                "an idempotency key is used again, for the same or for something else",
            ),
            Fault::Reprice => ("reprice", "the organiser changes the price of a ticket type"),
            Fault::Rename => ("rename", "the organiser changes names, or the place"),
            Fault::Retire => {
                ("retire", "the organiser retires a ticket type, offers it again, makes a new one")
            }
            Fault::Window => ("window", "the sale opens or closes at a moment that is told before"),
            Fault::OddRefund => {
                ("odd-refund", "the organiser asks for refunds that cannot be, of any order")
            }
            Fault::OldRoute => ("old-route", "a buyer reserves, renews and pays by the old routes"),
            Fault::Refund => ("refund", "the organiser refunds orders, often two at once"),
            Fault::ProviderLocked => ("provider-locked", "the provider says 429: a lock timeout"),
            Fault::ProviderDependency => {
                ("provider-424", "424, before or after the effect, repeated for a day")
            }
            Fault::ProviderForbidden => ("provider-403", "our key may not do it for a moment"),
            Fault::ProviderNulls => {
                ("provider-nulls", "what may be null or absent in an answer is so")
            }
            Fault::TokenExpired => ("token-expired", "what stands for the card has expired"),
            Fault::RefundPending => {
                ("refund-pending", "a refund is pending for a minute, and then fails or not")
            }
            Fault::RefundFailsLater => {
                ("refund-fails-later", "a refund that had succeeded is sent back by the bank")
            }
            Fault::DisputeMoves => ("dispute-moves", "a dispute is looked at, won, lost"),
            Fault::CommitBetween => {
                ("commit-between", "another process commits in the middle of a step of one")
            }
            Fault::CallerLeaves => ("caller-leaves", "who asked hangs up in the middle of a step"),
            Fault::ClockInStep => {
                ("clock-in-step", "time passes in the middle of a step, often to a deadline")
            }
            Fault::ProviderBusy => {
                ("provider-busy", "the provider says 429 to more calls a second than it takes")
            }
            Fault::WebhookReplayed => {
                ("webhook-replayed", "a webhook comes with an old signature, or one of the future")
            }
            Fault::HandsAnywhere => {
                ("hands-anywhere", "refunds by hand and disputes, whatever the order's state")
            }
            Fault::AwayForWeeks => {
                ("away-for-weeks", "a refund by hand was made weeks before the process starts")
            }
            Fault::Erase => ("erase", "the organiser erases a buyer, or the buyer of an order"),
            Fault::MailLater => ("mail-later", "the relay does not take a mail this time"),
            Fault::MailRefused => ("mail-refused", "the relay says that there is no such address"),
            Fault::MailAnswerLost => {
                ("mail-answer-lost", "the relay takes a mail, and its reply is lost")
            }
            Fault::MailHangs => ("mail-hangs", "the relay never replies, and has not taken it"),
            Fault::MailAway => ("mail-away", "nobody answers at the relay, for up to an hour"),
            Fault::MailSlow => ("mail-slow", "the relay needs up to a minute for a mail"),
            Fault::Readdress => ("readdress", "a buyer gives another e-mail address"),
            Fault::HookFails => ("hook-fails", "the receiver of a webhook answers 500"),
            Fault::HookHangs => {
                ("hook-hangs", "the receiver of a webhook never answers, and has taken nothing")
            }
            Fault::HookAnswerLost => (
                "hook-answer-lost",
                "the receiver of a webhook takes a message, its answer is lost",
            ),
            Fault::HookAway => {
                ("hook-away", "nobody answers at the receiver of a webhook, for up to an hour")
            }
            Fault::ReleaseRefunds => {
                ("release-refunds", "what is released makes a refund, as on old accounts")
            }
        }
    }

    /// Where it strikes.
    pub fn group(self) -> &'static str {
        match self {
            Fault::RequestLost
            | Fault::AnswerLost
            | Fault::RequestTwice
            | Fault::Slow
            | Fault::CallerLeaves => "network",
            Fault::Crash
            | Fault::PowerLoss
            | Fault::CrashInStep
            | Fault::CleanStop
            | Fault::ClockInStep
            | Fault::ClockJump => "machines",
            Fault::DiskError
            | Fault::DiskFull
            | Fault::CommitSlow
            | Fault::CommitRefused
            | Fault::CommitAnswerLost
            | Fault::CommitLost
            | Fault::CommitLate
            | Fault::CommitBetween
            | Fault::ReadFails => "database",
            Fault::ProviderAway
            | Fault::ProviderRequestLost
            | Fault::ProviderAnswerLost
            | Fault::ProviderTwice
            | Fault::ProviderLate
            | Fault::ProviderError
            | Fault::ProviderErrorAfter
            | Fault::ProviderTooMany
            | Fault::ProviderConflict
            | Fault::ProviderNonsense
            | Fault::ProviderLocked
            | Fault::ProviderDependency
            | Fault::ProviderForbidden
            | Fault::ProviderNulls
            | Fault::TokenExpired
            | Fault::RefundPending
            | Fault::RefundFailsLater
            | Fault::DisputeMoves
            | Fault::ReleaseRefunds
            | Fault::ProviderBusy
            | Fault::WebhookLost
            | Fault::WebhookTwice
            | Fault::WebhookLate => "provider",
            Fault::WebhookForged
            | Fault::WebhookReplayed
            | Fault::HandsAnywhere
            | Fault::AwayForWeeks
            | Fault::Voided
            | Fault::CapturedByHand
            | Fault::RefundedByHand
            | Fault::Disputed
            | Fault::Resize
            | Fault::Pause
            | Fault::Refund
            | Fault::Relimit
            | Fault::Stranger
            | Fault::KeyReused
            | Fault::Reprice
            | Fault::Rename
            | Fault::Retire
            | Fault::Window
            | Fault::OddRefund
            | Fault::Erase
            | Fault::Readdress
            | Fault::OldRoute => "people",
            Fault::MailLater
            | Fault::MailRefused
            | Fault::MailAnswerLost
            | Fault::MailHangs
            | Fault::MailAway
            | Fault::MailSlow => "mail",
            Fault::HookFails | Fault::HookHangs | Fault::HookAnswerLost | Fault::HookAway => {
                "webhook"
            }
        }
    }

    /// Whether it has a stream of its own, and which.
    fn apart(self) -> Option<u64> {
        Fault::APART.into_iter().find(|(of, ..)| of.contains(&self)).map(|(_, stream, _)| stream)
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.what().0 == name)
    }
}

/// Where the orders lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StorageKind {
    /// In SQLite, on a simulated disk; one process.
    File,
    /// In a simulated database server; one or more processes.
    Shared,
}

/// What a run is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// All else follows from it, unless it was changed.
    pub seed: u64,
    /// Where the orders lie.
    pub place: StorageKind,
    /// How many processes serve.
    pub processes: usize,
    /// How many buyers come.
    pub buyers: u64,
    /// How many places there are.
    pub places: u32,
    /// How long a hold lives, in seconds.
    pub hold_seconds: i64,
    /// What a ticket costs, in minor units.
    pub price: i64,
    /// What is for sale; the price and the number of places above are of its first part.
    pub goods: Goods,
    /// In which currency.
    pub currency: &'static str,
    /// Most places one buyer may have.
    pub limit_per_buyer: Option<u32>,
    /// How many people there are, if buyers share addresses: then the limit bites.
    pub people: Option<u64>,
    /// When the event ends, in milliseconds since the beginning, if its buyers are erased then.
    pub ends_ms: Option<i64>,
    /// Calls to the provider per second and endpoint; none: as many as wanted.
    pub budget: Option<u32>,
    /// Whether the provider rings at all.
    pub webhooks: bool,
    /// Whether its signature is asked for.
    pub signed: bool,
    /// Whether a script at one address takes all the places that it can get.
    pub script: bool,
    /// How long buyers come and things go wrong, in milliseconds.
    pub storm_ms: i64,
    /// How often the lists of what is owed are read, and what other processes have committed, in
    /// milliseconds.
    pub look_ms: u64,
    /// How far the clock of the database server is ahead of the world's, in milliseconds; below 0 it is
    /// behind. The clocks of the processes are about right.
    pub base_ahead_ms: i64,
    /// Whether the bank asks half of the buyers, and many answer about when their hold ends.
    pub bank_asks: bool,
    /// Two steps that meet at the same moment on some orders.
    pub pair: Option<(Step, Step)>,
    /// The most rows of a page of a list; none: as many as are asked for.
    pub page: Option<usize>,
    /// The most commands that a writer takes into a batch.
    pub most_in_batch: usize,
    /// How many pending orders settlement takes from the list at a time.
    pub due_at_once: usize,
    /// How many calls a second the provider takes at an endpoint, where it refuses more.
    pub provider_takes: usize,
    /// What goes wrong, and how often in a thousand.
    pub faults: BTreeMap<Fault, u32>,
}

/// What may be chosen from outside.
#[derive(Clone, Default, Debug)]
pub struct Wishes {
    /// So many processes, on a simulated database server; none: as the seed says.
    pub processes: Option<usize>,
    /// Only these faults; none: as the seed says.
    pub faults: Option<Vec<Fault>>,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64, wishes: &Wishes) -> Plan {
        let mut rng = Rng::new(seed, 0);
        let place = if rng.below(2) == 0 { StorageKind::File } else { StorageKind::Shared };
        let processes = if rng.below(3) == 0 { 1 } else { 2 + rng.below(2) as usize };
        // Now and then nothing goes wrong, and now and then there is a crowd.
        let calm = rng.below(20) == 0;
        let crowd = rng.below(12) == 0;
        let buyers = if crowd { 80 + rng.below(80) } else { 6 + rng.below(40) };
        let places = 1 + rng.below(buyers * 2) as u32;
        let (currency, price) = rng.pick(&[
            ("GBP", 999),
            ("GBP", 2_500),
            ("EUR", 50),
            ("JPY", 4_000),
            ("KWD", 1_250),
            ("GBP", 0),
        ]);
        let limit_per_buyer = rng.pick(&[None, None, None, Some(1), Some(4)]);
        let budget = rng.pick(&[None, None, Some(25), Some(3)]);
        let storm_ms = rng.between(60, 900) * 1000;
        let mut faults = BTreeMap::new();
        // Not of the same rng: what else a seed says stays as it was.
        let mut of_limits = Rng::new(seed, 9);
        let bites = of_limits.below(4) == 0;
        let people = bites.then(|| 1 + of_limits.below(1 + buyers / 6));
        let limit_per_buyer = if bites {
            of_limits.pick(&[None, Some(1), Some(2), Some(3)])
        } else {
            limit_per_buyer
        };
        if bites && !calm {
            faults.insert(Fault::Relimit, of_limits.pick(&[5, 15, 40, 100]));
        }
        let mut later = Rng::new(seed, 8);
        let apart = |fault: &Fault| *fault != Fault::Relimit && Fault::apart(*fault).is_none();
        for fault in Fault::ALL.into_iter().filter(|fault| apart(fault)) {
            let rng = if fault < Fault::LATER { &mut rng } else { &mut later };
            // Every fault is off in a third of the runs, so that none hides what another shows.
            let (off, strength) = (rng.below(3) == 0, rng.pick(&[5, 15, 40, 100]));
            if !off && !calm {
                faults.insert(fault, strength);
            }
        }
        // Nor of these.
        for (faults_of, stream, strengths) in Fault::APART {
            let mut rng = Rng::new(seed, stream);
            for fault in faults_of {
                let (off, strength) = (rng.below(3) == 0, rng.pick(strengths));
                if !off && !calm {
                    faults.insert(*fault, strength);
                }
            }
        }
        let mut of_goods = Rng::new(seed, STREAM + 3);
        // The old routes sell where each buyer gets one place.
        let by_name = faults.contains_key(&Fault::OldRoute) && of_goods.below(6) == 0;
        let limit_per_buyer = if by_name { Some(1) } else { limit_per_buyer };
        let patient = of_goods.below(24) == 0;
        if let Some(only) = &wishes.faults {
            for fault in only {
                faults.entry(*fault).or_insert(30);
            }
            faults.retain(|fault, _| only.contains(fault));
        }
        // Sometimes the clock of the database server is far from those of the processes, and now and then nothing
        // else goes wrong then: how long a sale takes can be told only where nothing else delays it.
        let mut clocks = Rng::new(seed, 8);
        let base_ahead_ms = clocks.pick(&[137, 137, 137, 3_000, 20_000, -20_000]);
        let only_clock = base_ahead_ms != 137 && wishes.faults.is_none() && clocks.below(6) == 0;
        if only_clock {
            faults.clear();
        }
        let pair = few(seed, calm || only_clock || wishes.faults.is_some(), &mut faults);
        let bank_asks = Rng::new(seed, 12).below(6) == 0;
        let mut small = Rng::new(seed, 21);
        let page = small.pick(&[None, None, Some(1), Some(2), Some(3), Some(5), Some(7)]);
        let most_in_batch = small.pick(&[2_048, 2_048, 1, 2, 3, 7]);
        let due_at_once = small.pick(&[512, 512, 512, 5, 7, 16]);
        let provider_takes = small.pick(&[1, 2, 4]);
        let place =
            if wishes.processes.is_some_and(|n| n > 1) { StorageKind::Shared } else { place };
        let processes = match place {
            StorageKind::File => 1,
            StorageKind::Shared => wishes.processes.unwrap_or(processes),
        };
        // Who makes two steps meet wants an order first, and one that costs something.
        let places = if pair.is_some() { places + 50 } else { places };
        let (currency, price) =
            if pair.is_some() && price == 0 { ("GBP", 999) } else { (currency, price) };
        let (limit_per_buyer, people) =
            if pair.is_some() { (None, None) } else { (limit_per_buyer, people) };
        // Of whole seconds, as it is told.
        let mut ends = Rng::new(seed, 15);
        let ends_s = ends.between(storm_ms / 5_000, storm_ms / 1_000);
        let ends_ms = (ends.below(8) == 0 && !faults.is_empty()).then_some(ends_s * 1_000);
        let mut goods = Goods::new(seed, places, price, currency);
        // The old routes sell at one price, without codes.
        if by_name || faults.contains_key(&Fault::OldRoute) || pair.is_some() {
            goods.rules = crate::goods::Rules::default();
        }
        Plan {
            seed,
            place,
            processes,
            buyers,
            places,
            hold_seconds: match rng.pick(&[20, 60, 300]) {
                seconds if patient => seconds * 12,
                seconds => seconds,
            },
            price,
            goods,
            currency,
            limit_per_buyer,
            people,
            ends_ms,
            budget,
            webhooks: rng.below(3) > 0,
            signed: rng.below(4) > 0,
            storm_ms,
            look_ms: rng.pick(&[1_000, 2_000, 5_000]),
            script: rng.below(3) == 0,
            base_ahead_ms,
            bank_asks,
            pair,
            page,
            most_in_batch: if faults.is_empty() { 2_048 } else { most_in_batch },
            due_at_once: if faults.is_empty() { 512 } else { due_at_once },
            provider_takes,
            faults,
        }
    }
}

impl Plan {
    /// Whether a program of the organiser's is told what happens.
    pub fn hook(&self) -> bool {
        Rng::new(self.seed, 9_200).below(3) == 0
    }

    /// Whether the organiser asks something before the payment. The old routes cannot answer, and who makes two
    /// steps meet is not to be kept.
    pub fn asks(&self) -> bool {
        let mut rng = Rng::new(self.seed, 330);
        rng.below(3) == 0 && self.pair.is_none() && !self.faults.contains_key(&Fault::OldRoute)
    }
}

/// So many faults there were before buyers could be erased: the plans of old seeds stay as they were.
const WITHOUT_ERASE: usize = 63;

/// Where many things go wrong at once, the rare orders of events are hidden. So five plans of twelve have
/// three to six faults only, which strike often (this is known as swarm testing), and one has two steps
/// that are made to meet, with no more than three faults beside them. `as_is`: leave the faults, as is done
/// in an eighth of all plans, where nothing goes wrong. So about a third of all plans have few faults.
fn few(seed: u64, as_is: bool, faults: &mut BTreeMap<Fault, u32>) -> Option<(Step, Step)> {
    let mut rng = Rng::new(seed, 11);
    let kind = rng.below(12);
    if as_is || kind >= 6 {
        return None;
    }
    let swarm = kind < 5;
    let many = if swarm { 3 + rng.below(4) } else { 1 + rng.below(3) };
    faults.retain(|fault, _| *fault == Fault::Relimit);
    for _ in 0..many {
        faults.insert(rng.pick(&Fault::ALL[..WITHOUT_ERASE]), rng.pick(&[60, 120, 250]));
    }
    // This one came later, and has a stream of its own.
    let mut erases = Rng::new(seed, 13);
    if erases.below(4) == 0 {
        faults.insert(Fault::Erase, erases.pick(&[60, 120, 250]));
    }
    // And these.
    let mut mails = Rng::new(seed, 22);
    for fault in Fault::OF_MAIL {
        if mails.below(4) == 0 {
            faults.insert(fault, mails.pick(&[60, 120, 250]));
        }
    }
    let mut hooks = Rng::new(seed, 9_203);
    for fault in Fault::OF_HOOKS {
        if hooks.below(4) == 0 {
            faults.insert(fault, hooks.pick(&[60, 120, 250]));
        }
    }
    (!swarm).then(|| (rng.pick(&Step::ALL), rng.pick(&Step::ALL)))
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = match self.place {
            StorageKind::File => "one process on SQLite".to_owned(),
            StorageKind::Shared => format!("{} process(es) on one database server", self.processes),
        };
        write!(
            f,
            "seed {}: {place}; {} buyers for {} places at {} {} (minor units), holds of {} s, {} s of storm; ",
            self.seed,
            self.buyers,
            self.places,
            self.price,
            self.currency,
            self.hold_seconds,
            self.storm_ms / 1000
        )?;
        if !self.goods.is_plain() || self.goods.pools.len() > 1 {
            write!(f, "pools of {:?}; ", self.goods.pools)?;
            for kind in &self.goods.kinds {
                write!(f, "{} of pool {} at {}; ", kind.id, kind.pool, kind.price)?;
            }
        }
        if !self.goods.has_no_rules() {
            write!(f, "of t {:?}; ", self.goods.rules)?;
        }
        if self.bank_asks {
            f.write_str("the bank asks half of the buyers; ")?;
        }
        if self.asks() {
            f.write_str("questions before the payment; ")?;
        }
        if self.hook() {
            f.write_str("a webhook is told; ")?;
        }
        if self.script {
            f.write_str("a script at one address; ")?;
        }
        if self.place == StorageKind::Shared {
            write!(f, "the database's clock {} ms ahead; ", self.base_ahead_ms)?;
        }
        if let Some(people) = self.people {
            let limit = self.limit_per_buyer.map_or("none".into(), |limit| limit.to_string());
            write!(f, "{people} people, limit per buyer {limit}; ")?;
        }
        if let Some(ends_ms) = self.ends_ms {
            write!(f, "buyers erased from {} s on; ", ends_ms / 1_000)?;
        }
        if let Some((one, two)) = self.pair {
            write!(f, "two steps meet: {} / {}; ", one.words(), two.words())?;
        }
        if let Some(page) = self.page {
            write!(f, "pages of {page}; ")?;
        }
        let faults: Vec<String> =
            self.faults.iter().map(|(f, rate)| format!("{}:{rate}", f.what().0)).collect();
        if faults.is_empty() {
            return f.write_str("nothing goes wrong");
        }
        write!(f, "faults {}", faults.join(", "))
    }
}
