//! Check-in, and what it needs.

use super::{text, whole};
use crate::http::openapi::{Group, Needs, Operation, operation};
use nts_api::ProblemCode::*;
use nts_api::{
    Arrivals, CheckIn, CheckInBody, CheckInResults, CheckIns, CheckInsBody, Door, DoorDeviceBody,
    DoorDevices, DoorKey, DoorKeys, DoorList, FoundTicket, GateLink, GateLinkBody, GateLinks,
    NamedTickets, UndoneScan,
};
use serde_json::json;

pub fn check_in() -> Operation {
    operation(Group::Door, "check_in", "Check somebody in")
        .says(
            "One entry or exit, or up to 100 in the order in which they were. A ticket that admits nobody is no \
             problem: `result` says why. The same `device` and `nonce` again get the same answer, and nothing is \
             recorded twice.",
        )
        .takes_either::<CheckInBody, CheckInsBody>(json!({
            "code": "$CODE", "gate": "north", "device": "5f0b8d6e-3f0a-4c57-9d5b-0a6a4d1f7c21",
            "nonce": "c2a3f6f0-7c59-4f0e-8f0b-2d4f5a1b9e37",
        }))
        .gives_either::<CheckIn<'static>, CheckInResults<'static>>(
            200,
            "What came of it; or of each, in their order.",
        )
        .on(Needs::Paid)
}

pub fn undo() -> Operation {
    operation(Group::Door, "undo_check_in", "Undo a scan")
        .says("Within ten minutes; a key that may change the event can do it later, too.")
        .gives::<UndoneScan>(200, "What came of it.")
        .on(Needs::Scan)
}

pub fn overview() -> Operation {
    operation(Group::Door, "get_check_ins", "See what was scanned")
        .says("What each gate counted, the last scans, and late scans that contradict others.")
        .query("limit", whole(1, 500), "The most scans that are told; 50 if it is not said.")
        .gives::<CheckIns<'static>>(200, "The counts and the scans.")
        .on(Needs::Scan)
}

pub fn door() -> Operation {
    operation(Group::Door, "get_door", "Read how the door of an event works")
        .gives::<Door>(200, "How often a ticket admits, when the doors open, and the gates.")
}

pub fn put_door() -> Operation {
    operation(Group::Door, "put_door", "Set how the door of an event works")
        .takes::<Door>(json!({
            "admission": "come_back", "gates": [{"id": "north", "name": "North gate", "ticket_types": []}],
        }))
        .gives::<Door>(200, "How it works from now on.")
        .problems(&[UnknownTicketType])
}

pub fn ticket() -> Operation {
    operation(Group::Door, "find_ticket", "Find a ticket by its code")
        .query("event", text(), "Only among the tickets of the event with this id.")
        .gives::<FoundTicket<'static>>(200, "The ticket, and what its code is good for.")
        .on(Needs::Paid)
        .problems(&[UnknownEvent, UnknownTicket])
}

pub fn keys() -> Operation {
    operation(Group::Door, "list_ticket_keys", "List the keys that sign tickets")
        .says("The public keys, with which signed codes are verified without a network.")
        .gives::<DoorKeys<'static>>(200, "All keys, the oldest first.")
}

pub fn new_key() -> Operation {
    operation(Group::Door, "make_ticket_key", "Make a key that signs tickets")
        .says("It signs from now on. Codes that other keys have signed stay valid.")
        .gives::<DoorKey<'static>>(201, "The key.")
}

pub fn revoke_key() -> Operation {
    operation(Group::Door, "revoke_ticket_key", "Revoke a key that signs tickets")
        .says("Nothing that it signed counts any more. The last key stays: make another one first.")
        .gives_nothing("It is revoked.")
        .on(Needs::Keys)
}

pub fn heard() -> Operation {
    operation(Group::Door, "tell_of_device", "Tell that a device is there")
        .says(
            "A device says at which gate it is and how many scans it has not sent, so that a manager sees all of \
             them. At most 500 devices of an event are remembered; others scan all the same.",
        )
        .takes::<DoorDeviceBody>(json!({
            "device": "5f0b8d6e-3f0a-4c57-9d5b-0a6a4d1f7c21", "gate": "north", "unsent": 0,
        }))
        .gives_nothing("It is noted.")
}

pub fn devices() -> Operation {
    operation(Group::Door, "list_devices", "List the devices at the door")
        .gives::<DoorDevices<'static>>(200, "The devices that were heard of, by gate.")
}

pub fn links() -> Operation {
    operation(Group::Door, "list_gate_links", "List the links of gates")
        .gives::<GateLinks<'static>>(200, "The newest first, with those that have ended.")
}

pub fn make_link() -> Operation {
    operation(Group::Door, "make_gate_link", "Make a link for a gate")
        .says(
            "Whoever opens the link checks people in at the event, without an account, until it ends. It ends with \
             whoever has made it, too.",
        )
        .takes::<GateLinkBody>(json!({"name": "Team North"}))
        .gives::<GateLink<'static>>(201, "The link.")
        .leads("end_gate_link", "link", "$response.body#/id")
}

pub fn end_link() -> Operation {
    operation(Group::Door, "end_gate_link", "End a link of a gate")
        .says("Phones that have opened it check nobody in from then on.")
        .gives_nothing("It has ended, now or before.")
        .on(Needs::Link)
        .problems(&[NotFound])
}

pub fn list() -> Operation {
    operation(Group::Door, "list_door_tickets", "Read the list for use without a network")
        .says(
            "First without parameters, then with `page` until there is no `next`, and the next time with `since` for \
             what has changed. A name can be read only with the signed code of its ticket: see the members.",
        )
        .query("since", text(), "What `since` of an answer was: only what has changed.")
        .query("page", text(), "What `next` of an answer was: the next page.")
        .header("If-None-Match", "The `ETag` of an answer that had no `next`: 304 if nothing has changed.")
        .gives::<DoorList<'static>>(200, "A page of the tickets.")
}

pub fn find() -> Operation {
    operation(Group::Door, "find_guests", "Find tickets by a name")
        .query(
            "q",
            json!({"type": "string", "minLength": 2, "maxLength": 200}),
            "Begins of the words of a name of a guest or a buyer, or the id of an order.",
        )
        .required("ann")
        .gives::<NamedTickets<'static>>(200, "At most 60 tickets of the event.")
}

pub fn arrivals() -> Operation {
    operation(Group::Door, "get_arrivals", "See how people arrived")
        .gives::<Arrivals<'static>>(200, "By gate and quarter of an hour.")
        .on(Needs::Scan)
}
