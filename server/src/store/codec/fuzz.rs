//! What is written comes back equal; what nobody has written is refused, or is what it would be written as.

use super::*;
use crate::fuzz::{Slip, check, slips, spoil};
use proptest::prelude::*;
use proptest::sample::select;

/// Numbers around the borders of their bytes, and any.
fn number() -> impl Strategy<Value = u64> {
    let border = (0..64u32).prop_map(|bit| 1u64 << bit);
    prop_oneof![0..300u64, border.clone(), border.prop_map(|n| n - 1), any::<u64>(), Just(u64::MAX)]
}

/// Lines as an order has them.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let price = prop_oneof![0..3_000i64, 0..=99_999_999i64];
    let counter = || proptest::option::weighted(0.3, any::<u16>());
    let vat = proptest::option::weighted(0.3, 0..=10_000u16);
    let extra = (counter(), counter(), counter(), prop_oneof![Just(0i64), 0..=99_999_999i64], vat);
    let extra = extra.prop_map(|(type_counter, phase, code, discount_minor, vat)| Extra {
        type_counter,
        phase,
        code,
        discount_minor,
        vat,
    });
    let extra = prop_oneof![3 => Just(Extra::default()), 1 => extra];
    let line = (any::<u16>(), any::<u16>(), 1..1_001u32, price, any::<[u16; 2]>(), extra);
    let line = line.prop_map(|(ticket_type, pool, quantity, unit_minor, [a, b], extra)| {
        let refunded = u32::from(a) % (quantity + 1);
        let restocked = u32::from(b) % (refunded + 1);
        Line { ticket_type, pool, quantity, unit_minor, refunded, restocked, extra }
    });
    proptest::collection::vec(line, 0..21)
}

fn reply() -> impl Strategy<Value = Reply> {
    let order = || any::<u128>().prop_map(OrderId);
    prop_oneof![
        (number(), any::<bool>())
            .prop_map(|(id, created)| Reply::Event { id: EventId(id), created }),
        number().prop_map(|id| Reply::EventDeleted { id: EventId(id) }),
        (order(), number())
            .prop_map(|(order, until)| Reply::Held { order, until_ms: until as i64 }),
        order().prop_map(|order| Reply::Found { order }),
        (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(event, erased, left)| {
            Reply::Erased { event: EventId(event), erased, left }
        }),
        (order(), any::<u16>()).prop_map(|(order, attempt)| Reply::Paying { order, attempt }),
        (order(), select(OrderState::ALL.to_vec()))
            .prop_map(|(order, state)| Reply::Order { order, state }),
        (order(), any::<u128>(), number()).prop_map(|(order, refund, amount)| {
            Reply::Refunding { order, refund: RefundId(refund), amount_minor: amount as i64 }
        }),
    ]
}

