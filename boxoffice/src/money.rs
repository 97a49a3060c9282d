//! Money: a whole number of minor units and an ISO 4217 currency. Never a float.

use core::fmt;

/// The largest amount of one ticket or one order, in minor units: eight digits, as Stripe allows
/// (<https://docs.stripe.com/api/payment_intents/create>, parameter `amount`).
pub const MAX_MINOR: i64 = 99_999_999;

/// See [`Currency::is_charged`].
const CHARGED: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL \
    BSD BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP \
    GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP \
    LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN \
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TND TOP \
    TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW";

/// An ISO 4217 currency: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code such as `GBP`, in upper or lower case. `None` if it is not three letters.
    pub fn parse(code: &str) -> Option<Currency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Currency(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// The code in upper case.
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.0).expect("three ASCII letters")
    }

    /// How many decimals the minor unit has, as Stripe counts it: 2 for most, 0 and 3 for those in
    /// its lists (<https://docs.stripe.com/currencies>, zero- and three-decimal currencies). ISK and
    /// UGX have none in ISO 4217, but Stripe takes them with two (the same page, special cases).
    pub fn decimals(&self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"JPY" | b"KMF" | b"KRW" | b"MGA" | b"PYG"
            | b"RWF" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"JOD" | b"KWD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }

    /// Whether Stripe charges cards in it
    /// (<https://docs.stripe.com/currencies#presentment-currencies>).
    pub fn is_charged(&self) -> bool {
        CHARGED.split_ascii_whitespace().any(|code| code.as_bytes() == self.0)
    }

    /// The least that Stripe charges a card, in minor units, where the account settles in that currency
    /// (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>). For currencies without
    /// a published minimum, [`Currency::step_minor`].
    pub fn least_minor(&self) -> i64 {
        match &self.0 {
            b"USD" | b"AUD" | b"BRL" | b"CAD" | b"CHF" | b"EUR" | b"INR" | b"JPY" | b"NZD"
            | b"SGD" => 50,
            b"GBP" => 30,
            b"BGN" => 100,
            b"AED" | b"MYR" | b"PLN" | b"RON" => 200,
            b"DKK" => 250,
            b"NOK" | b"SEK" => 300,
            b"HKD" => 400,
            b"MXN" | b"THB" => 1_000,
            b"CZK" => 1_500,
            b"HUF" => 17_500,
            _ => self.step_minor(),
        }
    }

    /// Cards may not be charged this much or less, in minor units, but nobody can tell: Stripe publishes no
    /// least amount for this currency, and converts that of another one, worth about 0.50 USD. It is half a
    /// unit of the currency, or 50 of one without decimals; 0 where the least amount is published.
    pub fn doubtful_minor(&self) -> i64 {
        match self.least_minor() == self.step_minor() {
            true if self.decimals() == 0 => 50,
            true => 10i64.pow(self.decimals()) / 2,
            false => 0,
        }
    }

    /// An amount that a card can be charged is a multiple of this many minor units: of three
    /// decimals Stripe wants the last to be 0, and of ISK and UGX both decimals.
    pub fn step_minor(&self) -> i64 {
        match &self.0 {
            b"ISK" | b"UGX" => 100,
            _ if self.decimals() == 3 => 10,
            _ => 1,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    /// Minor units: pence of GBP, yen of JPY, fils of KWD.
    pub minor: i64,
    /// What it is counted in.
    pub currency: Currency,
}

/// `9.99 GBP`, `500 JPY`, `1.250 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let sign = if self.minor < 0 { "-" } else { "" };
        let (unit, minor) = (10u64.pow(decimals), self.minor.unsigned_abs());
        write!(f, "{sign}{}", minor / unit)?;
        if decimals > 0 {
            write!(f, ".{:0width$}", minor % unit, width = decimals as usize)?;
        }
        write!(f, " {}", self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn money_is_written_with_the_decimals_of_its_currency() {
        for (minor, code, text) in [
            (999, "GBP", "9.99 GBP"),
            (5, "gbp", "0.05 GBP"),
            (-150, "EUR", "-1.50 EUR"),
            (500, "JPY", "500 JPY"),
            (1250, "KWD", "1.250 KWD"),
            (500, "UGX", "5.00 UGX"),
        ] {
            let currency = Currency::parse(code).expect("a currency");
            assert_eq!(Money { minor, currency }.to_string(), text);
        }
        assert_eq!(Currency::parse("GB"), None);
        assert_eq!(Currency::parse("G1P"), None);
        assert_eq!(Currency::parse("£bp"), None);
    }
}
