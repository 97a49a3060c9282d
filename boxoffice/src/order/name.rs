//! Names on tickets: who hands a ticket on says who comes with it.
//!
//! A ticket that gets another name is another revision of itself. Both of its codes, the one that is scanned
//! and the one that is typed, are derived from the revision, so those that were given out before let nobody
//! in any more.

use crate::draft::Draft;
use crate::mutant::{Mutant, on};
use crate::text::check_name;
use crate::{Change, Decision, Order, Refusal, State, Ticket, TicketState, TimeMs};

/// So often a ticket can be passed on. Each time leaves a code behind that is told to be replaced.
pub const MOST_REVISIONS: u16 = 20;

/// Puts a guest's name on a ticket.
pub(crate) fn name(
    state: &State,
    order: &Order,
    number: u16,
    name: &str,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    check_name(name).map_err(Refusal::Invalid)?;
    if order.is_erased() {
        return Err(Refusal::BuyerErased);
    }
    if order.tickets.is_empty() {
        return Err(Refusal::NoTickets(order.state));
    }
    let ticket = order.ticket(number).ok_or(Refusal::UnknownTicket(number))?;
    if ticket.state == TicketState::Revoked {
        return Err(Refusal::TicketRevoked);
    }
    if ticket.guest.as_deref() == Some(name) {
        // The same command once more, or a form that was sent as it was.
        return Draft::default().reply_order(order);
    }
    let event = state.events.get(&order.event).ok_or(Refusal::UnknownEvent)?;
    let fixed_ms = event.spec.names_fixed_ms();
    if now >= fixed_ms {
        return Err(Refusal::NamesFixed(fixed_ms));
    }
    if ticket.revision >= MOST_REVISIONS {
        return Err(Refusal::TooManyNames(MOST_REVISIONS));
    }

    // The point of no return.
    let mut draft = Draft::default();
    let revision = ticket.revision + u16::from(!on(Mutant::OldCodeStays));
    let ticket = Ticket { revision, guest: Some(name.into()), ..ticket.clone() };
    draft.changes.push(Change::TicketPut { order: order.id, event: order.event, ticket });
    draft.reply_order(order)
}

impl Order {
    /// The ticket of a number, from 1, in the order of the serials. A ticket keeps its number.
    pub fn ticket(&self, number: u16) -> Option<&Ticket> {
        self.tickets.get(usize::from(number).checked_sub(1)?)
    }

    /// The number of one of its tickets; see [`Order::ticket`].
    pub fn number_of(&self, ticket: &Ticket) -> Option<u16> {
        let at = self.tickets.iter().position(|own| own.serial == ticket.serial)?;
        u16::try_from(at + 1).ok()
    }
}
