//! Tickets by their codes: whose a code is and whether it lets somebody in, names on tickets, and the keys
//! that sign.
//!
//! It must not know: HTTP, SQL.

use crate::access::{AnywherePermit, Caller, Right, ShopPermit, may};
use crate::actor::Actor;
use crate::codes::{Codes, PublicKey};
use crate::identity::guest;
use crate::ids::{Secrets, same_code};
use crate::sales::{SaleError, Sales};
use crate::store::records::RecordChange;
use crate::store::records::ticket_keys::{self, TicketKey};
use crate::store::{Fault, Reader};
use crate::ticket_code::Said;
use crate::writer::CommandError;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Command, Event, EventId, Order, OrderId, Refusal, Ticket, TicketState};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

/// A code is read with keys that were the database's within this time: for so long at most a process takes
/// codes of a key that another one has revoked.
const KEYS_FRESH: Duration = Duration::from_secs(2);
/// How long what another process may just have committed is waited for.
const FRESH: Duration = Duration::from_secs(2);
/// Serials have so many bits in a short code.
const SERIAL_BITS: u32 = 24;

/// The use cases.
pub struct Tickets {
    /// Where orders are found, and commands go.
    pub sales: Arc<Sales>,
    /// Makes and reads codes.
    pub codes: Arc<Codes>,
    /// Makes short codes.
    pub secrets: Secrets,
    /// Whoever reads the keys; the others wait for what that finds.
    pub reading_keys: Mutex<()>,
}

/// A ticket that was found by one of its codes.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its order.
    pub order: Arc<Order>,
    /// Its number within the order.
    pub number: u16,
    /// What the code is good for.
    pub standing: Standing,
    /// Of which revision of the ticket the code is.
    pub revision: u16,
}

impl Found {
    /// The ticket as it is now.
    pub fn ticket(&self) -> &Ticket {
        self.order.ticket(self.number).expect("it was found")
    }
}

/// What a code is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It lets somebody in.
    Valid,
    /// The ticket was passed on since, and has another code.
    Replaced,
    /// The ticket was refunded.
    Revoked,
}

impl Tickets {
    /// The ticket of a signed code, in an address or by itself. `None`: nobody here has issued it.
    pub async fn signed(&self, text: &str) -> Result<Option<Found>, SaleError> {
        if !Codes::is_signed(text) {
            return Ok(None);
        }
        self.refresh_keys().await?;
        let mut said = self.codes.read(text);
        if said.is_none() {
            // Another process may have made the key.
            self.read_keys().await?;
            said = self.codes.read(text);
        }
        let Some(said) = said else { return Ok(None) };
        let order = self.sales.reads.ask(move |reader| order_of(reader, &said)).await?;
        Ok(order.and_then(|order| found(order, said.number, said.revision.into())))
    }

    /// The ticket of either of its codes, as people type and scan them; only of this event, if one is named. A
    /// short code names no event: without one, all are looked through. A ticket of an event for which the caller
    /// checks nobody in is not found. While nobody can tell whether there is another event, the error is
    /// `Unavailable`.
    pub async fn by_code(
        &self,
        caller: &Caller,
        text: &str,
        event: Option<EventId>,
    ) -> Result<Option<Found>, SaleError> {
        let mut found = self.of_any_event(text, event).await?;
        if found.is_none() && event.is_none() && self.sales.catalogue.is_shared() {
            // Perhaps it is of an event that another process has just made.
            let certain = Box::pin(self.sales.catalogue.fresh(FRESH)).await;
            found = self.of_any_event(text, event).await?;
            if found.is_none() && !certain {
                return Err(SaleError::Unavailable);
            }
        }
        Ok(found.filter(|found| caller.has(Right::CheckIn, Some(found.order.event))))
    }

    /// The same, of whatever event the caller may see: what is told of it, they look at.
    pub async fn of_any_event(
        &self,
        text: &str,
        event: Option<EventId>,
    ) -> Result<Option<Found>, SaleError> {
        if Codes::is_signed(text) {
            let found = self.signed(text).await?;
            return Ok(found.filter(|f| event.is_none_or(|event| f.order.event == event)));
        }
        let events = event.map_or_else(|| self.all_events(), |event| vec![event]);
        self.short(text, events).await
    }

    /// The ticket that stands before the door of this event: of either of its codes, and also of another event. A
    /// short code that two events have is this one's.
    pub async fn before_door(
        &self,
        text: &str,
        event: EventId,
    ) -> Result<Option<Found>, SaleError> {
        if Codes::is_signed(text) {
            return self.signed(text).await;
        }
        match self.short(text, vec![event]).await? {
            Some(found) => Ok(Some(found)),
            None => self.short(text, self.all_events()).await,
        }
    }

