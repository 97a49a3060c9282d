//! Access: who may do what. A use case of staff asks for a [`Permit`], which only a [`Caller`] who has the
//! right can give: a handler that forgets to check does not compile.
//!
//! It must not know: HTTP, SQL, or how somebody signs in.

use crate::actor::Actor;
use boxoffice::EventId;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// What somebody is to the box office. What each role may do stands in [`Role::may`] and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Everything, accounts and keys as well.
    Owner,
    /// Events, orders, refunds.
    Manager,
    /// Orders, free tickets and sales at the box office.
    BoxOffice,
    /// Looks at events and orders, and changes nothing.
    ReadOnly,
    /// Checks people in.
    Door,
}

impl Role {
    /// All of them, the most powerful first.
    pub const ALL: [Role; 5] =
        [Role::Owner, Role::Manager, Role::BoxOffice, Role::ReadOnly, Role::Door];

    /// The most powerful role that may do nothing which one of these two may not; `None`: there is no such role.
    fn both(self, other: Role) -> Option<Role> {
        let within = |role: &Role| {
            let may = |right: &Right| self.may(*right) && other.may(*right);
            Right::ALL.iter().all(|right| !role.may(*right) || may(right))
        };
        Role::ALL.into_iter().find(within)
    }

    /// As it is stored, and told to programs.
    pub fn word(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Manager => "manager",
            Role::BoxOffice => "box_office",
            Role::ReadOnly => "read_only",
            Role::Door => "door",
        }
    }

    /// Whether it has this right, for the events that it was given for.
    pub fn may(self, right: Right) -> bool {
        use Right::*;
        match self {
            Role::Owner => true,
            Role::Manager => !matches!(right, ManageAccess | ManageShop),
            Role::BoxOffice => {
                matches!(right, SeeEvents | SeeOrders | ChangeOrders | SellTickets | CheckIn)
            }
            Role::ReadOnly => matches!(right, SeeEvents | SeeOrders),
            Role::Door => matches!(right, CheckIn),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(word: &str) -> Result<Role, ()> {
        Role::ALL.into_iter().find(|role| role.word() == word).ok_or(())
    }
}

/// Something that not everybody may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Right {
    /// See drafts, and how a sale goes.
    SeeEvents,
    /// Make, change, pause, cancel and delete events.
    ChangeEvents,
    /// See orders with their buyers; export them.
    SeeOrders,
    /// Correct an order, send its tickets again, cancel what is not paid.
    ChangeOrders,
    /// Give tickets away, and sell them at the box office.
    SellTickets,
    /// Give money back.
    Refund,
    /// Check people in, and what that needs.
    CheckIn,
    /// Erase the names and addresses of buyers.
    EraseBuyers,
    /// Change the name, the texts and the looks of the shop, the keys that sign tickets, and webhooks.
    ManageShop,
    /// Invite people, give roles, make and end API keys.
    ManageAccess,
}

impl Right {
    /// All of them.
    pub const ALL: [Right; 10] = [
        Right::SeeEvents,
        Right::ChangeEvents,
        Right::SeeOrders,
        Right::ChangeOrders,
        Right::SellTickets,
        Right::Refund,
        Right::CheckIn,
        Right::EraseBuyers,
        Right::ManageShop,
        Right::ManageAccess,
    ];

    /// Whether a person must have signed in a short while ago to use it: whoever finds a browser that is signed
    /// in must not be able to move money, to destroy, or to stay.
    pub fn needs_recent_sign_in(self) -> bool {
        matches!(self, Right::Refund | Right::EraseBuyers | Right::ManageAccess)
    }

    /// What is refused to whoever lacks it: `you may not …`.
    pub fn what(self) -> &'static str {
        match self {
            Right::SeeEvents => "see how sales go",
            Right::ChangeEvents => "change events",
            Right::SeeOrders => "see orders",
            Right::ChangeOrders => "change orders",
            Right::SellTickets => "sell tickets or give them away",
            Right::Refund => "refund orders",
            Right::CheckIn => "check people in",
            Right::EraseBuyers => "erase buyers",
            Right::ManageShop => "change the settings of the shop",
            Right::ManageAccess => "invite people or make keys",
        }
    }
}

/// A right as a type, so that a [`Permit`] for one is none for another.
pub trait Permission {
    /// The right.
    const RIGHT: Right;
}

