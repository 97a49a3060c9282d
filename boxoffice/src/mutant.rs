//! Deliberate breaks, so that the simulation can show that it would notice. Without the feature
//! `mutants` none of them is compiled: [`on`] is then `false` for ever. Nothing that is shipped has
//! that feature.

/// A way in which the box office is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mutant {
    /// One place more is sold than there is.
    OffByOne = 1,
    /// At the deadline the places go back at once; the provider is not asked first.
    NoFence,
    /// While it is being cancelled, a payment of which nothing was heard counts as dead.
    SilenceIsDeath,
    /// Tickets are issued when the money is set aside, before it is taken.
    TicketsOnAuthorisation,
    /// Money that comes for a released order is kept.
    LatePaymentIgnored,
    /// The sum that was taken is not looked at.
    SumNotChecked,
    /// A hold ends a second early.
    EarlyExpiry,
    /// A declined card is remembered as paid (the old program did that).
    DeclinedIsPaid,
    /// Expired places come back twice (the old program's page views did that).
    PlacesBackTwice,
    /// Who has not answered what must be answered pays all the same.
    AnswersNotAsked,
    /// Tickets that are given away have the price of their type.
    GiftCosts,
    /// One ticket too few.
    TicketMissing,
    /// A refund leaves the tickets valid.
    RefundKeepsTickets,
    /// The limit per buyer is not looked at.
    LimitForgotten,
    /// A commit that failed is answered as if it were done.
    FailureIsSuccess,
    /// A commit of unknown outcome is taken as failed.
    UnknownIsFailed,
    /// A commit of unknown outcome is taken as done.
    UnknownIsDone,
    /// Acceptances are not remembered under their key.
    KeysForgotten,
    /// Memory is brought forward before the COMMIT, and not read anew after a fault.
    StaleMemory,
    /// What buyers have, as it is kept in memory, is not undone when its commit fails.
    CountNotUndone,
    /// The disk is not flushed at a commit (`synchronous = NORMAL`).
    SynchronousNormal,
    /// The disk is never flushed (`synchronous = OFF`).
    SynchronousOff,
    /// “Sold out” is said from what the page shows, without asking the writer.
    SoldOutFromThePage,
    /// A confirmation of unknown outcome is told to be a decline.
    UnknownIsDeclined,
    /// A capture of unknown outcome is taken as done.
    CaptureUnknownIsDone,
    /// Cancelling at the provider is taken as done without asking.
    CancelNotAsked,
    /// A refund gets a new key at each try and is not looked for first.
    RefundNewKey,
    /// A webhook's signature is not checked.
    SignatureNotChecked,
    /// What a webhook says of a payment is believed.
    WebhookBelieved,
    /// Holds expire by the clock of the process instead of the database's.
    LocalClock,
    /// What is due is compared with the clock of the process instead of the database's.
    OwnClock,
    /// The unpaid places of a client are not counted.
    ClientBudgetNotCounted,
    /// A panic in settlement: the process ends and starts again.
    Panics,
    /// What was set aside and never taken counts as given back when it is released.
    ReleaseIsRefund,
    /// A refund that fails after it had succeeded is not taken into the books.
    LateFailureIgnored,
    /// An order is cancelled for whoever knows its id.
    CancelWithoutSecret,
    /// A refund is made for whoever knows the order's id.
    RefundWithoutKey,
    /// An event is changed for whoever asks.
    PutWithoutKey,
    /// The orders of an event are shown to whoever asks.
    ListWithoutKey,
    /// An order is shown to whoever has the secret of any order.
    OrderShownToAnybody,
    /// The pages of an order are those of whoever knows its id.
    PageWithoutSecret,
    /// A key is compared without what is asked under it.
    KeyWithoutBody,
    /// A key is shared by all orders.
    KeyOfAllOrders,
    /// A key is shared by all routes of an order.
    KeyOfAllRoutes,
    /// What is due is done an hour late.
    AnHourLate,
    /// The lists of what is due are read at a tenth of their frequency.
    SeldomLooks,
    /// No alarm reaches a person.
    NoAlarms,
    /// The pages of a list after the first leave one order out.
    PageSkipsOne,
    /// The list of guests has tickets that were revoked.
    GuestsRevoked,
    /// Live counts stay as they were when somebody began to listen.
    LiveStops,
    /// An order's page shows another buyer.
    PageOfAnother,
    /// Each answer takes eight seconds more.
    SlowAnswers,
    /// A batch that another process was in the way of is committed again as it was decided.
    RetriedStale,
    /// When somebody has left, the answers of those behind them go to the wrong callers.
    AnswersShift,
    /// Who has left by the time of another try is decided for all the same.
    GhostInRetry,
    /// Of the provider's lists the first page is read.
    FirstPageOnly,
    /// A next page of the provider's lists begins one row too late.
    NextPageLate,
    /// An old signature of the provider is accepted.
    OldSignature,
    /// The provider's lists of refunds and disputes are read for the last five minutes.
    NoOverlap,
    /// The provider is called without a turn.
    GovernorNotAsked,
    /// What was refused with 429 is asked again at once.
    NoPause,
    /// What was given back by hand is taken in for paid orders only.
    HandsOnlyIfPaid,
    /// A line is priced by the event's first ticket type.
    OtherTypesPrice,
    /// Places that come back come back to another pool.
    OtherPoolBack,
    /// A hold with a code does not count as a use of it.
    CodeNotTaken,
    /// The uses of a code do not come back when a hold ends.
    CodeNotFreed,
    /// What was sold before is shown at the price of today.
    PriceOfToday,
    /// An order is shown with the lines of the one that was shown before.
    LinesOfAnother,
    /// An order's time runs on, and ends, while the provider owes an answer.
    OwedTimeRuns,
    /// The time that the provider needed is not added to the order's.
    WaitNotAdded,
    /// Refunded places count for their buyer for ever.
    RefundedCounts,
    /// “Expired” is said five seconds before the end of a hold.
    ExpiredTooEarly,
    /// Who renews a hold has less time than before.
    RenewalShortens,
    /// A hold is looked at ten minutes after its end.
    EndTooLate,
    /// The last ticket of a line cannot be refunded by itself.
    RefundTooLarge,
    /// More is given back than is kept.
    AmountTooLarge,
    /// An order is shown with its buyer's name for the address.
    BuyersSwapped,
    /// A batch that is committed after one that failed is without its lines of the audit log.
    AuditLogNotRetried,
    /// Whoever looks for the orders of a buyer to erase them does not find all.
    EraseMissesSome,
    /// Whose an order is, is remembered from when it was first read.
    ErasedIsRemembered,
    /// A ticket that is passed on keeps its revision, and so its codes.
    OldCodeStays,
    /// The code of an earlier revision of a ticket counts as its code.
    OldCodeAdmits,
    /// A mail is owed after the commit of what it tells of, instead of in it.
    MailOwedLate,
    /// A mail that the relay does not take at once is given up.
    MailGivenUpAtOnce,
    /// A mail that gets no answer is sent again and again.
    MailUnansweredForEver,
    /// What waits is sent to the address that the order had before.
    MailToOldAddress,
    /// A mail that waits is sent though its tickets are revoked, or its buyer is erased, meanwhile.
    MailNotStopped,
    /// A mail is delivered without looking whether another process has taken it.
    MailTakenByTwo,
    /// Whether somebody is in with a ticket already is not looked at.
    AdmitsTwice,
    /// A scan is not recognised by its nonce when it is reported again.
    NonceForgotten,
    /// A refunded ticket lets somebody in.
    RevokedAdmits,
    /// Nothing is owed to webhooks when an order is paid.
    WebhookNotOwed,
    /// A message to a webhook that was not taken counts as delivered.
    WebhookNotRetried,
    /// Nobody compares what the database has recorded with what is remembered of it.
    HistoryNotCompared,
    /// After the database went back, a process shows the counts that it has told itself since its last look.
    HistoryCountsKept,
    /// A commit to which the database said nothing is taken as failed.
    SilenceIsFailed,
}

