use super::*;
use crate::when::parse;
use proptest::prelude::*;
use serde_json::{Value, json};

fn said(lang: Lang, minor: i64, code: &str) -> String {
    lang.money(Money { minor, currency: Currency::parse(code).unwrap() })
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
        assert_eq!(said(Lang::En, minor, code), text);
    }
    for (lang, minor, code, text) in [
        (Lang::De, 2_000, "EUR", "20,00\u{a0}€"),
        (Lang::De, 123_456, "EUR", "1.234,56\u{a0}€"),
        (Lang::De, -150, "CHF", "−1,50\u{a0}CHF"),
        (Lang::De, 100_000, "HUF", "1.000\u{a0}HUF"),
        (Lang::Fr, 123_456, "EUR", "1\u{202f}234,56\u{a0}€"),
        (Lang::Fr, 1_500, "JPY", "1\u{202f}500\u{a0}JPY"),
        (Lang::Fr, 999, "USD", "9,99\u{a0}$US"),
        (Lang::Es, 123_456, "EUR", "1234,56\u{a0}€"),
        (Lang::Es, 1_234_567, "EUR", "12.345,67\u{a0}€"),
        (Lang::Es, 1_250, "KWD", "1,250\u{a0}KWD"),
        (Lang::Pseudo, 999, "GBP", "⟦£9.99⟧"),
    ] {
        assert_eq!(said(lang, minor, code), text);
    }
    let money = |minor| Money { minor, currency: Currency::parse("GBP").unwrap() };
    assert_eq!(Lang::En.price(money(1)), "£0.01");
    assert_eq!(Lang::ALL.map(|l| l.price(money(0))), ["Free", "Kostenlos", "Gratuit", "Gratis"]);
    assert_eq!(Lang::En.number(-1_234), "−1,234");
    assert_eq!(Lang::Es.number(1_234), "1234");
    assert_eq!(Lang::De.number(i64::MIN), "−9.223.372.036.854.775.808");
}

/// Whatever the currency and the language, the digits are those of the amount, and its sign or its code is
/// there.
#[test]
fn every_currency_is_written_with_its_own_decimals() {
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(|a| letters().map(move |b| (a, b)));
    let codes = codes.flat_map(|(a, b)| letters().map(move |c| format!("{a}{b}{c}")));
    for code in codes {
        let currency = Currency::parse(&code).unwrap();
        for lang in Lang::ALL {
            let style = lang.amounts(currency);
            assert!(!style.before.is_empty() || !style.after.is_empty());
            for minor in [0, 1, 10, 999, 1_000, 100_000, 1_000_000, 99_999_999] {
                let text = style.write(minor);
                let number = text.strip_prefix(&style.before).expect("it begins with the sign");
                let number = number.strip_suffix(&style.after).expect("or ends with it");
                let Marks { decimal, group, group_from } = style.marks;
                let (units, rest) = number.split_once(decimal).unwrap_or((number, ""));
                let decimals = currency.decimals() as usize;
                assert!(rest.len() == decimals || (rest.is_empty() && style.whole), "{text}");
                let digits = units.replace(group, "");
                assert_eq!(format!("{digits}{rest:0<decimals$}").parse(), Ok(minor), "{text}");
                let first = units.split(group).next().unwrap();
                assert_eq!(first.len() < digits.len(), digits.len() >= group_from, "{text}");
                assert!(units.split(group).skip(1).all(|group| group.len() == 3), "{text}");
                assert!(!first.is_empty() && first.len() <= group_from.max(3), "{text}");
            }
        }
    }
}

