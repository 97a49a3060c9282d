//! Times, and amounts of money, as they are printed and read.

use super::*;
use crate::fuzz::{check, slips, spoil};
use boxoffice::{Currency, Money};
use proptest::prelude::*;
use proptest::sample::select;

/// Moments that have a year of four digits, most of them near ours.
fn moment() -> impl Strategy<Value = TimeMs> {
    prop_oneof![
        3 => 0..4_000_000_000_000i64,
        1 => -62_167_219_200_000..253_402_207_200_000i64,
        1 => select(vec![0, -1, 1, 999, -999, 1_800_000_000_001]),
    ]
}

#[test]
fn a_time_that_is_printed_is_read_again() {
    check(1_000, &(moment(), any::<i64>()), |(ms, any)| {
        prop_assert_eq!(parse(&rfc3339(ms)), Ok(ms), "{}", rfc3339(ms));
        // Whatever a damaged row holds is shown somehow.
        prop_assert!(!rfc3339(any).is_empty() && !basic(any).is_empty());
        Ok(())
    });
}

#[test]
fn a_spoilt_time_is_refused_or_is_the_one_that_it_says() {
    let zones = select(vec!["Z", "z", "+02:00", "-11:30", "+00:00", "+14:00"]);
    check(1_500, &(moment(), zones, slips(1, 3)), |(ms, zone, slips)| {
        let text = rfc3339(ms).replace('Z', zone);
        let spoilt = spoil(text.as_bytes(), &slips);
        let Ok(spoilt) = std::str::from_utf8(&spoilt) else { return Ok(()) };
        match parse(spoilt) {
            Ok(read) => {
                prop_assert_eq!(parse(&rfc3339(read)), Ok(read));
                prop_assert!(spoilt.bytes().any(|b| b"Zz+-".contains(&b)), "no offset: {}", spoilt);
                prop_assert!(!spoilt.contains('['), "two statements: {}", spoilt);
            }
            Err(error) => {
                let reasons =
                    ["with its offset", "no such day", "too far", "a minute", "in brackets"];
                prop_assert!(reasons.iter().any(|why| error.contains(why)), "{}", error);
            }
        }
        Ok(())
    });
}

/// What was found: a time may have named a zone behind its offset, which was not looked at.
#[test]
fn a_time_says_where_it_is_once() {
    assert!(parse("2027-06-05T20:00:00+01:00").is_ok());
    for twice in ["2027-06-05T20:00:00+01:00[Asia/Tokyo]", "2027-06-05T20:00:00Z[u-ca=hebrew]"] {
        assert!(parse(twice).is_err(), "{twice}");
    }
}

#[test]
fn a_zone_is_one_or_is_refused() {
    check(
        400,
        &(select(vec!["Europe/London", "UTC", "Asia/Tokyo"]), slips(0, 3)),
        |(zone, slips)| {
            let spoilt = spoil(zone.as_bytes(), &slips);
            let Ok(spoilt) = std::str::from_utf8(&spoilt) else { return Ok(()) };
            if check_zone(spoilt).is_ok() {
                prop_assert!(check_zone(&zone_as_written(spoilt)).is_ok(), "{}", spoilt);
            }
            Ok(())
        },
    );
}

/// Reads what `Money` prints, without its rules: all digits are minor units, and as many of them stand
/// behind the point as the currency has decimals.
fn read(text: &str) -> Option<(i128, String, usize)> {
    let (number, code) = text.split_once(' ')?;
    let decimals = number.split_once('.').map_or(0, |(_, behind)| behind.len());
    let minor = number.replace('.', "").parse().ok()?;
    Some((minor, code.to_owned(), decimals))
}

#[test]
fn an_amount_is_printed_as_it_is() {
    let codes = select(vec!["GBP", "JPY", "KWD", "eur", "Isk", "XXX"]);
    let minor = prop_oneof![-3_000..3_000i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    check(800, &(codes, minor, "\\PC{0,4}"), |(code, minor, any)| {
        let currency = Currency::parse(code).expect("three letters");
        let text = Money { minor, currency }.to_string();
        let decimals = currency.decimals() as usize;
        prop_assert_eq!(
            read(&text),
            Some((minor.into(), code.to_uppercase(), decimals)),
            "{}",
            text
        );
        prop_assert_eq!(Currency::parse(currency.code()), Some(currency));
        let letters = any.len() == 3 && any.bytes().all(|b| b.is_ascii_alphabetic());
        prop_assert_eq!(Currency::parse(&any).is_some(), letters);
        Ok(())
    });
}
