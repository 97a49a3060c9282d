//! Amounts of money as people write them: `£9.99`, `1.234,50 €`, `1 500 ¥`. Programs get minor units.

use super::Marks;
use crate::language::Lang;
use boxoffice::Currency;

/// The sign of a currency in English, German, French and Spanish; `""`: it has its code there.
/// As CLDR has them (<https://cldr.unicode.org>, locales `en`, `de`, `fr` and `es`). Where a sign alone
/// would leave open whose dollar it is, the country stands with it.
const SIGNS: &[(&str, [&str; 4])] = &[
    ("ARS", ["", "", "$AR", ""]),
    ("AUD", ["A$", "AU$", "$AU", ""]),
    ("BMD", ["", "", "$BM", ""]),
    ("BND", ["", "", "$BN", ""]),
    ("BRL", ["R$", "R$", "R$", ""]),
    ("BZD", ["", "", "$BZ", ""]),
    ("CAD", ["CA$", "CA$", "$CA", ""]),
    ("CLP", ["", "", "$CL", ""]),
    ("CNY", ["CN¥", "CN¥", "", ""]),
    ("COP", ["", "", "$CO", ""]),
    ("EUR", ["€", "€", "€", "€"]),
    ("FJD", ["", "", "$FJ", ""]),
    ("FKP", ["", "", "£FK", ""]),
    ("GBP", ["£", "£", "£GB", ""]),
    ("GIP", ["", "", "£GI", ""]),
    ("HKD", ["HK$", "HK$", "", ""]),
    ("ILS", ["₪", "₪", "₪", ""]),
    ("INR", ["₹", "₹", "₹", ""]),
    ("JPY", ["¥", "¥", "", ""]),
    ("KRW", ["₩", "₩", "₩", ""]),
    ("LBP", ["", "", "£LB", ""]),
    ("MXN", ["MX$", "MX$", "$MX", ""]),
    ("NAD", ["", "", "$NA", ""]),
    ("NZD", ["NZ$", "NZ$", "$NZ", ""]),
    ("PHP", ["₱", "", "", ""]),
    ("SBD", ["", "", "$SB", ""]),
    ("SGD", ["S$", "", "$SG", ""]),
    ("SRD", ["", "", "$SR", ""]),
    ("THB", ["", "฿", "", "฿"]),
    ("TTD", ["", "", "$TT", ""]),
    ("TWD", ["NT$", "NT$", "", ""]),
    ("USD", ["$", "$", "$US", "US$"]),
    ("UYU", ["", "", "$UY", ""]),
    ("VND", ["₫", "₫", "₫", "₫"]),
    ("WST", ["", "", "$WS", ""]),
    ("XAF", ["", "FCFA", "FCFA", ""]),
    ("XCD", ["EC$", "EC$", "", ""]),
    ("XOF", ["", "F\u{202f}CFA", "F\u{202f}CFA", ""]),
    ("XPF", ["", "CFPF", "FCFP", "CFPF"]),
];

/// Currencies that Stripe counts with two decimals, and in which nobody pays with less than one: CLDR gives
/// them no decimals, for all amounts or in cash. A whole amount of them is written without decimals.
const WHOLE: &[&str] = &[
    "AFN", "ALL", "COP", "CRC", "HUF", "IDR", "ISK", "LAK", "LBP", "MMK", "PKR", "RSD", "SOS",
    "TWD", "TZS", "UGX", "UZS", "YER",
];

/// How amounts of a currency are written in a language. A script writes them with it as well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amounts {
    /// What stands before the number, with its space.
    pub before: String,
    /// What stands after the number, with its space.
    pub after: String,
    /// The marks of the number.
    pub marks: Marks,
    /// How many decimals the minor unit has.
    pub decimals: u32,
    /// Whether a whole amount has no decimals.
    pub whole: bool,
}

impl Amounts {
    pub(super) fn of(lang: Lang, currency: Currency) -> Amounts {
        let code = currency.code();
        let known = SIGNS.iter().find(|(known, _)| *known == code);
        let sign = known.map(|(_, signs)| signs[lang.at()]).filter(|sign| !sign.is_empty());
        let (before, after) = match lang {
            Lang::En => {
                (sign.map_or_else(|| format!("{code}\u{a0}"), str::to_owned), String::new())
            }
            Lang::Pseudo => {
                (format!("⟦{}", Amounts::of(Lang::En, currency).before), "⟧".to_owned())
            }
            Lang::De | Lang::Fr | Lang::Es => {
                (String::new(), format!("\u{a0}{}", sign.unwrap_or(code)))
            }
        };
        let (decimals, whole) = (currency.decimals(), WHOLE.contains(&code));
        Amounts { before, after, marks: lang.marks(), decimals, whole }
    }

    /// So many minor units. All amounts of a currency have the same decimals, so that they can be compared:
    /// `20,00 €`, not `20 €`.
    pub fn write(&self, minor: i64) -> String {
        let sign = if minor < 0 { "−" } else { "" };
        let (unit, minor) = (10u64.pow(self.decimals), minor.unsigned_abs());
        let (units, rest) = (self.marks.grouped(minor / unit), minor % unit);
        let (width, mark) = (self.decimals as usize, self.marks.decimal);
        let decimals = match rest {
            _ if width == 0 => String::new(),
            0 if self.whole => String::new(),
            rest => format!("{mark}{rest:0width$}"),
        };
        format!("{sign}{}{units}{decimals}{}", self.before, self.after)
    }
}