    fn all_events(&self) -> Vec<EventId> {
        self.sales.catalogue.events().iter().map(|event| event.id).collect()
    }

    /// The ticket of a short code, looked for in these events.
    async fn short(&self, text: &str, events: Vec<EventId>) -> Result<Option<Found>, SaleError> {
        let candidates: Vec<(EventId, u32)> = events
            .into_iter()
            .filter_map(|event| Some((event, self.secrets.serial_bits(event, text)?)))
            .collect();
        if candidates.is_empty() {
            return Ok(None);
        }
        let secrets = self.secrets.clone();
        let typed = text.to_owned();
        let look = move |reader: &mut dyn Reader| {
            for (event, bits) in candidates {
                if let Some(found) = by_serial(reader, &secrets, event, bits, &typed)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        };
        Ok(self.sales.reads.ask(look).await?)
    }

    /// The ticket that a signed code names, also if the code counts no more: its key is revoked, or nobody has issued
    /// its revision any more since the database was restored. Gives its order, its number, and the revision if its key
    /// counts.
    pub async fn named(
        &self,
        text: &str,
    ) -> Result<Option<(Arc<Order>, u16, Option<u16>)>, SaleError> {
        if !Codes::is_signed(text) {
            return Ok(None);
        }
        self.read_keys().await?;
        let Some((said, counts)) = self.codes.read_of_any(text) else { return Ok(None) };
        let (number, revision) = (said.number, counts.then_some(said.revision.into()));
        let order = self.sales.reads.ask(move |reader| order_of(reader, &said)).await?;
        Ok(order.map(|order| (Arc::new(order), number, revision)))
    }

    /// The order of the ticket that has this code, of either kind, also if it lets nobody in any more. Who may
    /// see the order, the caller looks at.
    pub async fn order_of_code(&self, text: &str) -> Result<Option<OrderId>, SaleError> {
        Ok(self.of_any_event(text, None).await?.map(|found| found.order.id))
    }

    /// The event of a ticket.
    pub async fn event_of(&self, order: &Order) -> Result<Arc<Event>, SaleError> {
        self.sales.event_of(order).await
    }

    /// Puts a guest's name on a ticket. Gives the order as it is then.
    pub async fn name(
        &self,
        actor: Actor,
        order: OrderId,
        number: u16,
        name: &str,
    ) -> Result<Arc<Order>, SaleError> {
        let (watch, name) = (self.sales.watchers.watch(order), guest(name));
        let command = Command::NameTicket { order, number, name };
        self.sales.writer.ask_as(actor, command, None).await?;
        self.sales.wait_for(order, &watch, |_| true).await
    }

    /// All keys, the oldest first.
    pub async fn keys(
        &self,
        _: &AnywherePermit<may::CheckIn>,
    ) -> Result<Vec<PublicKey>, SaleError> {
        self.all_keys().await
    }

    async fn all_keys(&self) -> Result<Vec<PublicKey>, SaleError> {
        self.read_keys().await?;
        Ok(self.codes.keys())
    }

    /// Makes a key that signs from now on. What the others have signed counts as before.
    pub async fn new_key(&self, _: &ShopPermit<may::ManageShop>) -> Result<PublicKey, SaleError> {
        let stored = self.read_keys().await?;
        let taken: Vec<u32> = self.codes.keys().iter().map(|key| key.id.into()).collect();
        let id = self.free_id(&taken).ok_or_else(|| {
            let what = "this database has had as many keys as there are ids for them";
            CommandError::Refused(Refusal::Invalid(what.into()))
        })?;
        let random = || self.sales.ids.random().to_be_bytes();
        let seed = [random(), random()].concat();
        // After every other, whatever the clock says.
        let last = stored.iter().map(|key| key.since_ms).max().unwrap_or(0);
        let since_ms = self.sales.clock.now_ms().max(last + 1);
        let key = TicketKey { id, seed: Some(seed), since_ms, revoked_ms: None };
        self.sales.writer.write(vec![RecordChange::put(&key)]).await?;
        tracing::info!(key = id, "a new key signs tickets");
        let keys = self.all_keys().await.map_err(|_| CommandError::InDoubt)?;
        keys.into_iter().find(|key| u32::from(key.id) == id).ok_or(CommandError::InDoubt)
    }

    /// A random one, so that two processes, or a database and its restored copy, hardly take the same.
    fn free_id(&self, taken: &[u32]) -> Option<u32> {
        let free: Vec<u32> = (0..=255).filter(|id| !taken.contains(id)).collect();
        free.get((self.sales.ids.random() % free.len().max(1) as u128) as usize).copied()
    }

    /// From now on nothing counts that a key has signed. Refused of the only one.
    pub async fn revoke_key(
        &self,
        _: &ShopPermit<may::ManageShop>,
        id: u8,
    ) -> Result<(), SaleError> {
        let refused = |what: &str| Err(CommandError::Refused(Refusal::Invalid(what.into())));
        let stored = self.read_keys().await?;
        let keys = self.codes.keys();
        let Some(known) = keys.iter().find(|key| key.id == id) else {
            return refused("there is no key of this id");
        };
        if known.revoked_ms.is_some() {
            return Ok(());
        }
        if keys.iter().filter(|key| key.revoked_ms.is_none()).count() < 2 {
            return refused("this is the only key; make another one first");
        }
        let row = stored.into_iter().find(|key| key.id == u32::from(id));
        let first = TicketKey { id: id.into(), seed: None, since_ms: 0, revoked_ms: None };
        let revoked_ms = Some(self.sales.clock.now_ms());
        let row = TicketKey { revoked_ms, ..row.unwrap_or(first) };
        self.sales.writer.write(vec![RecordChange::put(&row)]).await?;
        tracing::info!(key = id, "a key that signs tickets was revoked");
        self.read_keys().await.map(drop).map_err(|_| CommandError::InDoubt)
    }

    async fn read_keys(&self) -> Result<Vec<TicketKey>, SaleError> {
        let asked = Instant::now();
        let stored = self.sales.reads.ask(|reader| ticket_keys::all(reader.tables())).await?;
        self.codes.learn(&stored, asked);
        Ok(stored)
    }

    /// Reads the keys anew if they are old. However many codes come at once, that is one question.
    async fn refresh_keys(&self) -> Result<(), SaleError> {
        if self.codes.are_fresh(KEYS_FRESH) {
            return Ok(());
        }
        let _one = self.reading_keys.lock().await;
        if !self.codes.are_fresh(KEYS_FRESH) {
            self.read_keys().await?;
        }
        Ok(())
    }
}

/// The order that a code names, if it is in this database.
pub(crate) fn order_of(reader: &mut dyn Reader, said: &Said) -> Result<Option<Order>, Fault> {
    let high = u64::from_be_bytes(*said.order.first_chunk().expect("eight of twelve"));
    // A store may compare the high halves of ids only, so the search begins before the first order that has
    // this one. Processes whose nodes have no numbers of their own can make several; nearly always there is one, and
    // it is read alone: a store may look through many orders of other events for a second one.
    let mut after = (u128::from(high) << 64).checked_sub(1).map(OrderId);
    loop {
        let page = reader.orders(said.event, after, 1)?;
        let named = |order: &Order| Said::order_part(order.id) == said.order;
        if let Some(order) = page.orders.into_iter().find(named) {
            return Ok(Some(order));
        }
        after = page.next.filter(|next| (next.0 >> 64) as u64 <= high);
        if after.is_none() {
            return Ok(None);
        }
    }
}

/// What a code of this revision of a ticket is good for.
fn found(order: Order, number: u16, revision: u16) -> Option<Found> {
    let ticket = order.ticket(number)?;
    let standing = match ticket.state {
        // Nobody has issued it yet: it is from another history of this database.
        _ if revision > ticket.revision => return None,
        _ if revision < ticket.revision && !on(Mutant::OldCodeAdmits) => Standing::Replaced,
        TicketState::Revoked => Standing::Revoked,
        TicketState::Valid => Standing::Valid,
    };
    Some(Found { order: Arc::new(order), number, standing, revision })
}

/// The ticket of this event with this short code, now or before it was passed on. `bits` are the lowest ones
/// of its serial; serials have no gaps.
fn by_serial(
    reader: &mut dyn Reader,
    secrets: &Secrets,
    event: EventId,
    bits: u32,
    typed: &str,
) -> Result<Option<Found>, Fault> {
    let serials = (0..1 << (32 - SERIAL_BITS)).map(|high| high << SERIAL_BITS | bits);
    for serial in serials.filter(|serial| *serial > 0) {
        let Some(order) = reader.order_of_ticket(event, serial)? else { return Ok(None) };
        let Some(order) = reader.order(order)? else { return Ok(None) };
        let Some(ticket) = order.tickets.iter().find(|ticket| ticket.serial == serial) else {
            return Ok(None);
        };
        let code = |revision| {
            let ticket = Ticket { revision, ..ticket.clone() };
            secrets.ticket(event, order.id, &ticket)
        };
        let revision = (0..=ticket.revision).rev().find(|n| same_code(typed, &code(*n)));
        if let Some((revision, number)) = revision.zip(order.number_of(ticket)) {
            return Ok(found(order, number, revision));
        }
    }
    Ok(None)
}
