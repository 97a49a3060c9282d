//! What organisers do with events and orders.

use super::{flag, one_of, text, time, whole};
use crate::http::openapi::{Group, Needs, Operation, operation};
use nts_api::ProblemCode::*;
use nts_api::{
    BuyerNameBody, Cancellation, Erasure, ErasureBody, Event, EventBody, GuestsAnswer, Order,
    OrderList, OrderState, PutAnswer, RefundAnswer, RefundBody, SaleBody,
};
use serde_json::json;

pub fn put_event() -> Operation {
    let price = json!({"amount": 2500, "currency": "GBP"});
    let adult = json!({"id": "adult", "name": "Adult", "pool": "hall", "price": price});
    operation(Group::Organiser, "put_event", "Create or change an event")
        .says(
            "What the body leaves out gets its default; of an event that is there already some parts stay as they \
             are, as each member says. What `get_event` answers can be sent back. Prices and names of tickets that \
             are sold already do not change.",
        )
        .header("If-Match", "The `ETag` that was read: the event is changed only if it still has it.")
        .header("If-None-Match", "`*`: the event is made only if there is none of this id.")
        .takes::<EventBody>(json!({
            "name": "Summer concert", "place": "Old Town Hall", "starts_at": "2030-07-05T19:00:00Z",
            "zone": "Europe/London", "currency": "GBP",
            "pools": [{"id": "hall", "capacity": 200}], "ticket_types": [adult],
        }))
        .gives::<PutAnswer<'static>>(201, "The event was made.")
        .with_header("ETag")
        .gives::<PutAnswer<'static>>(200, "The event was changed.")
        .with_header("ETag")
        .leads("get_event", "event", "$response.body#/id")
        .example_at("event", "summer")
        .problems(&[
            CapacityBelowTaken,
            CapacityTooLate,
            CurrencyFixed,
            EventCanceled,
            EventChanged,
            EventExists,
            LimitTooLate,
            PoolFixed,
            TagsFixed,
            TooManyParts,
        ])
}

pub fn patch_event() -> Operation {
    operation(Group::Organiser, "patch_event", "Change a part of an event")
        .says(
            "A member that is not said stays as it is, and one that is null is removed: it gets its default. A list \
             takes the place of the whole list; a ticket type of which no rule is said keeps its rules.",
        )
        .takes_patch::<EventBody>(json!({"place": "Town Hall, great hall", "limit_per_buyer": 4}))
        .gives::<PutAnswer<'static>>(200, "The event was changed.")
        .with_header("ETag")
        .if_seen()
        .example_at("event", "summer")
        .on(Needs::Event)
        .problems(&[
            CapacityBelowTaken,
            CapacityTooLate,
            CurrencyFixed,
            EventCanceled,
            LimitTooLate,
            PoolFixed,
            TagsFixed,
            TooManyParts,
        ])
}

pub fn delete_event() -> Operation {
    operation(Group::Organiser, "delete_event", "Delete an event")
        .says("Only one that nobody ever ordered.")
        .gives_nothing("It is deleted.")
        .if_seen()
        .example_at("event", "summer")
        .on(Needs::Event)
        .problems(&[EventOrdered])
}

pub fn pause() -> Operation {
    operation(Group::Organiser, "pause_sale", "Pause the sale of an event")
        .says("Nothing new is held. Orders that are held can be paid.")
        .gives::<Event<'static>>(200, "The event as its organiser sees it.")
        .with_header("ETag")
        .if_seen()
        .example_at("event", "summer")
        .on(Needs::Event)
        .problems(&[EventCanceled])
}

pub fn resume() -> Operation {
    operation(Group::Organiser, "resume_sale", "Resume the sale of an event")
        .gives::<Event<'static>>(200, "The event as its organiser sees it.")
        .with_header("ETag")
        .if_seen()
        .example_at("event", "summer")
        .on(Needs::Event)
        .problems(&[EventCanceled])
}

pub fn cancel_event() -> Operation {
    operation(Group::Organiser, "cancel_event", "Cancel an event")
        .says(
            "It does not take place: nothing is sold any more, and all orders are cancelled and refunded in the \
             background. It cannot be undone. It takes a role that may change events as well as refund.",
        )
        .gives::<Cancellation<'static>>(202, "How far it is.")
        .if_seen()
        .leads("get_cancellation", "event", "$response.body#/event")
        .example_at("event", "summer")
        .on(Needs::Event)
}

pub fn cancellation() -> Operation {
    operation(Group::Organiser, "get_cancellation", "Follow the cancellation of an event")
        .gives::<Cancellation<'static>>(200, "How far it is that everybody has the money back.")
        .example_at("event", "summer")
        .on(Needs::CanceledEvent)
        .problems(&[NotFound])
}

