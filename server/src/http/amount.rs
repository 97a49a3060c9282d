//! Amounts of money in English: see `language/format.rs`, which has all languages.

use crate::language::Lang;
use boxoffice::{Currency, Money};

/// How a currency is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Style {
    before: String,
    /// How many decimals its minor unit has.
    pub decimals: u32,
    /// Whether a whole amount has no decimals.
    pub whole: bool,
}

impl Style {
    /// The style of a currency.
    pub fn of(currency: Currency) -> Style {
        let amounts = Lang::En.amounts(currency);
        Style { before: amounts.before, decimals: amounts.decimals, whole: amounts.whole }
    }

    /// What stands before the number.
    pub fn before(&self) -> &str {
        &self.before
    }
}

/// An amount as people write it.
pub fn written(money: Money) -> String {
    Lang::En.money(money)
}

/// A price as people say it: nothing costs nothing.
pub fn price(money: Money) -> String {
    Lang::En.price(money)
}

/// A number with a comma between thousands.
pub fn grouped(number: u64) -> String {
    Lang::En.number(i64::try_from(number).unwrap_or(i64::MAX))
}