macro_rules! permissions {
    ($($name:ident)*) => {
        /// The rights as types.
        pub mod may {
            use super::{Permission, Right};
            $(
                #[doc = concat!("[`Right::", stringify!($name), "`] as a type.")]
                #[derive(Clone, Copy, PartialEq, Eq, Debug)]
                pub enum $name {}

                impl Permission for $name {
                    const RIGHT: Right = Right::$name;
                }
            )*
        }
    };
}

permissions!(
    SeeEvents ChangeEvents SeeOrders ChangeOrders SellTickets Refund CheckIn EraseBuyers ManageShop
    ManageAccess
);

/// A role, for one event or for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Which role.
    pub role: Role,
    /// For which event; `None`: for all there are and will be, and for the shop itself.
    pub event: Option<EventId>,
}

impl Grant {
    /// Whether it allows all that another one does.
    fn covers(self, other: Grant) -> bool {
        let more = Right::ALL.iter().all(|r| self.role.may(*r) || !other.role.may(*r));
        more && (self.event.is_none() || self.event == other.event)
    }

    /// What both grants allow; `None`: nothing.
    fn both(self, other: Grant) -> Option<Grant> {
        let event = match (self.event, other.event) {
            (None, event) | (event, None) => event,
            (Some(own), Some(others)) if own == others => Some(own),
            (Some(_), Some(_)) => return None,
        };
        Some(Grant { role: self.role.both(other.role)?, event })
    }
}

/// What these grants allow and those as well, each thing once.
pub fn both(these: &[Grant], those: &[Grant]) -> Vec<Grant> {
    let mut both: Vec<Grant> = Vec::new();
    for this in these {
        for grant in those.iter().filter_map(|that| this.both(*that)) {
            if !both.iter().any(|known| known.covers(grant)) {
                both.retain(|known| !grant.covers(*known));
                both.push(grant);
            }
        }
    }
    both
}

/// Somebody who asks for something that not everybody may do: an account, a key, or the box office itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// For the audit log.
    actor: Actor,
    grants: Vec<Grant>,
    /// Whether it has signed in a short while ago. Keys always have.
    recent: bool,
}

/// Why somebody gets no permit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// The role does not have the right, or not for this event.
    Role(Right),
    /// The role has it, but the person must sign in once more first.
    NotRecent(Right),
}

impl Caller {
    /// Whoever has been found to be this one. `recent`: signed in a short while ago.
    pub fn new(actor: Actor, grants: Vec<Grant>, recent: bool) -> Caller {
        Caller { actor, grants, recent }
    }

    /// The owner of the shop, by this key.
    pub fn owner(actor: Actor) -> Caller {
        Caller::new(actor, vec![Grant { role: Role::Owner, event: None }], true)
    }

    /// The box office itself, which does what its settings say.
    pub fn system() -> Caller {
        Caller::owner(Actor::System)
    }

    /// Who asks, for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The grants, as they were given.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether a role of this caller has the right, for this event or (`None`) for the shop itself. Shows what
    /// can be offered; what is done asks for a permit.
    pub fn has(&self, right: Right, event: Option<EventId>) -> bool {
        let covers = |grant: &Grant| grant.event.is_none() || grant.event == event;
        self.grants.iter().any(|grant| covers(grant) && grant.role.may(right))
    }

    /// Whether this caller has any role for this event. Whoever has none is not told of a draft.
    pub fn knows(&self, event: EventId) -> bool {
        self.grants.iter().any(|grant| grant.event.is_none_or(|of| of == event))
    }

    /// Whether there is anything for which a role of this caller has the right.
    pub fn has_anywhere(&self, right: Right) -> bool {
        self.grants.iter().any(|grant| grant.role.may(right))
    }

    /// The permit to do something to one event, or to its orders.
    pub fn permit<P: Permission>(&self, event: EventId) -> Result<Permit<P>, Denied> {
        self.check(P::RIGHT, Some(event))?;
        Ok(Permit { actor: self.actor, event, right: PhantomData })
    }

    /// The permit to do something in the whole shop.
    pub fn shop_permit<P: Permission>(&self) -> Result<ShopPermit<P>, Denied> {
        self.check(P::RIGHT, None)?;
        Ok(ShopPermit { actor: self.actor, right: PhantomData })
    }

    /// The permit to see something that is the same for all events: it is enough to have the right for one.
    pub fn permit_anywhere<P: Permission>(&self) -> Result<AnywherePermit<P>, Denied> {
        match self.has_anywhere(P::RIGHT) {
            true => Ok(AnywherePermit { right: PhantomData }),
            false => Err(Denied::Role(P::RIGHT)),
        }
    }