/// A blob that was spoilt or made up is refused, or is what its value is written as, or was written as
/// before there were versions: without the first `marked` bytes.
fn refused_or_canonical<T>(
    blob: &[u8],
    marked: usize,
    decode: impl Fn(&[u8]) -> Result<T, Unreadable>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Result<(), TestCaseError> {
    if let Ok(value) = decode(blob) {
        let again = encode(&value);
        let written = again == blob || &again[marked..] == blob;
        prop_assert!(written, "{:?} is read as if {:?} had been written", blob, again);
    }
    Ok(())
}

/// The bytes that a list begins with, and those of a reply.
const LIST: usize = 2;
const REPLY: usize = 1;

fn check_lines(blob: &[u8]) -> Result<(), TestCaseError> {
    refused_or_canonical(blob, LIST, decode_lines, |lines| encode_lines(lines))?;
    let lines = decode_lines(blob);
    prop_assert!(lines.is_err() || places(blob).is_ok(), "the start reads what a page reads");
    let Ok(lines) = lines else { return Ok(()) };
    // What the core counts with: none of it may overflow or be less than nothing.
    let mut sums = (0u32, 0u32, 0i64);
    for line in &lines {
        prop_assert!(line.restocked <= line.refunded && line.refunded <= line.quantity);
        let price = line.unit_minor.checked_mul(i64::from(line.quantity));
        prop_assert!(price.is_some_and(|price| price >= 0));
        sums.0 = sums.0.checked_add(line.quantity).expect("quantities are a number");
        sums.1 += line.refunded;
        sums.2 = sums.2.checked_add(price.unwrap_or(0)).expect("a total is a number");
    }
    prop_assert_eq!(places(blob), Ok((sums.0, sums.1)));
    Ok(())
}

#[test]
fn lines_come_back_equal_and_spoilt_ones_are_no_others() {
    check(600, &(lines(), slips(0, 3)), |(lines, slips)| {
        let blob = encode_lines(&lines);
        prop_assert_eq!(decode_lines(&blob), Ok(lines.clone()));
        if !lines.iter().any(has_extra) {
            let of_old = &blob[LIST..];
            prop_assert_eq!(decode_lines(of_old), Ok(lines), "as it was written without a version");
        }
        check_lines(&blob)?;
        check_lines(&spoil(&blob, &slips))
    });
    check(400, &proptest::collection::vec(any::<u8>(), 0..40), |blob| check_lines(&blob));
}

#[test]
fn quantities_come_back_equal_and_spoilt_ones_are_no_others() {
    let quantities = proptest::collection::vec(number().prop_map(|n| n as u32), 0..12);
    check(500, &(quantities, slips(0, 3)), |(quantities, slips)| {
        let blob = encode_quantities(&quantities);
        prop_assert_eq!(decode_quantities(&blob), Ok(quantities.clone()));
        let of_old = &blob[LIST..];
        prop_assert_eq!(
            decode_quantities(of_old),
            Ok(quantities),
            "as it was written without a version"
        );
        let spoilt = spoil(&blob, &slips);
        refused_or_canonical(&spoilt, LIST, decode_quantities, |q| encode_quantities(q))
    });
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let text = || "[a-cü“👧\\n]{0,6}";
    let ticket = proptest::option::of(1..=u16::MAX);
    let answer = (text(), text(), ticket, text());
    let answer =
        answer.prop_map(|(question, text, ticket, value)| Answer { question, text, ticket, value });
    proptest::collection::vec(answer, 0..9)
}

#[test]
fn metadata_comes_back_equal_and_what_is_none_is_refused() {
    let entry = ("[a-cA-C0-9_.-]{1,6}", "[a-cü“👧\\\\\"{}]{1,6}");
    let entries = proptest::collection::btree_map(entry.0, entry.1, 0..=boxoffice::MOST_METADATA);
    check(500, &(entries, slips(0, 3)), |(entries, slips)| {
        let metadata = Metadata::new(entries).expect("within the limits");
        let json = encode_metadata(&metadata);
        prop_assert_eq!(json.is_none(), metadata.is_empty());
        prop_assert_eq!(decode_metadata(json.as_deref()), Ok(metadata));
        let spoilt = spoil(json.unwrap_or_default().as_bytes(), &slips);
        if let Ok(spoilt) = std::str::from_utf8(&spoilt)
            && let Ok(metadata) = decode_metadata(Some(spoilt))
        {
            let again = encode_metadata(&metadata);
            prop_assert_eq!(decode_metadata(again.as_deref()), Ok(metadata));
        }
        Ok(())
    });
    for other in ["", "{}", "null", "[]", r#"{"a":1}"#, r#"{"a":""}"#, r#"{"a b":"c"}"#] {
        assert_eq!(decode_metadata(Some(other)), Err(Unreadable::Damaged), "{other}");
    }
}

#[test]
fn answers_come_back_equal_and_spoilt_ones_are_no_others() {
    check(500, &(answers(), slips(0, 3)), |(answers, slips)| {
        let blob = encode_answers(&answers);
        prop_assert_eq!(blob.is_none(), answers.is_empty());
        prop_assert_eq!(decode_answers(blob.as_deref()), Ok(answers));
        let spoilt = spoil(&blob.unwrap_or_default(), &slips);
        // What says otherwise that a question is the same is read as well, and nothing panics.
        if let Ok(answers) = decode_answers(Some(&spoilt)) {
            let again = encode_answers(&answers);
            prop_assert_eq!(decode_answers(again.as_deref()), Ok(answers));
        }
        Ok(())
    });
    check(400, &proptest::collection::vec(any::<u8>(), 0..40), |blob| {
        _ = decode_answers(Some(&blob));
        Ok(())
    });
    for tender in Tender::ALL {
        assert_eq!(tender_from(tender_number(tender)), Some(tender));
    }
    assert_eq!([tender_from(-1), tender_from(4)], [None; 2]);
}

#[test]
fn replies_come_back_equal_and_spoilt_ones_are_no_others() {
    check(800, &(reply(), slips(0, 3)), |(reply, slips)| {
        let blob = encode_reply(&reply);
        prop_assert_eq!(decode_reply(&blob), Ok(reply));
        let of_old = &blob[REPLY..];
        prop_assert_eq!(decode_reply(of_old), Ok(reply), "as it was written without a version");
        // Of a number nothing tells that its end is missing; of an id it is told.
        refused_or_canonical(&spoil(&blob, &slips), REPLY, decode_reply, encode_reply)
    });
}

#[test]
fn a_reply_that_is_cut_anywhere_is_refused() {
    check(100, &reply(), |reply| {
        let blob = encode_reply(&reply);
        for cut in 0..blob.len() {
            prop_assert_eq!(
                decode_reply(&blob[..cut]),
                Err(Unreadable::Damaged),
                "after {} bytes",
                cut
            );
        }
        let more = spoil(&blob, &[Slip::Insert(u16::MAX, vec![0])]);
        prop_assert_eq!(decode_reply(&more), Err(Unreadable::Damaged), "one byte more");
        Ok(())
    });
}

#[test]
fn single_values_come_back_equal_and_no_other_number_is_one() {
    check(300, &(any::<u128>(), number()), |(id, n)| {
        let (high, low) = split(OrderId(id));
        prop_assert_eq!(join(high, low), OrderId(id));
        let n = n as i64;
        prop_assert!(state_from(n).is_none_or(|state| state_number(state) == n));
        prop_assert!(decode_code_rule(n).is_none_or(|rule| code_rule(rule) == n));
        Ok(())
    });
    for state in OrderState::ALL {
        assert_eq!(state_from(state_number(state)), Some(state));
    }
    for rule in [CodeRule::Serial, CodeRule::Order] {
        assert_eq!(decode_code_rule(code_rule(rule)), Some(rule));
    }
}

/// What was found: each of these was read as if it had been written.
#[test]
fn what_no_version_wrote_is_refused() {
    // A number that is longer than it needs to be, and one of more than 64 bits.
    let damaged = Unreadable::Damaged;
    assert_eq!(decode_quantities(&[1, 0x81, 0x00]), Err(damaged));
    assert_eq!(decode_quantities(&[0x80, 0x80, 0x00]), Err(damaged));
    let mut long = [0xff; 10];
    long[9] = 0x7f;
    assert_eq!(take(&mut &long[..]), None);
    long[9] = 1;
    assert_eq!(take(&mut &long[..]), Some(u64::MAX));
    // Neither yes nor no.
    assert_eq!(decode_reply(&[b'e', 1, 2]), Err(damaged));
    assert_eq!(decode_reply(&[b'e', 1, 0]), Ok(Reply::Event { id: EventId(1), created: false }));
    // Lines that no order has: more refunded than ordered, more restocked than refunded, a negative price,
    // quantities whose sum is no number.
    let line = Line {
        ticket_type: 0,
        pool: 0,
        quantity: 2,
        unit_minor: 5,
        refunded: 2,
        restocked: 2,
        extra: Extra::default(),
    };
    let read = |line: Line| decode_lines(&encode_lines(&[line]));
    assert!(read(line).is_ok());
    for wrong in [
        Line { refunded: 3, ..line },
        Line { refunded: 1, ..line },
        Line { unit_minor: -1, ..line },
        Line { unit_minor: i64::MAX, ..line },
    ] {
        assert_eq!(read(wrong), Err(damaged), "{wrong:?}");
    }
    let many = Line { quantity: u32::MAX, ..line };
    assert_eq!(decode_lines(&encode_lines(&[many, many])), Err(damaged));
    assert_eq!(places(&encode_lines(&[many, many])), Err(damaged));
    // A counter that no index is, a discount below nothing, and the layout for what these lines do not have.
    let code = Line { extra: Extra { code: Some(u16::MAX), ..Extra::default() }, ..line };
    assert_eq!(read(code), Ok(vec![code]));
    let blob = encode_lines(&[code]);
    assert_eq!(
        decode_lines(&[&blob[..blob.len() - 4], &[0x81, 0x80, 0x04, 0]].concat()),
        Err(damaged)
    );
    let less = Extra { discount_minor: -1, ..Extra::default() };
    assert_eq!(read(Line { extra: less, ..line }), Err(damaged));
    let mut plain = encode_lines(&[line]);
    plain[0] = 0x80 | WITH_EXTRA;
    plain.extend([0; 4]);
    assert_eq!(decode_lines(&plain), Err(damaged));
}

/// What tells a list with a version from one without: no number that a list can begin with is written as
/// a version is.
#[test]
fn no_list_without_a_version_begins_like_one_with_a_version() {
    let begins_like_one = |list: &[u8]| take_version(&mut &*list, WITH_EXTRA) != Ok(0);
    assert!(!begins_like_one(&[]), "no lines, no quantities");
    let every_type = (0..=u16::MAX).map(u64::from);
    let borders = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, (1 << bit) | 0x7f]);
    for number in every_type.chain(borders).chain([u64::MAX]) {
        let mut list = Vec::new();
        put(&mut list, number);
        // What comes behind it begins with any byte, 0 among them.
        for next in [0, 1, 0x7f, 0x80, 0x81, 0xff] {
            let list = [&list[..], &[next, 0, 0]].concat();
            assert!(!begins_like_one(&list), "{number}: {list:?}");
        }
    }
    for kind in b"ehfpor" {
        assert!(*kind >= b' ', "a reply without a version begins with a letter");
    }
}

#[test]
fn a_version_that_is_not_known_is_an_error_that_says_so() {
    let line = Line {
        ticket_type: 0,
        pool: 0,
        quantity: 2,
        unit_minor: 5,
        refunded: 0,
        restocked: 0,
        extra: Extra::default(),
    };
    let (lines, quantities) = (encode_lines(&[line; 7]), encode_quantities(&[1, 2]));
    let reply = encode_reply(&Reply::Found { order: OrderId(7) });
    for version in WITH_EXTRA + 1..128 {
        let with = |blob: &[u8], first: u8| [&[first], &blob[1..]].concat();
        let newer = Unreadable::Newer(version);
        let list = with(&lines, 0x80 | version);
        assert_eq!(decode_lines(&list), Err(newer));
        assert_eq!(places(&list), Err(newer));
        assert_eq!(decode_quantities(&with(&quantities, 0x80 | version)), Err(newer));
        // Above are the letters, with which replies without a version begin.
        if version < b' ' {
            assert_eq!(decode_reply(&with(&reply, version)), Err(newer));
        }
    }
    assert_eq!(Unreadable::Newer(7).to_string(), "written by a newer nts, in layout 7");
}
