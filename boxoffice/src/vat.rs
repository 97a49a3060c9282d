//! VAT: how much of what was paid is tax. Prices include it, so it is worked out from them, and what was paid
//! never changes by it.
//!
//! It is rounded once, on the sum of all that is taxed at one rate, half a minor unit up: so it does not depend
//! on how an order is cut into lines.

use crate::{Currency, Money, Order};
use alloc::vec::Vec;

/// The highest rate, in hundredths of a per cent.
pub const MOST_VAT: u16 = 10_000;

/// The VAT within an amount that includes it, in minor units. The rate is in hundredths of a per cent.
pub fn vat_within(gross_minor: i64, rate: u16) -> i64 {
    assert!(gross_minor >= 0, "prices are not negative");
    // gross · r / (100 + r), and one half; all in whole numbers.
    let (gross, rate) = (i128::from(gross_minor), i128::from(rate));
    let whole = 10_000 + rate;
    let rounded = (2 * gross * rate + whole) / (2 * whole);
    i64::try_from(rounded).expect("no more than the amount")
}

/// What an order has of one rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vat {
    /// The rate in hundredths of a per cent.
    pub rate: u16,
    /// What is paid at this rate.
    pub gross: Money,
    /// The tax in it.
    pub vat: Money,
}

impl Vat {
    /// What is paid without the tax.
    pub fn net(&self) -> Money {
        Money { minor: self.gross.minor - self.vat.minor, currency: self.gross.currency }
    }
}

/// A rate as text, with this mark before its decimals: `19`, `5.5`.
pub fn told_rate(rate: u16, mark: char) -> alloc::string::String {
    let (whole, part) = (rate / 100, rate % 100);
    match part {
        0 => alloc::format!("{whole}"),
        part if part % 10 == 0 => alloc::format!("{whole}{mark}{}", part / 10),
        part => alloc::format!("{whole}{mark}{part:02}"),
    }
}

/// Reads a rate such as `19`, `5.5` or `5,5` as hundredths of a per cent.
pub fn read_rate(text: &str) -> Option<u16> {
    let (whole, part) = text.trim().split_once(['.', ',']).unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let part = match part.len() {
        0 => 0,
        1 => part.parse::<u16>().ok()? * 10,
        _ => part.parse().ok()?,
    };
    Some(whole * 100 + part).filter(|rate| *rate <= MOST_VAT)
}

impl Order {
    /// The VAT in what it costs, by rate, the highest first. Lines without a rate are not in it.
    pub fn vat(&self) -> Vec<Vat> {
        let mut rates: Vec<u16> = self.lines.iter().filter_map(|line| line.extra.vat).collect();
        rates.sort_unstable_by(|a, b| b.cmp(a));
        rates.dedup();
        let currency: Currency = self.currency;
        let of = |rate: u16| {
            let lines = self.lines.iter().filter(|line| line.extra.vat == Some(rate));
            let gross: i64 = lines.map(|line| line.price_minor()).sum();
            let money = |minor| Money { minor, currency };
            Vat { rate, gross: money(gross), vat: money(vat_within(gross, rate)) }
        };
        rates.into_iter().map(of).filter(|vat| vat.gross.minor > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// The rates of the European Union and of Switzerland, and a few that are odd.
    const RATES: [u16; 14] =
        [0, 210, 260, 380, 500, 550, 700, 810, 1_000, 1_900, 2_000, 2_550, 2_700, 10_000];

    /// Another way: the tax is the whole number that is nearest to the exact one, and of two the larger.
    #[test]
    fn every_amount_is_rounded_to_the_nearest_and_a_half_up() {
        for rate in RATES {
            for gross in 1..=20_000i64 {
                let vat = vat_within(gross, rate);
                let whole = 10_000 + i64::from(rate);
                // Twice the distance from the exact tax, times the whole.
                let twice_off = 2 * (vat * whole - gross * i64::from(rate));
                assert!(-whole < twice_off && twice_off <= whole, "{gross} at {rate}: {vat}");
                assert!((0..=gross).contains(&vat));
                // More is never taxed less.
                assert!(vat >= vat_within(gross - 1, rate));
            }
        }
    }

    #[test]
    fn known_amounts() {
        for (gross, rate, vat) in [
            (11_900, 1_900, 1_900),
            (1_500, 1_900, 239),
            (10_700, 700, 700),
            (12_000, 2_000, 2_000),
            (1, 1_900, 0),
            (3, 2_000, 1),
            (999, 0, 0),
            (0, 1_900, 0),
            (99_999_999, 10_000, 50_000_000),
        ] {
            assert_eq!(vat_within(gross, rate), vat, "{gross} at {rate}");
        }
    }

    #[test]
    fn rates_are_read_as_they_are_told() {
        for rate in (0..=MOST_VAT).step_by(5) {
            for mark in ['.', ','] {
                assert_eq!(read_rate(&told_rate(rate, mark)), Some(rate));
            }
        }
        assert_eq!((told_rate(1_900, '.'), told_rate(550, ','), told_rate(205, '.')).0, "19");
        assert_eq!(format!("{} {}", told_rate(550, ','), told_rate(205, '.')), "5,5 2.05");
        for no in ["", "x", "-1", "100.01", "1.234", "1.", "1e1", " "] {
            assert_eq!(read_rate(no).filter(|_| no != "1."), None, "{no}");
        }
    }
}
