//! Nothing but what was signed is genuine, and a signature in one form only.

use super::*;
use crate::fuzz::{check, slips, spoil};
use proptest::prelude::*;

const SECRET: &str = "whsec_of_the_tests";

/// The header as Stripe makes it (<https://docs.stripe.com/webhooks#verify-manually>).
fn signed(secret: &str, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn is_genuine(header: &[u8], body: &[u8], now_s: i64) -> bool {
    // As the handler has it: a header that is no text is none.
    let header = std::str::from_utf8(header).ok();
    header.is_some_and(|header| genuine(SECRET, header, body, now_s * 1000))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(br#"{"type":"payment_intent.succeeded","data":{"object":{"id":"pi_1"}}}"#.to_vec()),
        proptest::collection::vec(any::<u8>(), 0..60),
    ]
}

#[test]
fn every_prefix_and_every_flipped_bit_of_a_signature_is_refused() {
    check(12, &(body(), 1_000_000..4_000_000_000i64), |(body, now)| {
        let header = signed(SECRET, now, &body).into_bytes();
        prop_assert!(is_genuine(&header, &body, now));
        for cut in 0..header.len() {
            prop_assert!(!is_genuine(&header[..cut], &body, now), "cut after {} bytes", cut);
        }
        for (at, bit) in (0..header.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = header.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(
                !is_genuine(&flipped, &body, now),
                "{}",
                String::from_utf8_lossy(&flipped)
            );
        }
        for (at, bit) in (0..body.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = body.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(!is_genuine(&header, &flipped, now), "bit {} of byte {}", bit, at);
        }
        Ok(())
    });
}

#[test]
fn a_signature_is_good_for_its_body_its_secret_and_five_minutes() {
    let inputs = (body(), body(), 1_000_000..4_000_000_000i64, any::<i64>(), -700..700i64);
    check(500, &inputs, |(body, other, now, any, near)| {
        let header = signed(SECRET, now, &body);
        prop_assert_eq!(is_genuine(header.as_bytes(), &other, now), body == other);
        prop_assert!(!is_genuine(signed("whsec_else", now, &body).as_bytes(), &body, now));
        let is_near = near.abs() <= 300;
        prop_assert_eq!(is_genuine(header.as_bytes(), &body, now + near), is_near);
        // Of any time whatever, and at any time of ours.
        let header = signed(SECRET, any, &body);
        prop_assert_eq!(is_genuine(header.as_bytes(), &body, now), now.abs_diff(any) <= 300);
        prop_assert!(!genuine(SECRET, &header, &body, i64::MIN) || any < -9_000_000_000_000_000);
        Ok(())
    });
}

/// Whatever is in the header: it is genuine only if a whole signature of this body stands in it, as it was
/// made.
#[test]
fn a_spoilt_header_is_refused_or_still_has_the_signature() {
    let now = 1_800_000_000;
    check(2_000, &(body(), slips(1, 4)), |(body, slips)| {
        let header = signed(SECRET, now, &body);
        let spoilt = spoil(header.as_bytes(), &slips);
        if is_genuine(&spoilt, &body, now) {
            let text = String::from_utf8(spoilt).expect("it was read");
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            let (t, v1) = header.split_once(',').expect("two parts");
            prop_assert!(parts.contains(&t) && parts.contains(&v1), "{}", text);
        }
        let (name, value) = header.split_once("v1=").expect("it has one");
        // Other ways to write the same number.
        for other in
            [value.to_uppercase(), format!("+{}", &value[1..]), format!("0x{}", &value[2..])]
        {
            let same = other == value;
            let header = format!("{name}v1={other}");
            prop_assert!(same || !is_genuine(header.as_bytes(), &body, now), "{}", header);
        }
        Ok(())
    });
}

/// What was found: `from_str_radix` takes a sign, so a digit 0 could be written as +.
#[test]
fn a_signature_has_one_form() {
    let body = |n: u32| format!("{{\"n\":{n}}}");
    let zero = (0..).map(body).find(|body| signed(SECRET, 9, body.as_bytes()).contains("v1=0"));
    let body = zero.expect("one in sixteen begins with 0");
    let header = signed(SECRET, 9, body.as_bytes());
    let check = |header: &str| genuine(SECRET, header, body.as_bytes(), 9_000);
    assert!(check(&header));
    assert!(!check(&header.replace("v1=0", "v1=+")));
    assert!(!check(&header.to_uppercase().replace("T=", "t=").replace("V1=", "v1=")));
}

#[test]
fn any_bytes_are_no_signature_and_name_no_payment_but_one_of_its_form() {
    check(1_000, &(".{0,40}", any::<i64>()), |(text, now)| {
        let is = genuine(SECRET, &text, b"body", now);
        prop_assert!(!is, "{}", text);
        prop_assert!(!names_payment(&text) || text.starts_with("pi_"));
        Ok(())
    });
    check(300, &slips(1, 3), |slips| {
        let id = spoil(b"pi_3MtwBwLkdIwHu7ix28a3tqPa", &slips);
        let Ok(id) = std::str::from_utf8(&id) else { return Ok(()) };
        let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        prop_assert_eq!(names_payment(id), plain && id.starts_with("pi_") && id.len() > 3);
        Ok(())
    });
}