#[test]
fn times_are_told_in_the_zone_of_the_event() {
    let ms = parse("2027-06-05T20:00:00+01:00").unwrap();
    let told = |style| Lang::En.moment(ms, "Europe/London", style);
    assert_eq!(told(Style::Long), "Saturday 5 June 2027, 20:00");
    assert_eq!(told(Style::Short), "Sat 5 June 2027, 20:00");
    assert_eq!(told(Style::Day), "Saturday 5 June 2027");
    assert_eq!(told(Style::Clock), "20:00");
    assert_eq!(Lang::En.moment(ms, "Asia/Tokyo", Style::ClockSeconds), "04:00:00");
    for (lang, long, short) in [
        (Lang::De, "Samstag, 5. Juni 2027, 20:00 Uhr", "Sa., 5. Juni 2027, 20:00 Uhr"),
        (Lang::Fr, "samedi 5 juin 2027 à 20:00", "sam. 5 juin 2027 à 20:00"),
        (Lang::Es, "sábado, 5 de junio de 2027, 20:00", "sáb, 5 de junio de 2027, 20:00"),
        (Lang::Pseudo, "⟦Saturday 5 June 2027, 20:00⟧", "⟦Sat 5 June 2027, 20:00⟧"),
    ] {
        assert_eq!(lang.moment(ms, "Europe/London", Style::Long), long);
        assert_eq!(lang.moment(ms, "Europe/London", Style::Short), short);
    }
    // Too far away for a calendar, and a zone that nobody knows.
    assert_eq!(Lang::Fr.moment(TimeMs::MAX, "UTC", Style::Long), TimeMs::MAX.to_string());
    assert_eq!(Lang::De.moment(0, "Mars/Olympus", Style::Clock), "00:00 Uhr");
}

#[test]
fn an_end_has_its_day_only_where_it_is_another_one() {
    let at = |text: &str| parse(text).unwrap();
    let (zone, starts) = ("Europe/London", at("2027-06-05T20:00:00+01:00"));
    assert_eq!(Lang::En.end(starts + 900_000, starts, zone), "20:15");
    assert_eq!(Lang::De.end(starts + 900_000, starts, zone), "20:15 Uhr");
    let next_day = at("2027-06-06T00:01:00+01:00");
    assert_eq!(Lang::En.end(next_day, starts, zone), "Sun 6 June 2027, 00:01");
    // It is the next day there already.
    assert_eq!(Lang::En.end(starts + 900_000, starts, "Asia/Tokyo"), "04:15");
    for (lang, ends, text) in [
        (Lang::En, "2027-06-05T22:30:00+01:00", "Saturday 5 June 2027, 20:00 to 22:30"),
        (Lang::En, "2027-06-06T02:00:00+01:00", "Saturday 5 June 2027, 20:00 to 02:00"),
        (
            Lang::En,
            "2027-06-07T18:00:00+01:00",
            "Saturday 5 June 2027, 20:00 to Monday 7 June 2027, 18:00",
        ),
        (Lang::De, "2027-06-05T22:30:00+01:00", "Samstag, 5. Juni 2027, 20:00 bis 22:30 Uhr"),
        (
            Lang::De,
            "2027-06-07T18:00:00+01:00",
            "Samstag, 5. Juni 2027, 20:00 Uhr bis Montag, 7. Juni 2027, 18:00 Uhr",
        ),
        (Lang::Fr, "2027-06-05T22:30:00+01:00", "samedi 5 juin 2027 de 20:00 à 22:30"),
        (
            Lang::Fr,
            "2027-06-07T18:00:00+01:00",
            "du samedi 5 juin 2027 à 20:00 au lundi 7 juin 2027 à 18:00",
        ),
        (Lang::Es, "2027-06-05T22:30:00+01:00", "sábado, 5 de junio de 2027, de 20:00 a 22:30"),
        (
            Lang::Es,
            "2027-06-07T18:00:00+01:00",
            "desde el sábado, 5 de junio de 2027, 20:00, hasta el lunes, 7 de junio de 2027, 18:00",
        ),
    ] {
        assert_eq!(lang.span(starts, at(ends), zone), text);
    }
}