impl Mutant {
    /// Those of the door, which the crate's own tests (`tests/door_mutants.rs`) notice as well.
    pub const DOOR: [Mutant; 3] =
        [Mutant::AdmitsTwice, Mutant::NonceForgotten, Mutant::RevokedAdmits];

    /// Those of a database that goes back to an earlier state or says nothing, which `sim/tests/histories.rs`
    /// notices.
    pub const HISTORY: [Mutant; 3] =
        [Mutant::HistoryNotCompared, Mutant::HistoryCountsKept, Mutant::SilenceIsFailed];

    /// All others: the simulation notices each.
    pub const ALL: [Mutant; 93] = [
        Mutant::WebhookNotOwed,
        Mutant::WebhookNotRetried,
        Mutant::AdmitsTwice,
        Mutant::NonceForgotten,
        Mutant::RevokedAdmits,
        Mutant::OffByOne,
        Mutant::NoFence,
        Mutant::SilenceIsDeath,
        Mutant::TicketsOnAuthorisation,
        Mutant::LatePaymentIgnored,
        Mutant::SumNotChecked,
        Mutant::EarlyExpiry,
        Mutant::DeclinedIsPaid,
        Mutant::PlacesBackTwice,
        Mutant::AnswersNotAsked,
        Mutant::GiftCosts,
        Mutant::TicketMissing,
        Mutant::RefundKeepsTickets,
        Mutant::LimitForgotten,
        Mutant::FailureIsSuccess,
        Mutant::UnknownIsFailed,
        Mutant::UnknownIsDone,
        Mutant::KeysForgotten,
        Mutant::StaleMemory,
        Mutant::CountNotUndone,
        Mutant::SynchronousNormal,
        Mutant::SynchronousOff,
        Mutant::SoldOutFromThePage,
        Mutant::UnknownIsDeclined,
        Mutant::CaptureUnknownIsDone,
        Mutant::CancelNotAsked,
        Mutant::RefundNewKey,
        Mutant::SignatureNotChecked,
        Mutant::WebhookBelieved,
        Mutant::LocalClock,
        Mutant::OwnClock,
        Mutant::ClientBudgetNotCounted,
        Mutant::Panics,
        Mutant::ReleaseIsRefund,
        Mutant::LateFailureIgnored,
        Mutant::CancelWithoutSecret,
        Mutant::RefundWithoutKey,
        Mutant::PutWithoutKey,
        Mutant::ListWithoutKey,
        Mutant::OrderShownToAnybody,
        Mutant::PageWithoutSecret,
        Mutant::KeyWithoutBody,
        Mutant::KeyOfAllOrders,
        Mutant::KeyOfAllRoutes,
        Mutant::AnHourLate,
        Mutant::SeldomLooks,
        Mutant::NoAlarms,
        Mutant::PageSkipsOne,
        Mutant::GuestsRevoked,
        Mutant::LiveStops,
        Mutant::PageOfAnother,
        Mutant::SlowAnswers,
        Mutant::RetriedStale,
        Mutant::AnswersShift,
        Mutant::GhostInRetry,
        Mutant::FirstPageOnly,
        Mutant::NextPageLate,
        Mutant::OldSignature,
        Mutant::NoOverlap,
        Mutant::GovernorNotAsked,
        Mutant::NoPause,
        Mutant::HandsOnlyIfPaid,
        Mutant::OtherTypesPrice,
        Mutant::OtherPoolBack,
        Mutant::CodeNotTaken,
        Mutant::CodeNotFreed,
        Mutant::PriceOfToday,
        Mutant::LinesOfAnother,
        Mutant::OwedTimeRuns,
        Mutant::WaitNotAdded,
        Mutant::RefundedCounts,
        Mutant::ExpiredTooEarly,
        Mutant::RenewalShortens,
        Mutant::EndTooLate,
        Mutant::RefundTooLarge,
        Mutant::AmountTooLarge,
        Mutant::BuyersSwapped,
        Mutant::AuditLogNotRetried,
        Mutant::EraseMissesSome,
        Mutant::ErasedIsRemembered,
        Mutant::OldCodeStays,
        Mutant::OldCodeAdmits,
        Mutant::MailOwedLate,
        Mutant::MailGivenUpAtOnce,
        Mutant::MailUnansweredForEver,
        Mutant::MailToOldAddress,
        Mutant::MailNotStopped,
        Mutant::MailTakenByTwo,
    ];
}