    fn check(&self, right: Right, event: Option<EventId>) -> Result<(), Denied> {
        if !self.has(right, event) {
            return Err(Denied::Role(right));
        }
        if right.needs_recent_sign_in() && !self.recent {
            return Err(Denied::NotRecent(right));
        }
        Ok(())
    }
}

/// The proof that somebody may do something to one event, or to orders of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permit<P> {
    actor: Actor,
    event: EventId,
    right: PhantomData<P>,
}

impl<P> Permit<P> {
    /// Who has it, for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// For which event.
    pub fn event(&self) -> EventId {
        self.event
    }
}

/// The proof that somebody may do something in the whole shop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShopPermit<P> {
    actor: Actor,
    right: PhantomData<P>,
}

impl<P> ShopPermit<P> {
    /// Who has it, for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The same for one event.
    pub fn at(&self, event: EventId) -> Permit<P> {
        Permit { actor: self.actor, event, right: PhantomData }
    }
}

/// The proof that somebody has a right for one event at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnywherePermit<P> {
    right: PhantomData<P>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_exactly_its_rights() {
        use Right::*;
        let table: [(Role, &[Right]); 5] = [
            (Role::Owner, &Right::ALL),
            (
                Role::Manager,
                &[
                    SeeEvents,
                    ChangeEvents,
                    SeeOrders,
                    ChangeOrders,
                    SellTickets,
                    Refund,
                    CheckIn,
                    EraseBuyers,
                ],
            ),
            (Role::BoxOffice, &[SeeEvents, SeeOrders, ChangeOrders, SellTickets, CheckIn]),
            (Role::ReadOnly, &[SeeEvents, SeeOrders]),
            (Role::Door, &[CheckIn]),
        ];
        for (role, rights) in table {
            for right in Right::ALL {
                assert_eq!(role.may(right), rights.contains(&right), "{role:?} {right:?}");
            }
        }
    }

    #[test]
    fn a_grant_for_one_event_is_none_for_another_nor_for_the_shop() {
        let grant = Grant { role: Role::Manager, event: Some(EventId(1)) };
        let caller = Caller::new(Actor::Staff(7), vec![grant], true);
        assert!(caller.permit::<may::ChangeEvents>(EventId(1)).is_ok());
        let denied = Denied::Role(Right::ChangeEvents);
        assert_eq!(caller.permit::<may::ChangeEvents>(EventId(2)).unwrap_err(), denied);
        assert_eq!(caller.shop_permit::<may::ChangeEvents>().unwrap_err(), denied);
    }

    #[test]
    fn money_needs_a_recent_sign_in() {
        let grant = Grant { role: Role::Owner, event: None };
        let caller = Caller::new(Actor::Staff(7), vec![grant], false);
        assert!(caller.permit::<may::SeeOrders>(EventId(1)).is_ok());
        for right in Right::ALL {
            let old = caller.check(right, None) == Err(Denied::NotRecent(right));
            assert_eq!(old, right.needs_recent_sign_in(), "{right:?}");
        }
    }

    /// Whoever is bounded by somebody else may do exactly what both may, for exactly the events of both.
    #[test]
    fn what_two_grants_allow_is_what_each_of_them_allows() {
        let events = [None, Some(EventId(1)), Some(EventId(2))];
        let all: Vec<Grant> = Role::ALL
            .into_iter()
            .flat_map(|role| events.map(|event| Grant { role, event }))
            .collect();
        let of = |grants: &[Grant]| Caller::new(Actor::Staff(7), grants.to_vec(), true);
        let manager = |event| Grant { role: Role::Manager, event };
        let (every, one) = (manager(None), manager(Some(EventId(1))));
        let owner = Grant { role: Role::Owner, event: None };
        assert_eq!(both(&[every], &[one, owner]), [every]);
        assert_eq!(both(&[every, one], &[owner]), [every]);
        for one in all.chunks(2) {
            for other in all.chunks(2).chain(all.chunks(4)) {
                let together = of(&both(one, other));
                for right in Right::ALL {
                    for event in events {
                        let each = of(one).has(right, event) && of(other).has(right, event);
                        assert_eq!(together.has(right, event), each, "{one:?} {other:?} {right:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_role_has_one_word() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(role));
        }
        assert_eq!("Owner".parse::<Role>(), Err(()));
    }
}
