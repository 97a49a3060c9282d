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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example of the document, which is also verified by another library.
fn document() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("docs/ticket-code.md")).unwrap()
}

#[test]
fn the_example_of_the_document_is_true() {
    let (key, document) = (SigningKey::new(&SEED), document());
    let code = key.sign(&said());
    for part in [&hex(&SEED), &hex(&key.public()), &hex(&said().bytes()), &code] {
        assert!(document.contains(part.as_str()), "docs/ticket-code.md has not {part}");
    }
    assert_eq!(std::str::from_utf8(PREFIX).unwrap(), "nts ticket code 1\n");
    assert!(document.contains(r"nts ticket code 1\n"));
}

/// With Python's `cryptography`, as the document says how.
#[test]
fn another_library_verifies_the_example() {
    let document = document();
    let script = document.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let run = |python: &str, script: &str| {
        std::process::Command::new(python).args(["-c", script]).output().ok()
    };
    // A Python that was installed beside the system's lacks the system's packages.
    let has =
        |python: &&str| run(python, "import cryptography").is_some_and(|run| run.status.success());
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has) else {
        let why = "python3 with the package cryptography is not here";
        assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "{why}");
        println!("left out: {why}; ./check installs it");
        return;
    };
    let public = hex(&SigningKey::new(&SEED).public());
    let code = SigningKey::new(&SEED).sign(&said());
    let ask = |code: &str| {
        let script = format!("{script}\nprint(verify({code:?}, {{1: {public:?}}}))");
        let run = run(python, &script).unwrap();
        String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap()
    };
    let told = ask(&format!("HTTPS://TICKETS.EXAMPLE.ORG/T/{code}"));
    assert!(told.contains("'number': 2") && told.contains("'revision': 1"), "{told}");
    let forged = code.replacen('B', "C", 1);
    assert_ne!(forged, code);
    assert!(ask(&forged).contains("InvalidSignature"), "{}", ask(&forged));
}

#[test]
fn a_code_says_what_was_signed() {
    let key = SigningKey::new(&SEED);
    let code = key.sign(&said());
    assert_eq!(code.len(), LETTERS);
    let read = Unverified::read(&code).unwrap();
    assert_eq!((read.key(), read.verify(&key.public())), (1, Some(said())));
    let lower = Unverified::read(&code.to_lowercase()).unwrap();
    assert_eq!(lower.verify(&key.public()), Some(said()));
    let most = Said { key: 255, number: 4095, ticket_type: 4095, revision: 255, ..said() };
    let read = Unverified::read(&key.sign(&most)).unwrap();
    assert_eq!(read.verify(&key.public()), Some(most));
}

#[test]
fn a_code_with_any_byte_changed_or_cut_is_forged() {
    let key = SigningKey::new(&SEED);
    let code = key.sign(&said());
    let bytes = unbase32(&code).unwrap();
    for at in 0..BYTES {
        for flip in [1, 0x80, 0xff] {
            let mut forged = bytes.clone();
            forged[at] ^= flip;
            let read = Unverified::read(&base32(&forged));
            assert_eq!(read.is_some(), at > 0, "another version is none of ours");
            assert!(read.is_none_or(|read| read.verify(&key.public()).is_none()), "byte {at}");
        }
    }
    for cut in 0..LETTERS {
        assert!(Unverified::read(&code[..cut]).is_none());
    }
    assert!(Unverified::read(&format!("{code}A")).is_none());
    assert!(Unverified::read(&format!("{}=", &code[..LETTERS - 1])).is_none());
    // A signature of the same bytes without the prefix is one for something else.
    let without = key.pair.sign(&said().bytes());
    let other = base32(&[&said().bytes()[..], without.as_ref()].concat());
    assert!(Unverified::read(&other).unwrap().verify(&key.public()).is_none());
}

#[test]
fn the_order_of_another_history_is_another_order() {
    // The same millisecond and counter: the random half differs.
    let one = OrderId(0x0197_2d4c_1234_7002_8123_4567_89ab_cdef);
    let other = OrderId(one.0 ^ (1 << 40));
    assert_ne!(Said::order_part(one), Said::order_part(other));
}

#[test]
fn an_address_is_in_upper_case_where_that_means_the_same() {
    for (base, address_of) in [
        ("https://tickets.example.org", "HTTPS://TICKETS.EXAMPLE.ORG/T/CODE"),
        ("http://localhost:3000", "HTTP://LOCALHOST:3000/T/CODE"),
        ("https://example.org/", "HTTPS://EXAMPLE.ORG/T/CODE"),
        ("https://example.org/box/Office", "HTTPS://EXAMPLE.ORG/box/Office/T/CODE"),
        ("http://[::1]:3000", "HTTP://[::1]:3000/T/CODE"),
    ] {
        let told = address(base, "CODE");
        assert_eq!(told, address_of);
        assert_eq!(in_address(&told), "CODE");
        assert_eq!(in_address(&format!(" {told}?lang=de#x\n")), "CODE");
    }
    assert_eq!(in_address("CODE"), "CODE");
    assert_eq!(in_address(""), "");
    assert_eq!(in_address("/"), "");
}

/// The version of a QR code says how many modules it has on a side: 17 + 4 * version.
#[test]
fn a_qr_code_has_45_modules_on_a_side_with_a_host_of_23_letters() {
    let version = |base: &str| {
        let address = address(base, &SigningKey::new(&SEED).sign(&said()));
        (crate::qr::Code::of(&address).unwrap().width() - 17) / 4
    };
    assert_eq!(version("https://tickets.example.org"), 7);
    assert_eq!(version("https://box-office.example1.org"), 7, "23 letters");
    assert_eq!(version("https://box-office.example12.org"), 8, "24 letters");
    assert_eq!(version("https://example.org/box/Office"), 9, "lower case takes bytes");
}
