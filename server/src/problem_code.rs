//! The problem code of each refusal of the core: in the API, in the metrics and in the logs.
//!
//! The core has no dependencies, so it does not know the codes; this is the only place that joins the
//! two lists, and it does not compile while a refusal has no code.

use boxoffice::Refusal;
use nts_api::ProblemCode;

/// The code of a refusal.
pub fn of(refusal: &Refusal) -> ProblemCode {
    match refusal {
        Refusal::Invalid(_) => ProblemCode::Invalid,
        Refusal::UnknownEvent => ProblemCode::UnknownEvent,
        Refusal::UnknownTicketType(_) => ProblemCode::UnknownTicketType,
        Refusal::UnknownOrder => ProblemCode::UnknownOrder,
        Refusal::NotYetOnSale(_)
        | Refusal::SaleClosed(_)
        | Refusal::EventOver(_)
        | Refusal::TypeNotYetOnSale { .. }
        | Refusal::TypeSaleClosed { .. } => ProblemCode::NotOnSale,
        Refusal::PriceChanged { .. } | Refusal::TotalChanged { .. } => ProblemCode::PriceChanged,
        Refusal::UnknownCode | Refusal::CodeNotYetValid(_) | Refusal::CodeOver(_) => {
            ProblemCode::CodeInvalid
        }
        Refusal::SalePaused => ProblemCode::SalePaused,
        Refusal::EventCanceled => ProblemCode::EventCanceled,
        Refusal::EventDiffers => ProblemCode::EventChanged,
        Refusal::EventExists => ProblemCode::EventExists,
        Refusal::CodeUsedUp { .. } => ProblemCode::CodeUsedUp,
        Refusal::EventOrdered => ProblemCode::EventOrdered,
        Refusal::SoldOut { .. } => ProblemCode::SoldOut,
        Refusal::LimitPerOrder(_) | Refusal::LimitPerBuyer { .. } => ProblemCode::LimitReached,
        Refusal::HoldExpired | Refusal::PaymentExpired => ProblemCode::HoldExpired,
        Refusal::TooManyAttempts { .. } => ProblemCode::TooManyAttempts,
        Refusal::PaymentUnderWay => ProblemCode::PaymentUnderWay,
        Refusal::AlreadyPaid => ProblemCode::AlreadyPaid,
        Refusal::Canceled(_) => ProblemCode::Canceled,
        Refusal::NotDue => ProblemCode::NotDue,
        Refusal::AnswersMissing { .. } => ProblemCode::AnswersMissing,
        Refusal::AnswerInvalid(_) => ProblemCode::AnswerInvalid,
        Refusal::AnswersFixed(_) => ProblemCode::AnswersFixed,
        Refusal::AddressFixed(_) => ProblemCode::AddressFixed,
        Refusal::NotPaid(_) => ProblemCode::NotPaid,
        Refusal::RefundUnderWay => ProblemCode::RefundUnderWay,
        Refusal::NothingToRefund => ProblemCode::NothingToRefund,
        Refusal::RefundTooLarge { .. } | Refusal::AmountTooLarge { .. } => {
            ProblemCode::RefundTooLarge
        }
        Refusal::NoTickets(_) => ProblemCode::NoTickets,
        Refusal::UnknownTicket(_) => ProblemCode::UnknownTicket,
        Refusal::TicketRevoked => ProblemCode::TicketRevoked,
        Refusal::NamesFixed(_) => ProblemCode::NamesFixed,
        Refusal::TooManyNames(_) => ProblemCode::TooManyNames,
        Refusal::BuyerErased => ProblemCode::BuyerErased,
        Refusal::CapacityBelowTaken { .. } => ProblemCode::CapacityBelowTaken,
        Refusal::CurrencyFixed => ProblemCode::CurrencyFixed,
        Refusal::LimitTooLate { .. } => ProblemCode::LimitTooLate,
        Refusal::TagsFixed => ProblemCode::TagsFixed,
        Refusal::PoolFixed(_) => ProblemCode::PoolFixed,
        Refusal::TypeSoldUncounted(_) => ProblemCode::CapacityTooLate,
        Refusal::TooManyParts => ProblemCode::TooManyParts,
    }
}
