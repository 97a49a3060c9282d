use super::*;

fn said() -> Said {
    Said {
        key: 1,
        event: EventId(0x0197_2d4b_8c00_7001),
        order: Said::order_part(OrderId(0x0197_2d4c_1234_7002_8123_4567_89ab_cdef)),
        number: 2,
        ticket_type: 3,
        revision: 1,
    }
}

/// The key of RFC 8032, section 7.1, TEST 1.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

#[test]
fn a_code_says_what_was_signed() {
    let key = SigningKey::new(&SEED);
    let code = key.sign(&said());
    println!("{code}");
    assert_eq!(code.len(), LETTERS);
    let read = Unverified::read(&code).unwrap();
    assert_eq!((read.key(), read.verify(&key.public())), (1, Some(said())));
    let lower = Unverified::read(&code.to_lowercase()).unwrap();
    assert_eq!(lower.verify(&key.public()), Some(said()));
    let most = Said { key: 255, number: 4095, ticket_type: 4095, revision: 255, ..said() };
    let read = Unverified::read(&key.sign(&most)).unwrap();
    assert_eq!(read.verify(&key.public()), Some(most));
}
