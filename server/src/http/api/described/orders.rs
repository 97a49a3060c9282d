//! From the hold to the tickets: what the buyer of an order can do.

use crate::http::openapi::{Group, Needs, Operation, operation};
use nts_api::ProblemCode::*;
use nts_api::{
    AnswersBody, EmailBody, HeldOrder, MailList, MetadataBody, NameBody, Order, OrderBody, PayBody,
    ProblemCode,
};
use serde_json::json;

/// Why no payment is begun.
const NOT_PAYABLE: &[ProblemCode] = &[
    AnswersMissing,
    Canceled,
    Declined,
    EventCanceled,
    HoldExpired,
    PaymentUnderWay,
    TooManyAttempts,
];

pub fn hold() -> Operation {
    let buyer = json!({"name": "Ann", "email": "ann@example.org"});
    let lines = json!([{"ticket_type": "ticket", "quantity": 1}]);
    operation(Group::Orders, "hold_tickets", "Hold tickets")
        .says(
            "Takes the tickets off sale for this buyer until `held_until`, at the prices of now. The answer has the \
             `secret` of the order: it is the bearer token for everything that follows.",
        )
        .keyed()
        .takes::<OrderBody>(json!({"buyer": buyer, "lines": lines}))
        .gives::<HeldOrder<'static>>(201, "The tickets are held.")
        .with_header("Location")
        .leads("get_order", "id", "$response.body#/id")
        .leads("pay_order", "id", "$response.body#/id")
        .leads("cancel_order", "id", "$response.body#/id")
        .problems(&[
            CodeInvalid,
            CodeUsedUp,
            EventCanceled,
            LimitReached,
            NotOnSale,
            PriceChanged,
            SalePaused,
            SoldOut,
            TooManyRequests,
            UnknownTicketType,
        ])
}

pub fn order() -> Operation {
    operation(Group::Orders, "get_order", "Read an order")
        .says("Where it stands, what that means for the buyer's money, and its tickets.")
        .gives::<Order<'static>>(200, "The order.")
        .with_header("Retry-After")
        .tagged()
        .leads("pay_order", "id", "$response.body#/id")
        .on(Needs::Held)
}

pub fn pay() -> Operation {
    operation(Group::Orders, "pay_order", "Pay an order")
        .says(
            "Waits some seconds for the outcome. If the payment goes on then, the answer is 202: read the order again \
             after `Retry-After` seconds. If the bank asks the buyer to confirm, `action` says where. A free order needs no \
             body. An order that is paid already is answered as it is. In the sandbox the token is `ctoken_ok`, \
             `ctoken_declined`, `ctoken_3ds` or `ctoken_slow`.",
        )
        .keyed()
        .takes::<PayBody>(json!({"token": "ctoken_ok"}))
        .body_optional()
        .gives::<Order<'static>>(200, "The order after the attempt.")
        .gives::<Order<'static>>(202, "The payment goes on. `Location` is the order.")
        .with_header("Location")
        .with_header("Retry-After")
        .leads("get_order", "id", "$response.body#/id")
        .leads("cancel_order", "id", "$response.body#/id")
        .leads("refund_order", "id", "$response.body#/id")
        .on(Needs::Held)
        .problems(NOT_PAYABLE)
}

pub fn put_answers() -> Operation {
    operation(Group::Orders, "put_answers", "Answer the questions of an event")
        .says(
            "All answers of the order: one that is left out is taken back. Required ones must be there before the \
             order is paid.",
        )
        .takes::<AnswersBody>(json!({"answers": []}))
        .gives::<Order<'static>>(200, "The order with its answers.")
        .with_header("Retry-After")
        .on(Needs::Held)
        .problems(&[AnswerInvalid, AnswersFixed, BuyerErased, Canceled])
}

pub fn put_metadata() -> Operation {
    operation(Group::Orders, "put_metadata", "Keep metadata with an order")
        .says(
            "A few strings of your own, such as the number of a cart: all of them, for what is left out is not kept any \
             more. The same again changes nothing. In every state of the order, until its buyer is erased. Whoever may \
             read the order reads them.",
        )
        .takes::<MetadataBody>(json!({"metadata": {"cart": "c-1077", "source": "newsletter"}}))
        .gives::<Order<'static>>(200, "The order with its metadata.")
        .with_header("Retry-After")
        .on(Needs::Held)
        .problems(&[BuyerErased])
}

pub fn cancel() -> Operation {
    operation(Group::Orders, "cancel_order", "Cancel an order")
        .says(
            "Gives the tickets of an order that is not paid back. While a payment is under way the order is \
             `canceling` until it is known to be dead. An order that is over already is answered as it is.",
        )
        .keyed()
        .gives::<Order<'static>>(200, "The order after it.")
        .on(Needs::Held)
        .problems(&[AlreadyPaid, Canceled])
}

pub fn send_again() -> Operation {
    operation(Group::Orders, "mail_tickets", "Mail the tickets again")
        .says("Five minutes after the last time, and five times a day.")
        .gives::<MailList<'static>>(200, "The mails about the order.")
        .on(Needs::Paid)
        .problems(&[MailedLately, NothingToSend])
}

pub fn put_email() -> Operation {
    operation(Group::Orders, "put_email", "Change the e-mail address of an order")
        .says(
            "The tickets are sent to the new address, and the former one is told. The holder of the order can do it \
             three times in 24 hours, the organiser as often as needed.",
        )
        .keyed()
        .takes::<EmailBody>(json!({"email": "ann.new@example.org"}))
        .gives::<Order<'static>>(200, "The order with its mails.")
        .on(Needs::Paid)
        .problems(&[AddressFixed, BuyerErased, LimitReached, MailedLately])
}

pub fn name_ticket() -> Operation {
    operation(Group::Orders, "name_ticket", "Name the guest of a ticket")
        .says(
            "Another name than before gives the ticket another code, and the earlier ones let nobody in. The same name \
             again changes nothing.",
        )
        .takes::<NameBody>(json!({"name": "Bob"}))
        .gives::<Order<'static>>(200, "The order with its tickets.")
        .with_header("Retry-After")
        .on(Needs::Paid)
        .problems(&[BuyerErased, NamesFixed, NoTickets, TicketRevoked, TooManyNames, UnknownTicket])
}