#[test]
fn a_zone_is_told_as_its_place() {
    for (zone, text) in [
        ("Europe/London", "in London"),
        ("America/New_York", "in New York"),
        ("America/Argentina/Buenos_Aires", "in Buenos Aires"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
        ("Etc/GMT+5", "-05"),
    ] {
        assert_eq!(Lang::En.place_of_zone(0, zone), text);
    }
    for (zone, words) in [
        ("Europe/Vienna", ["in Wien", "(heure de Vienne)", "(hora de Viena)"]),
        ("Europe/Paris", ["in Paris", "(heure de Paris)", "(hora de París)"]),
        ("Europe/Athens", ["in Athen", "(heure d’Athènes)", "(hora de Atenas)"]),
        ("Africa/Cairo", ["in Kairo", "(heure du Caire)", "(hora de El Cairo)"]),
        ("Atlantic/Canary", ["auf den Kanaren", "(heure des Canaries)", "(hora de Canarias)"]),
        ("Europe/Vatican", ["im Vatikan", "(heure du Vatican)", "(hora del Vaticano)"]),
        (
            "America/Argentina/Buenos_Aires",
            ["in Buenos Aires", "(heure de Buenos Aires)", "(hora de Buenos Aires)"],
        ),
        ("Etc/UTC", ["UTC"; 3]),
    ] {
        assert_eq!([Lang::De, Lang::Fr, Lang::Es].map(|l| l.place_of_zone(0, zone)), words);
    }
}

proptest! {
    /// Whatever a damaged row holds is shown somehow.
    #[test]
    fn any_moment_is_told_somehow(ms: i64, other: i64, zone in "[A-Z][a-z]{1,8}/[A-Za-z_]{0,12}") {
        for lang in Lang::ALL {
            for zone in ["Europe/London", "no zone", zone.as_str()] {
                prop_assert!(!lang.moment(ms, zone, Style::Long).is_empty());
                prop_assert!(!lang.end(ms, other, zone).is_empty());
                prop_assert!(!lang.span(ms, other, zone).is_empty());
            }
            prop_assert!(!lang.place_of_zone(0, &zone).is_empty());
            prop_assert!(!lang.number(ms).is_empty());
        }
    }
}

/// Where English differs from CLDR: the code where CLDR has a sign that is hardly known, and a sign for
/// Singapore's dollar, which has one in CLDR only in Singapore.
const ENGLISH: [(&str, &str, &str); 4] = [
    ("SGD", "SGD\u{a0}", "S$"),
    ("XAF", "FCFA\u{a0}", "XAF\u{a0}"),
    ("XOF", "F\u{202f}CFA\u{a0}", "XOF\u{a0}"),
    ("XPF", "CFPF\u{a0}", "XPF\u{a0}"),
];

/// An amount as we write it, from how CLDR does.
fn expected_money(lang: Lang, code: &str, intl: &str) -> String {
    // The sign of a negative number is a minus, not a hyphen: it does not break from its number, and it is
    // as wide as a digit. CLDR keeps the hyphen for programs that read it.
    let text = intl.replace('-', "−");
    // Newer than most fonts' and people's knowledge: the Caribbean guilder (2025).
    let text = if code == "XCG" { text.replace("Cg.", code) } else { text };
    let ours = ENGLISH.iter().find(|(known, ..)| *known == code && lang == Lang::En);
    ours.map_or_else(|| text.clone(), |(_, theirs, ours)| text.replacen(theirs, ours, 1))
}

/// A moment as we write it, from how CLDR does.
fn expected_moment(lang: Lang, style: Style, intl: &str) -> String {
    let clock = !matches!(style, Style::Day);
    match lang {
        // Neither a comma behind the day of the week, nor `at`, which a sentence around it may have already.
        Lang::En => intl.replace(" at ", "\0").replace(',', "").replace('\0', ", "),
        // A time of day without `Uhr` is not how people write one; CLDR has it in spans alone. `um` is for
        // sentences, and most of ours have another preposition.
        Lang::De if clock => intl.replace(" um ", ", ") + " Uhr",
        // The first day of a month is an ordinal number (Imprimerie nationale), which CLDR cannot say.
        Lang::Fr if intl.contains(" 1 ") => intl.replacen(" 1 ", " 1er ", 1),
        // Hours have two digits in each language, as scripts are asked for them.
        Lang::Es
            if clock && intl.rsplit(' ').next().is_some_and(|hour| hour.find(':') == Some(1)) =>
        {
            let (day, hour) = intl.rsplit_once(' ').map_or(("", intl), |(day, hour)| (day, hour));
            format!("{day}{}0{hour}", if day.is_empty() { "" } else { " " })
        }
        Lang::De | Lang::Fr | Lang::Es | Lang::Pseudo => intl.to_owned(),
    }
}

/// Node's `Intl`, which has all of CLDR, is the judge of amounts, numbers and times.
#[test]
fn intl_writes_the_same() {
    // Without decimals where a whole amount has none, and otherwise as `Currency` has them: Stripe counts
    // some currencies with other decimals than ISO 4217. `20,00 €`, not `20 €`: prices stand below each other.
    let (mut money, mut moments, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    // Amounts in English are those of `en`, where the dollar is that of the United States; dates are British.
    let locale = |lang: Lang| lang.tag();
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(|a| letters().map(move |b| (a, b)));
    let codes = codes.flat_map(|(a, b)| letters().map(move |c| format!("{a}{b}{c}")));
    let currencies = codes.filter_map(|code| Currency::parse(&code)).filter(Currency::is_charged);
    let currencies: Vec<Currency> = currencies.collect();
    assert!(currencies.len() > 130);
    for lang in Lang::ALL {
        for currency in &currencies {
            for minor in [0, 5, 999, 2_000, 123_456, 1_234_567, 12_345_600, 99_999_999, -150_000] {
                let style = lang.amounts(*currency);
                let unit = 10i64.pow(style.decimals);
                let digits = if style.whole && minor % unit == 0 { 0 } else { style.decimals };
                money.push((lang, *currency, minor, digits));
            }
        }
        for number in [0, 7, 999, 1_000, 9_999, 10_000, 123_456, 99_999_999, -1_234, -12_345] {
            numbers.push((lang, number));
        }
        // Each day of two years, at another hour, and where clocks are put forward by half an hour, too.
        let zones = ["Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];
        let first = parse("2026-12-28T00:00:07Z").unwrap();
        for day in 0..735 {
            let ms = first + day * (24 * 3_600_000 + 61 * 60_000);
            moments.push((lang, zones[usize::try_from(day).unwrap() % 4], ms));
        }
    }
    let asked = json!({
        "money": money.iter().map(|(lang, currency, minor, digits)| {
            json!([locale(*lang), currency.code(), currency.decimals(), minor, digits])
        }).collect::<Vec<_>>(),
        "numbers": numbers.iter().map(|(l, n)| json!([locale(*l), n])).collect::<Vec<_>>(),
        "moments": moments.iter().map(|(lang, zone, ms)| {
            json!([if *lang == Lang::En { "en-GB" } else { lang.tag() }, zone, ms])
        }).collect::<Vec<_>>(),
    });
    let script = include_str!("intl.js");
    let input = asked.to_string();
    let Some(answer) = nts_testkit::tool("node", "nodejs", &["-e", script], input.as_bytes())
    else {
        return;
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let cldr = &answer["cldr"];
    let told = |list: &str, at: usize| answer[list][at].as_str().unwrap().to_owned();
    for (at, (lang, currency, minor, _)) in money.iter().enumerate() {
        let expected = expected_money(*lang, currency.code(), &told("money", at));
        let money = Money { minor: *minor, currency: *currency };
        assert_eq!(lang.money(money), expected, "{lang:?} {money}, CLDR {cldr}");
    }
    for (at, (lang, number)) in numbers.iter().enumerate() {
        let expected = told("numbers", at).replace('-', "−");
        assert_eq!(lang.number(*number), expected, "{lang:?} {number}, CLDR {cldr}");
    }
    for (at, (lang, zone, ms)) in moments.iter().enumerate() {
        let parts: Vec<&str> =
            answer["moments"][at].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let [long, short, day, clock, seconds] = parts[..] else { panic!("{parts:?}") };
        let expected = |style, text: &str| expected_moment(*lang, style, text);
        for (style, expected) in [
            (Style::Long, expected(Style::Long, long)),
            (Style::Day, expected(Style::Day, day)),
            (Style::Clock, expected(Style::Clock, clock)),
            (Style::ClockSeconds, expected(Style::ClockSeconds, seconds)),
        ] {
            assert_eq!(lang.moment(*ms, zone, style), expected, "CLDR {cldr}");
        }
        // The short day, and the time behind it as behind the long one.
        let behind =
            &lang.moment(*ms, zone, Style::Long)[lang.moment(*ms, zone, Style::Day).len()..];
        let expected = expected(Style::Day, short) + behind;
        assert_eq!(lang.moment(*ms, zone, Style::Short), expected, "CLDR {cldr}");
    }
}
