//! The cards of the fake: what stands for a card, and what its bank says.

use super::answer::Fault;

/// What a bank says to a confirmation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bank {
    Approves,
    Declines,
    /// Asks the buyer, on a page of the bank.
    AsksByRedirect,
    /// Asks the buyer, in a frame that Stripe.js opens.
    AsksBySdk,
    /// Approves, after three seconds.
    Slow,
    /// Answers the request at once, but decides later.
    Processing,
    /// Is not asked: what stands for the card is too old
    /// (<https://docs.stripe.com/api/confirmation_tokens/object#confirmation_token_object-expires_at>).
    Expired,
}

/// What stands for a card in a confirmation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub bank: Bank,
    /// The whole token, if it can be used only once.
    pub once: Option<String>,
}

/// Longer names first, for the shorter are their beginnings.
const CONFIRMATION_TOKENS: [(&str, Bank); 7] = [
    ("ctoken_expired", Bank::Expired),
    ("ctoken_processing", Bank::Processing),
    ("ctoken_declined", Bank::Declines),
    ("ctoken_3ds_sdk", Bank::AsksBySdk),
    ("ctoken_slow", Bank::Slow),
    ("ctoken_3ds", Bank::AsksByRedirect),
    ("ctoken_ok", Bank::Approves),
];

impl Token {
    /// A ConfirmationToken (<https://docs.stripe.com/api/confirmation_tokens>). With a suffix,
    /// `ctoken_ok_abc123`, it can be used once, as the real ones; without, it is for tests and for
    /// people, and can be used for ever.
    pub fn confirmation(text: String) -> Result<Token, Fault> {
        let found = CONFIRMATION_TOKENS.iter().find_map(|(name, bank)| {
            let rest = text.strip_prefix(name)?;
            let suffix = rest.strip_prefix('_').filter(|suffix| !suffix.is_empty());
            (rest.is_empty() || suffix.is_some()).then_some((*bank, suffix.is_some()))
        });
        match found {
            Some((bank, once)) => Ok(Token { bank, once: once.then_some(text) }),
            None => Err(missing("confirmation token", &text, "confirmation_token")),
        }
    }

    /// One of the old card tokens for tests (<https://docs.stripe.com/testing?testing-method=tokens>).
    pub fn card(text: &str) -> Result<Token, Fault> {
        let bank = match text {
            "tok_visa" => Bank::Approves,
            "tok_chargeDeclined" => Bank::Declines,
            other => return Err(missing("token", other, "payment_method_data[card][token]")),
        };
        Ok(Token { bank, once: None })
    }
}

/// What is named in a parameter and does not exist is a 400; only what is named in the path, or
/// is itself refunded or listed, is a 404.
fn missing(what: &str, text: &str, param: &str) -> Fault {
    Fault::missing(what, text, param).with_status(400)
}
