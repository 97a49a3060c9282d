//! Who asks for something.

use std::fmt;
use std::str::FromStr;

/// Who asks for something. It decides nothing: what somebody may do is decided before it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Somebody who buys, by the secret of an order or without any.
    Buyer,
    /// A person of the organiser's staff, by the id of the account.
    Staff(u128),
    /// A program of the organiser's, by the id of its key.
    ApiKey(u128),
    /// Whoever checks people in with the link of a gate, by the id of the link.
    Device(u128),
    /// The box office itself: its timer, and what it learns from the payment provider.
    System,
}

impl Actor {
    /// The id of the account, the key or the link; 0 of whoever has none.
    pub fn id(self) -> u128 {
        match self {
            Actor::Staff(id) | Actor::ApiKey(id) | Actor::Device(id) => id,
            Actor::Buyer | Actor::System => 0,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Buyer => f.write_str("buyer"),
            Actor::Staff(id) => write!(f, "staff:{id:x}"),
            Actor::ApiKey(id) => write!(f, "api_key:{id:x}"),
            Actor::Device(id) => write!(f, "device:{id:x}"),
            Actor::System => f.write_str("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = ();

    fn from_str(text: &str) -> Result<Actor, ()> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        let number = || u128::from_str_radix(id, 16).map_err(|_| ());
        let actor = match kind {
            "buyer" => Actor::Buyer,
            "staff" => Actor::Staff(number()?),
            "api_key" => Actor::ApiKey(number()?),
            "device" => Actor::Device(number()?),
            "system" => Actor::System,
            _ => return Err(()),
        };
        // One form for each.
        if actor.to_string() == text { Ok(actor) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_has_one_form() {
        for actor in [
            Actor::Buyer,
            Actor::Staff(0),
            Actor::ApiKey(u128::MAX),
            Actor::Device(17),
            Actor::System,
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for odd in ["", "Buyer", "buyer:", "buyer:1", "staff", "staff:", "staff:01", "staff:+1"] {
            assert_eq!(odd.parse::<Actor>(), Err(()), "{odd}");
        }
    }
}
