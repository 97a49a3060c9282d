//! A code or a secret is good for what it was made for, and no other text is.

use super::*;
use crate::fuzz::{check, slips, spoil};
use proptest::prelude::*;
use proptest::sample::select;

fn ticket() -> impl Strategy<Value = Ticket> {
    let serial = prop_oneof![1..100u32, 16_777_200..16_777_230u32, any::<u32>()];
    let rule = select(vec![CodeRule::Serial, CodeRule::Order]);
    (serial, rule, 0..3u16).prop_map(|(serial, code_rule, revision)| {
        let state = boxoffice::TicketState::Valid;
        Ticket { serial, line: 0, state, code_rule, revision, guest: None }
    })
}

/// A ticket with its event and its order.
fn issued() -> impl Strategy<Value = (EventId, OrderId, Ticket)> {
    let event = any::<u64>().prop_map(EventId);
    (event, any::<u128>().prop_map(OrderId), ticket())
}

/// What a door does: the row is found by the code, and gives the same code again.
fn lets_in(
    secrets: &Secrets,
    (event, order, ticket): &(EventId, OrderId, Ticket),
    typed: &str,
) -> bool {
    let Some(bits) = secrets.serial_bits(*event, typed) else { return false };
    let code = secrets.ticket(*event, *order, ticket);
    bits == ticket.serial & 0x00ff_ffff && unbase32(typed, 12) == unbase32(&code, 12)
}

/// Letters that are read alike are one letter.
fn read(text: &str) -> String {
    let letters = text.chars().filter(|c| !matches!(c, ' ' | '-'));
    let letters = letters.map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    });
    letters.collect()
}

#[test]
fn a_code_that_is_altered_in_one_place_or_cut_lets_nobody_in() {
    let secrets = Secrets::new([3; 32]);
    check(40, &issued(), |issued| {
        let code = secrets.ticket(issued.0, issued.1, &issued.2);
        prop_assert!(lets_in(&secrets, &issued, &code));
        prop_assert!(lets_in(&secrets, &issued, &code.to_lowercase().replace('-', " ")));
        for at in (0..code.len()).filter(|at| code.as_bytes()[*at] != b'-') {
            for letter in LETTERS.iter().map(|l| char::from(*l)).chain(['U', 'u', '!', '\0', 'é'])
            {
                let altered = format!("{}{letter}{}", &code[..at], &code[at + 1..]);
                let same = altered == code;
                prop_assert!(same || !lets_in(&secrets, &issued, &altered), "{}", altered);
            }
        }
        for cut in 0..code.len() {
            prop_assert!(!lets_in(&secrets, &issued, &code[..cut]));
        }
        Ok(())
    });
}

#[test]
fn a_code_of_another_event_order_serial_or_shop_lets_nobody_in() {
    let (secrets, others) = (Secrets::new([3; 32]), Secrets::new([4; 32]));
    check(500, &(issued(), issued()), |(own, other)| {
        let code = secrets.ticket(own.0, own.1, &own.2);
        prop_assert!(!lets_in(&others, &own, &code), "another shop");
        let (event, order, ticket) = own;
        prop_assert!(
            own.0 == other.0 || !lets_in(&secrets, &(other.0, order, ticket.clone()), &code)
        );
        // By the old rule a code was not of its order.
        if ticket.code_rule == CodeRule::Order || ticket.revision > 0 {
            let of_another = (event, other.1, ticket.clone());
            prop_assert!(own.1 == other.1 || !lets_in(&secrets, &of_another, &code));
        }
        let next = Ticket { serial: ticket.serial.wrapping_add(1), ..ticket.clone() };
        prop_assert!(!lets_in(&secrets, &(event, order, next), &code));
        let passed_on = Ticket { revision: ticket.revision + 1, ..ticket };
        prop_assert!(!lets_in(&secrets, &(event, order, passed_on), &code), "an old revision");
        Ok(())
    });
}

#[test]
fn a_spoilt_code_is_none_or_the_same_as_people_read_it() {
    let secrets = Secrets::new([3; 32]);
    check(1_000, &(issued(), slips(1, 4)), |(issued, slips)| {
        let code = secrets.ticket(issued.0, issued.1, &issued.2);
        let spoilt = spoil(code.as_bytes(), &slips);
        let Ok(spoilt) = std::str::from_utf8(&spoilt) else { return Ok(()) };
        prop_assert_eq!(lets_in(&secrets, &issued, spoilt), read(spoilt) == read(&code));
        Ok(())
    });
    check(500, &"[0-9A-Za-z -]{0,40}", |text| {
        let bits = unbase32(&text, 12);
        prop_assert!(bits.is_none_or(|bits| base32(bits, 12) == read(&text)));
        Ok(())
    });
    check(300, &(any::<u128>(), 1..26usize), |(bits, length)| {
        let bits = bits & ((1u128 << (5 * length)) - 1);
        prop_assert_eq!(unbase32(&base32(bits, length), length), Some(bits));
        Ok(())
    });
}

#[test]
fn an_orders_secrets_open_that_order_alone_and_only_whole() {
    let (secrets, others) = (Secrets::new([3; 32]), Secrets::new([4; 32]));
    check(300, &(any::<u128>(), any::<u128>(), slips(1, 3)), |(id, other, slips)| {
        let (id, other) = (OrderId(id), OrderId(other));
        let (own, pay) = (secrets.order(id), secrets.pay(id));
        prop_assert!(secrets.opens(id, &own) && secrets.pays(id, &pay));
        prop_assert!(!secrets.opens(id, &pay) && !secrets.pays(id, &own));
        prop_assert!(!others.opens(id, &own) && !others.pays(id, &pay));
        prop_assert!(id == other || !secrets.opens(other, &own) && !secrets.pays(other, &pay));
        for (secret, opens) in [(&own, true), (&pay, false)] {
            let spoilt = spoil(secret.as_bytes(), &slips);
            let Ok(spoilt) = std::str::from_utf8(&spoilt) else { continue };
            let good = if opens { secrets.opens(id, spoilt) } else { secrets.pays(id, spoilt) };
            prop_assert_eq!(good, spoilt == secret, "{}", spoilt);
            for cut in 0..secret.len() {
                prop_assert!(
                    !secrets.opens(id, &secret[..cut]) && !secrets.pays(id, &secret[..cut])
                );
            }
        }
        Ok(())
    });
}

#[test]
fn a_digest_tells_its_parts_apart() {
    let parts = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..4);
    check(500, &(parts.clone(), parts), |(a, b)| {
        let of = |parts: &[Vec<u8>]| digest(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(of(&a) == of(&b), a == b);
        Ok(())
    });
}
