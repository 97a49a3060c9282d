//! What the door page says of a scan: a colour, a few words, and what to do next.

use super::{At, ms_of};
use boxoffice::TimeMs;
use boxoffice::door::{DoorRefusal, Scan};
use nts_api::{CheckIn, ScanResult};

/// The colour of the whole page. The words say the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Colour {
    /// Somebody may pass.
    Green,
    /// Somebody has to do something first.
    #[default]
    Amber,
    /// Nobody may pass.
    Red,
}

impl Colour {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Colour::Green => "go",
            Colour::Amber => "wait",
            Colour::Red => "stop",
        }
    }
}

/// What is shown in full colour.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Shown {
    pub colour: Colour,
    pub title: String,
    /// Whose ticket it is; empty: that is not told.
    pub name: String,
    pub ticket_type: String,
    /// What happened; may be empty.
    pub what: String,
    /// What to do next; may be empty.
    pub detail: String,
}

/// The colour, the title, what happened and what to do next, of each result. Scripts have the same words. They and
/// [`of`] put values in the place of `{first}`, `{gates}`, `{event}` and `{opens}`.
pub(super) fn table(result: ScanResult) -> (Colour, &'static str, &'static str, &'static str) {
    use Colour::{Amber, Green, Red};
    match result {
        ScanResult::Admitted => (Green, "Come in", "", ""),
        ScanResult::Left => (Green, "Goes out", "", ""),
        ScanResult::Recorded => (
            Amber,
            "Recorded",
            "This was scanned without a network before.",
            "Scan the ticket again.",
        ),
        ScanResult::AlreadyIn => (
            Red,
            "Already in",
            "Already in {first}.",
            "Nobody else comes in with this ticket. Send the guest to the box office.",
        ),
        ScanResult::NotIn => (
            Red,
            "Not in",
            "Nobody is in with this ticket.{left}",
            "If the guest wants to come in, choose In and scan again.",
        ),
        ScanResult::UnknownGate => (
            Amber,
            "Choose your gate",
            "The gates have changed, and yours is not one of them.",
            "Choose your gate, and scan the ticket again.",
        ),
        ScanResult::EventCanceled => {
            (Red, "Cancelled", "The event does not take place.", "Nobody comes in.")
        }
        ScanResult::UnknownTicket => (
            Red,
            "Not a ticket",
            "No ticket has this code.",
            "Scan it again, or type the code as it is printed. If it stays red, send the guest to the box office.",
        ),
        ScanResult::OtherEvent => (
            Red,
            "Other event",
            "This ticket is for {event}.",
            "Ask the guest for a ticket of this event.",
        ),
        ScanResult::Unpaid => (
            Red,
            "Not paid",
            "The order is not paid yet.",
            "The guest can pay on the page of the order, or at the box office. Then scan again.",
        ),
        ScanResult::Void => (
            Red,
            "Not valid",
            "The order was cancelled or has expired, so it has no tickets.",
            "Send the guest to the box office.",
        ),
        ScanResult::Revoked => {
            (Red, "Refunded", "This ticket was refunded.", "Send the guest to the box office.")
        }
        ScanResult::Replaced => (
            Red,
            "Old code",
            "This ticket was passed on, and has a new code since.",
            "Ask for the newest mail, or the page of the ticket.",
        ),
        ScanResult::WrongGate => {
            (Amber, "Other gate", "This gate does not take this ticket type.", "{gates}")
        }
        ScanResult::NotOpen => {
            (Amber, "Not open yet", "The doors open {opens}.", "Ask the guest to wait.")
        }
        ScanResult::Undone => {
            (Amber, "Undone", "This scan was undone.", "Scan the ticket again to let the guest in.")
        }
        ScanResult::NonceUsed => (
            Amber,
            "Scan again",
            "This page was used for another ticket already, so nothing was recorded.",
            "Scan the ticket again.",
        ),
        ScanResult::Unreadable => (
            Amber,
            "Cannot be checked",
            "What is recorded of this ticket or of this door is damaged, so nothing was recorded.",
            "Send the guest to the box office, and tell whoever runs it.",
        ),
        ScanResult::Invalid => (
            Amber,
            "Not checked",
            "The page sent something that could not be read, so nothing was recorded.",
            "Load the page again, then scan the ticket again.",
        ),
    }
}

/// What is shown of a scan.
pub(super) fn of(at: &At, told: &CheckIn<'_>, elsewhere: Option<&str>, now: TimeMs) -> Shown {
    let (colour, title, what, detail) = table(told.result);
    let first = told.first.as_ref().map(|seen| {
        let when = ms_of(&seen.at).map(|ms| at.when(ms, now)).unwrap_or_default();
        let gate = at.name_of(&seen.gate).map(|gate| format!(" at {gate}")).unwrap_or_default();
        format!("{when}{gate}")
    });
    let ticket_type = told.ticket.as_ref().map(|ticket| &*ticket.ticket_type).unwrap_or_default();
    let gates = match at.gates_for(ticket_type).as_slice() {
        [] => "Send the guest to the box office.".to_owned(),
        gates => format!("Send the guest to {}.", gates.join(" or ")),
    };
    let opens = told.opens_at.as_deref().and_then(ms_of).map(|ms| at.when(ms, now));
    let left = first.as_ref().map(|first| format!(" The last one went out {first}."));
    let put = |text: &str| {
        text.replace("{first}", first.as_deref().unwrap_or("once"))
            .replace("{left}", left.as_deref().unwrap_or(""))
            .replace("{gates}", &gates)
            .replace("{event}", elsewhere.unwrap_or("another event"))
            .replace("{opens}", opens.as_deref().unwrap_or("later"))
    };
    Shown {
        colour,
        title: title.into(),
        name: told
            .ticket
            .as_ref()
            .map(|ticket| ticket.name.clone().into_owned())
            .unwrap_or_default(),
        ticket_type: ticket_type.to_owned(),
        what: put(what),
        detail: put(detail),
    }
}

/// What is shown of the answer to a form that was sent before, which was given then.
pub(super) fn answered_before(shown: Shown, when: &str) -> Shown {
    Shown {
        colour: Colour::Amber,
        what: format!("The answer was given {when}: {}.", shown.title),
        title: "Answered before".into(),
        detail: "It is for the guest of then, who may pass if they have not passed yet. For another guest, scan their \
                 ticket."
            .into(),
        ..shown
    }
}

/// What is shown once somebody wanted to undo a scan.
pub(super) fn undone(done: &Result<Box<Scan>, DoorRefusal>) -> Shown {
    let (title, what, detail) = match done {
        Ok(_) => {
            ("Undone", "The scan does not count any more.", "The ticket can be scanned again.")
        }
        Err(DoorRefusal::TooLateToUndo(_)) => (
            "Not undone",
            "A scan can be undone for ten minutes, and they are over.",
            "A manager of the event still can.",
        ),
        Err(DoorRefusal::ScannedSince) => {
            ("Not undone", "The ticket was scanned again since.", "Undo the later scan first.")
        }
        Err(DoorRefusal::Unreadable) => (
            "Not undone",
            "What is recorded of this ticket is damaged.",
            "Tell whoever runs the box office.",
        ),
        Err(_) => (
            "Not undone",
            "This device has made no such scan.",
            "Undo it on the device that made it, or ask a manager of the event.",
        ),
    };
    let colour = Colour::Amber;
    Shown {
        colour,
        title: title.into(),
        what: what.into(),
        detail: detail.into(),
        ..Shown::default()
    }
}
