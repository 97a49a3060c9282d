//! Links for gates: whoever has one checks people in at one event's door, without an account, for as long as the link
//! lasts. A manager makes one for the people of a gate, shows it to them, and ends it at any time. It never allows
//! more than its maker may do at the moment, so it ends with them.
//!
//! The link is not stored: its address ends with its id and what proves that. So it can be shown again.

use super::own::{NotChanged, key};
use super::{Accounts, rights};
use crate::access::{Caller, Grant, Permit, Right, Role, may};
use crate::actor::Actor;
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::gate_links::{GateLink, ended, of_event};
use crate::store::records::{RecordChange, get};
use crate::store::{Fault, Reader};
use crate::writer::CommandError;
use boxoffice::{TimeMs, check_name};

/// A link has a name of so many characters at most.
const NAME_CHARS: usize = 100;
/// So many links of an event that have not ended.
const MOST_LINKS: usize = 200;

/// A link that somebody wants to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewGateLink {
    /// The id of the gate; empty: whoever uses it chooses one.
    pub gate: String,
    /// For whom it is.
    pub name: String,
    /// From when on it works, in milliseconds since 1970.
    pub from_ms: TimeMs,
    /// Until when it works, in milliseconds since 1970.
    pub until_ms: TimeMs,
}

/// What a link is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkStanding {
    /// It lets somebody check people in.
    Works(Caller),
    /// Not before this time, in milliseconds since 1970.
    NotYet(TimeMs),
    /// Somebody has ended it, its time is over, or its maker may not do that any more.
    Ended,
}

impl Accounts {
    /// The link of this token, and what it is good for. `None`: there is none. What we have not made is not looked up.
    pub async fn gate_link(
        &self,
        token: &str,
    ) -> Result<Option<(GateLink, LinkStanding)>, CommandError> {
        let Some(id) = self.secrets.gate_link(token) else { return Ok(None) };
        let organiser = self.organiser;
        let ask = move |reader: &mut dyn Reader| -> Result<_, Fault> {
            let Some(link) = get::<GateLink>(reader.tables(), &key(id))? else { return Ok(None) };
            let maker = rights::of(reader.tables(), link.made_by, organiser)?;
            Ok(Some((link, maker.unwrap_or_default())))
        };
        let Some((link, maker)) = self.reads.ask(ask).await? else { return Ok(None) };
        let now = self.clock.now_ms();
        let maker = Caller::new(link.made_by, maker, true);
        let allowed = maker.has(Right::ChangeEvents, Some(link.event))
            && maker.has(Right::CheckIn, Some(link.event));
        let standing = if link.ended_ms.is_some() || now >= link.until_ms || !allowed {
            LinkStanding::Ended
        } else if now < link.from_ms {
            LinkStanding::NotYet(link.from_ms)
        } else {
            let grant = Grant { role: Role::Door, event: Some(link.event) };
            LinkStanding::Works(Caller::new(Actor::Device(id), vec![grant], true))
        };
        Ok(Some((link, standing)))
    }

    /// What the address of a link ends with.
    pub fn gate_token(&self, link: &GateLink) -> String {
        self.secrets.gate_token(link.id)
    }

    /// All links of an event, the newest first; those as well that have ended.
    pub async fn gate_links(
        &self,
        permit: &Permit<may::ChangeEvents>,
    ) -> Result<Vec<GateLink>, CommandError> {
        let event = permit.event();
        Ok(self.reads.ask(move |reader| of_event(reader.tables(), event)).await?)
    }

    /// Makes a link. That the gate is one of the event's, the caller has checked.
    pub async fn make_gate_link(
        &self,
        permit: &Permit<may::ChangeEvents>,
        new: NewGateLink,
    ) -> Result<GateLink, NotChanged> {
        let now = self.clock.now_ms();
        let name = new.name.trim();
        if name.chars().count() > NAME_CHARS || check_name(name).is_err() {
            return Err(NotChanged::Flaw(
                "Please say for whom the link is, in at most 100 characters that can be seen.",
            ));
        }
        if new.until_ms <= new.from_ms || new.until_ms <= now {
            return Err(NotChanged::Flaw(
                "The link would end before it begins to work, or is over already. Please choose a later end.",
            ));
        }
        let known = self.gate_links(permit).await?;
        let lasting = |link: &&GateLink| link.ended_ms.is_none() && now < link.until_ms;
        if known.iter().filter(lasting).count() >= MOST_LINKS {
            return Err(NotChanged::Flaw(
                "There are 200 links that have not ended. Please end one first.",
            ));
        }
        let link = GateLink {
            id: self.ids.random(),
            event: permit.event(),
            gate: new.gate,
            name: name.to_owned(),
            made_by: permit.actor(),
            made_ms: now,
            from_ms: new.from_ms,
            until_ms: new.until_ms,
            ended_ms: None,
        };
        let line = self.of_gate_link(permit, &link, Action::GateLinkMade, now);
        self.writer.write(vec![RecordChange::put(&link), RecordChange::put(&line)]).await?;
        Ok(link)
    }

    /// Ends a link. Whoever still uses it is refused from now on.
    pub async fn end_gate_link(
        &self,
        permit: &Permit<may::ChangeEvents>,
        id: u128,
    ) -> Result<(), NotChanged> {
        let known = self.gate_links(permit).await?;
        let known = known.iter().find(|link| link.id == id).ok_or(NotChanged::Gone)?;
        if known.ended_ms.is_some() {
            return Ok(());
        }
        let now = self.clock.now_ms();
        let line = self.of_gate_link(permit, known, Action::GateLinkEnded, now);
        Ok(self.writer.write(vec![ended(id, now), RecordChange::put(&line)]).await?)
    }

    fn of_gate_link(
        &self,
        permit: &Permit<may::ChangeEvents>,
        link: &GateLink,
        action: Action,
        now: TimeMs,
    ) -> AuditLine {
        let gate = if link.gate.is_empty() { "any gate" } else { &link.gate };
        let detail = format!("{}: {gate}", link.name);
        let line = self.line(now, permit.actor(), action, detail);
        AuditLine { event: Some(link.event), ..line }
    }
}
