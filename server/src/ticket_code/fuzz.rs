//! A code is good as it was signed, in upper or lower case, and no other text is.

use super::*;
use crate::fuzz::{check, slips, spoil};
use proptest::prelude::*;

fn said() -> impl Strategy<Value = Said> {
    (any::<u8>(), any::<u64>(), any::<u128>(), 0..4096u16, 0..4096u16, any::<u8>()).prop_map(
        |(key, event, order, number, ticket_type, revision)| Said {
            key,
            event: EventId(event),
            order: Said::order_part(OrderId(order)),
            number,
            ticket_type,
            revision,
        },
    )
}

/// What a door does with what it has scanned.
fn good(scanned: &str, public: &[u8; 32]) -> Option<Said> {
    Unverified::read(in_address(scanned))?.verify(public)
}

#[test]
fn what_was_signed_is_read_and_a_spoilt_code_is_not() {
    let key = SigningKey::new(&[7; 32]);
    let (public, other) = (key.public(), SigningKey::new(&[8; 32]).public());
    check(400, &(said(), slips(1, 4)), |(said, slips)| {
        let code = key.sign(&said);
        prop_assert_eq!(good(&code, &public), Some(said));
        prop_assert_eq!(good(&address("https://a.example", &code), &public), Some(said));
        prop_assert_eq!(good(&code, &other), None, "another key");
        let spoilt = spoil(code.as_bytes(), &slips);
        let Ok(spoilt) = std::str::from_utf8(&spoilt) else { return Ok(()) };
        let same = in_address(spoilt).eq_ignore_ascii_case(&code);
        prop_assert_eq!(good(spoilt, &public).is_some(), same, "{}", spoilt);
        Ok(())
    });
}

#[test]
fn no_text_is_a_code_by_chance_and_none_ends_in_a_panic() {
    let public = SigningKey::new(&[7; 32]).public();
    check(1_500, &proptest::collection::vec(any::<u8>(), BYTES), |mut bytes| {
        bytes[0] = VERSION;
        let text = base32(&bytes);
        let unverified = Unverified::read(&text);
        prop_assert!(unverified.is_some());
        prop_assert_eq!(good(&text, &public), None);
        Ok(())
    });
    check(1_000, &"\\PC{0,200}", |text| {
        prop_assert_eq!(good(&text, &public), None);
        Ok(())
    });
    check(1_000, &"[A-Za-z2-7]{143,145}", |text| {
        prop_assert_eq!(good(&text, &public), None);
        Ok(())
    });
}

#[test]
fn base32_is_undone() {
    check(500, &proptest::collection::vec(any::<u8>(), BYTES), |bytes| {
        let text = base32(&bytes);
        prop_assert_eq!(text.len(), LETTERS);
        prop_assert_eq!(unbase32(&text), Some(bytes));
        Ok(())
    });
}