/// A list of orders, with its filters.
fn list_of_orders(id: &'static str, summary: &'static str) -> Operation {
    let states: Vec<&str> = OrderState::ALL.iter().map(|state| state.as_str()).collect();
    operation(Group::OrdersOfAll, id, summary)
        .query("after", text(), "Where this page begins: `next` of the one before.")
        .query("limit", whole(1, 500), "The most orders of a page; 100 if it is not said.")
        .query(
            "q",
            text(),
            "A name, an e-mail address, the code of a ticket, or the beginning of an order's id. Not with `email`.",
        )
        .query("email", text(), "Exactly this e-mail address, however it is written.")
        .query("state", one_of(&states), "In this state.")
        .query("ticket_type", text(), "With tickets of this type.")
        .query("code", text(), "Bought with this code of the event.")
        .query(
            "changed_since",
            time(),
            "That were placed or changed at this time or later, and before `as_of`.",
        )
        .gives::<OrderList<'static>>(200, "A page of orders.")
        .with_header("Link")
        .on(Needs::Paid)
}

pub fn orders() -> Operation {
    list_of_orders("list_event_orders", "List the orders of an event")
        .says("The oldest first. Follow `next` until it is null.")
}

pub fn all_orders() -> Operation {
    list_of_orders("list_orders", "List the orders of all events")
        .says("Those of all events whose orders the key may see, the oldest first. Follow `next` until it is null.")
}

pub fn export() -> Operation {
    operation(Group::OrdersOfAll, "export_orders", "Export orders")
        .says("A file for spreadsheets. It is as long as the event has orders, so it is written while it is made.")
        .gives_csv("The file, in UTF-8.")
        .on(Needs::Paid)
        .problems(&[NotFound])
}

pub fn sell() -> Operation {
    let buyer = json!({"name": "Ann", "email": "ann@example.org"});
    let lines = json!([{"ticket_type": "ticket", "quantity": 1}]);
    operation(Group::OrdersOfAll, "sell_tickets", "Give tickets away, or sell them")
        .says(
            "Makes an order that is paid at once: given away, or paid in cash or at a card terminal of yours. The \
             times of the sale and the limits of buyers do not bind the organiser, the places do.",
        )
        .keyed()
        .takes::<SaleBody>(json!({
            "buyer": buyer, "lines": lines, "tender": "cash", "reference": "receipt 77",
        }))
        .gives::<Order<'static>>(201, "The order with its tickets.")
        .with_header("Location")
        .leads("refund_order", "id", "$response.body#/id")
        .problems(&[EventCanceled, LimitReached, NotOnSale, SoldOut, UnknownTicketType])
}

pub fn import_guests() -> Operation {
    operation(Group::OrdersOfAll, "import_guests", "Give tickets to the guests of a file")
        .says(
            "Gives free tickets to each row of a CSV file, at most 200 rows at a time: send the same file again until \
             `left` is 0. Nobody gets a second ticket by that. As long as a row has a problem nothing is given.",
        )
        .query("dry_run", flag(), "Only check the file.")
        .query(
            "language",
            one_of(&["en", "de", "fr", "es"]),
            "In which language the guests are written to; English if it is not said.",
        )
        .takes_csv("name,email,ticket type\nCleo,cleo@example.org,ticket\n")
        .gives::<GuestsAnswer<'static>>(200, "What became of the file.")
        .problems(&[EventCanceled, NotOnSale, SoldOut])
}

pub fn put_name() -> Operation {
    operation(Group::OrdersOfAll, "put_buyer_name", "Correct the name of a buyer")
        .says("Of an order that is paid. The tickets stay as they are.")
        .keyed()
        .takes::<BuyerNameBody>(json!({"name": "Anne"}))
        .gives::<Order<'static>>(200, "The order.")
        .on(Needs::Paid)
        .problems(&[BuyerErased, NoTickets])
}

pub fn refund() -> Operation {
    operation(Group::OrdersOfAll, "refund_order", "Refund an order")
        .says(
            "All of it, some of its tickets, an amount, or once more what failed before. The tickets are revoked at \
             once; the money follows. A refund of an amount needs an `Idempotency-Key`; everything else needs \
             `restock`.",
        )
        .keyed()
        .takes::<RefundBody>(json!({"all": true, "restock": true}))
        .gives::<RefundAnswer<'static>>(200, "The refund, and the order after it.")
        .on(Needs::Paid)
        .problems(&[NotPaid, NothingToRefund, RefundTooLarge, RefundUnderWay, UnknownTicketType])
}

pub fn erase() -> Operation {
    operation(Group::OrdersOfAll, "erase_buyers", "Erase buyers")
        .says(
            "Replaces the name and the e-mail address in all orders of an address, or in one order. Orders that still \
             need them are left and told. It cannot be undone.",
        )
        .takes::<ErasureBody>(json!({"email": "ann@example.org", "dry_run": true}))
        .gives::<Erasure<'static>>(200, "What was erased, or would be.")
        .on(Needs::Held)
        .problems(&[UnknownOrder])
}
