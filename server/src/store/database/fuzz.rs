//! Whatever stands in the address of a database, a password is never told.

use super::*;
use crate::fuzz::{Slip, check, slip, spoil};
use proptest::prelude::*;
use proptest::sample::select;

const SHAPES: [&str; 6] = [
    "postgres://nts:PASSWORD@db.example:5433/box",
    "postgres://nts:PASSWORD@db.example/box?sslmode=require",
    "postgresql://nts:PASSWORD@[::1]:5432,other:1/box?connect_timeout=3",
    "postgres://db.example/box?user=nts&password=PASSWORD",
    "postgres://nts:PASSWORD@%2Frun%2Fpg/box",
    "mysql://nts:PASSWORD@db.example/box",
];

#[test]
fn an_address_is_understood_or_refused_and_shows_no_password() {
    let slips = proptest::collection::vec(slip(), 0..3);
    let passwords = select(vec!["GEHEIM", "GEHEIM%40GEHEIM", "GEHEIM GEHEIM", "%47EHEIM"]);
    check(1_500, &(select(SHAPES.to_vec()), passwords, slips), |(shape, password, slips)| {
        let slips: Vec<Slip> = slips;
        let told = shape.replace("PASSWORD", password);
        let told = String::from_utf8_lossy(&spoil(told.as_bytes(), &slips)).into_owned();
        let shown = crate::config::DatabaseName::from(told.as_str()).to_string();
        let parsed = Database::parse(&told);
        match &parsed {
            Ok(Database::File(path)) => {
                prop_assert!(!told.contains("://"), "{} is a file?", told);
                prop_assert_eq!(path.to_str(), Some(told.as_str()));
                return Ok(());
            }
            Ok(database) => {
                prop_assert!(database.to_string().starts_with("postgres://"));
                if slips.is_empty() {
                    prop_assert!(!database.to_string().contains("GEHEIM"), "{}", database);
                }
            }
            Err(error) => {
                prop_assert!(!error.contains("GEHEIM"), "{}", error);
                prop_assert!(error.len() > 20 && !error.contains('\n'));
            }
        }
        prop_assert!(!told.contains("://") || !shown.contains("GEHEIM"), "{}", shown);
        Ok(())
    });
}

#[test]
fn any_text_is_a_file_an_address_or_refused_with_words() {
    check(800, &"(postgres(ql)?://)?\\PC{0,30}", |told: String| {
        if let Err(error) = Database::parse(&told) {
            prop_assert!(error.len() > 20);
        }
        Ok(())
    });
}

/// What was found: without one of its slashes an address was the name of a file, which was shown whole; and
/// what stood before the scheme was shown.
#[test]
fn an_address_with_a_slip_is_not_shown() {
    for told in ["postgres:/nts:GEHEIM@db/nts", "nts:GEHEIM://db/nts", "postgresql:nts:GEHEIM@db"] {
        let shown = crate::config::DatabaseName::from(told).to_string();
        assert!(!shown.contains("GEHEIM"), "{shown}");
        let error = Database::parse(told).map(|database| database.to_string()).expect_err(told);
        assert!(!error.contains("GEHEIM"), "{error}");
    }
    assert_eq!(crate::config::DatabaseName::from("a:b.db").to_string(), "a:b.db");
}
