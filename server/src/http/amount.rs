//! Amounts of money as people write them: `£9.99`, `¥1,500`, `CHF 9.99`. Programs get minor units.

use boxoffice::{Currency, Money};

/// What stands before a number, as English does it in CLDR (<https://cldr.unicode.org>, locale `en`).
/// Where a sign alone would leave open whose dollar it is, the country stands before it. A currency that
/// is not here has its code, with a space that does not break.
const SIGNS: &[(&str, &str)] = &[
    ("AUD", "A$"),
    ("BRL", "R$"),
    ("CAD", "CA$"),
    ("CNY", "CN¥"),
    ("EUR", "€"),
    ("GBP", "£"),
    ("HKD", "HK$"),
    ("ILS", "₪"),
    ("INR", "₹"),
    ("JPY", "¥"),
    ("KRW", "₩"),
    ("MXN", "MX$"),
    ("NZD", "NZ$"),
    ("PHP", "₱"),
    ("SGD", "S$"),
    ("TWD", "NT$"),
    ("USD", "$"),
    ("VND", "₫"),
    ("XCD", "EC$"),
];

/// Currencies that Stripe counts with two decimals, and in which nobody pays with less than one: CLDR gives
/// them no decimals, for all amounts or in cash. A whole amount of them is written without decimals.
const WHOLE: &[&str] = &[
    "AFN", "ALL", "COP", "CRC", "HUF", "IDR", "ISK", "LAK", "LBP", "MMK", "PKR", "RSD", "SOS",
    "TWD", "TZS", "UGX", "UZS", "YER",
];

/// How a currency is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    sign: Option<&'static str>,
    currency: Currency,
    /// How many decimals its minor unit has.
    pub decimals: u32,
    /// Whether a whole amount has no decimals.
    pub whole: bool,
}

impl Style {
    /// The style of a currency.
    pub fn of(currency: Currency) -> Style {
        let code = currency.code();
        let sign = SIGNS.iter().find(|(known, _)| *known == code).map(|(_, sign)| *sign);
        Style { sign, currency, decimals: currency.decimals(), whole: WHOLE.contains(&code) }
    }

    /// What stands before the number.
    pub fn before(&self) -> String {
        self.sign.map_or_else(|| format!("{}\u{a0}", self.currency.code()), str::to_owned)
    }

    /// So many minor units.
    pub fn write(&self, minor: i64) -> String {
        let sign = if minor < 0 { "−" } else { "" };
        let (unit, minor) = (10u64.pow(self.decimals), minor.unsigned_abs());
        let (units, rest) = (grouped(minor / unit), minor % unit);
        let width = self.decimals as usize;
        let decimals = match rest {
            _ if width == 0 => String::new(),
            0 if self.whole => String::new(),
            rest => format!(".{rest:0width$}"),
        };
        format!("{sign}{}{units}{decimals}", self.before())
    }
}

/// An amount as people write it.
pub fn written(money: Money) -> String {
    Style::of(money.currency).write(money.minor)
}

/// A price as people say it: nothing costs nothing.
pub fn price(money: Money) -> String {
    if money.minor == 0 { "Free".into() } else { written(money) }
}

/// A number with a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(minor: i64, code: &str) -> String {
        written(Money { minor, currency: Currency::parse(code).expect("a currency") })
    }

    #[test]
    fn amounts_are_written_as_people_write_them() {
        for (minor, code, text) in [
            (999, "GBP", "£9.99"),
            (0, "GBP", "£0.00"),
            (5, "GBP", "£0.05"),
            (999, "EUR", "€9.99"),
            (123_456_789, "EUR", "€1,234,567.89"),
            (-150, "EUR", "−€1.50"),
            (1_500, "JPY", "¥1,500"),
            (999, "JPY", "¥999"),
            (999, "USD", "$9.99"),
            (999, "CAD", "CA$9.99"),
            (999, "CHF", "CHF\u{a0}9.99"),
            (100_000, "HUF", "HUF\u{a0}1,000"),
            (100_050, "HUF", "HUF\u{a0}1,000.50"),
            (150_000, "ISK", "ISK\u{a0}1,500"),
            (1_250, "KWD", "KWD\u{a0}1.250"),
            (1_250_000, "BHD", "BHD\u{a0}1,250.000"),
            (99_999_999, "KRW", "₩99,999,999"),
        ] {
            assert_eq!(said(minor, code), text);
        }
        let money = |minor| Money { minor, currency: Currency::parse("GBP").expect("a currency") };
        assert_eq!((price(money(0)), price(money(1))), ("Free".into(), "£0.01".into()));
    }

    /// Whatever the currency, the digits are those of the amount, and its sign or its code is there.
    #[test]
    fn every_currency_is_written_with_its_own_decimals() {
        let letters = || (b'A'..=b'Z').map(char::from);
        let codes = letters().flat_map(|a| letters().map(move |b| (a, b)));
        let codes = codes.flat_map(|(a, b)| letters().map(move |c| format!("{a}{b}{c}")));
        for code in codes {
            let currency = Currency::parse(&code).expect("a currency");
            let style = Style::of(currency);
            for minor in [0, 1, 10, 999, 1_000, 100_000, 99_999_999] {
                let text = style.write(minor);
                let number = text.strip_prefix(&style.before()).expect("it begins with the sign");
                let (units, rest) = number.split_once('.').unwrap_or((number, ""));
                let decimals = currency.decimals() as usize;
                assert!(rest.len() == decimals || (rest.is_empty() && style.whole), "{text}");
                let padded = format!("{}{rest:0<decimals$}", units.replace(',', ""));
                assert_eq!(padded.parse(), Ok(minor), "{text}");
                assert!(units.split(',').skip(1).all(|group| group.len() == 3), "{text}");
                assert!(
                    !units.split(',').any(|group| group.is_empty() || group.len() > 3),
                    "{text}"
                );
            }
        }
    }
}