impl crate::Payment {
    /// For the deliberate breaks: its PaymentIntent as one would like it to be, paid in full.
    #[doc(hidden)]
    pub fn believed(&self, order: &crate::Order) -> Option<crate::Intent> {
        Some(crate::Intent {
            id: self.intent.clone()?,
            status: crate::IntentStatus::Succeeded,
            amount: order.total(),
            received_minor: order.total().minor,
            live: self.live,
            order: Some(order.id),
            payment: Some(self.id),
            action: None,
            last_error: None,
            refunds: alloc::vec::Vec::new(),
            dispute: None,
        })
    }
}

#[cfg(feature = "mutants")]
mod active {
    use core::sync::atomic::{AtomicU8, Ordering};

    static ACTIVE: AtomicU8 = AtomicU8::new(0);

    /// Breaks the box office of this process in one way, or mends it.
    pub fn set(mutant: Option<super::Mutant>) {
        ACTIVE.store(mutant.map_or(0, |m| m as u8), Ordering::SeqCst);
    }

    /// Whether it is broken in this way.
    pub fn on(mutant: super::Mutant) -> bool {
        ACTIVE.load(Ordering::Relaxed) == mutant as u8
    }
}

#[cfg(feature = "mutants")]
pub use active::{on, set};

/// Whether it is broken in this way: never.
#[cfg(not(feature = "mutants"))]
pub const fn on(_: Mutant) -> bool {
    false
}
