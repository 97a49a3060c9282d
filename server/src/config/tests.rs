use super::*;

#[test]
fn addresses_are_understood_as_before_but_stay_on_this_machine() {
    let address = |text| parse_address(text).map(|a| a.to_string());
    assert_eq!(address(":9000"), Ok("127.0.0.1:9000".into()));
    assert_eq!(address("localhost:80"), Ok("127.0.0.1:80".into()));
    assert_eq!(address("0.0.0.0:9000"), Ok("0.0.0.0:9000".into()));
    assert_eq!(address("[::1]:9000"), Ok("[::1]:9000".into()));
    assert!(address("9000").is_err());
    assert!(address(":99999").is_err());
}

#[test]
fn stripes_settings_are_checked_against_each_other() {
    let stripe = |flags: &[&str]| {
        Config::from_flags(flags.iter().copied()).unwrap().stripe().map(|s| s.map(|s| s.live))
    };
    let keys = |secret, publishable| {
        ["--stripe-secret-key", secret, "--stripe-publishable-key", publishable]
    };
    assert_eq!(stripe(&[]), Ok(None));
    assert_eq!(stripe(&keys("sk_test_a1", "pk_test_b2")), Ok(Some(false)));
    assert_eq!(stripe(&keys("rk_live_a1", "pk_live_b2")), Ok(Some(true)));
    for (flags, told) in [
        (&keys("sk_test_a1", "pk_live_b2")[..], "one of Stripe's keys is live"),
        (&keys("sk_live_a1", "pk_test_b2"), "one of Stripe's keys is live"),
        (&keys("pk_test_a1", "pk_test_b2"), "NTS_STRIPE_SECRET_KEY is no secret key"),
        (&keys("sk_test_a1", "sk_test_b2"), "NTS_STRIPE_PUBLISHABLE_KEY is no publishable"),
        (&keys("sk_test_", "pk_test_b2"), "NTS_STRIPE_SECRET_KEY is no secret key"),
        (&keys("sk_test_a1", ""), "only one of Stripe's two keys"),
        (&keys("", "pk_test_a1"), "only one of Stripe's two keys"),
    ] {
        let error = stripe(flags).unwrap_err();
        assert!(error.starts_with(told), "{error}");
        assert!(!error.contains("a1") && !error.contains("b2"), "a key is quoted: {error}");
    }
    let mut flags = keys("sk_live_a1", "pk_live_b2").to_vec();
    flags.extend(["--stripe-api-base", "http://127.0.0.1:1"]);
    assert!(stripe(&flags).unwrap_err().contains("A live key is sent to Stripe"));
    let mut flags = keys("sk_test_a1", "pk_test_b2").to_vec();
    flags.extend(["--stripe-webhook-secret", "secret"]);
    assert!(stripe(&flags).unwrap_err().contains("expected whsec_"));
    let checked =
        |url: &str, live| Config::from_flags(["--public-url", url]).unwrap().check_public_url(live);
    for url in ["", "http://tickets.example.org", "http://localhost:9000"] {
        assert!(checked(url, true).unwrap_err().contains("NTS_PUBLIC_URL"), "{url}");
        assert_eq!(checked(url, false), Ok(()));
    }
    assert_eq!(checked("https://tickets.example.org/", true), Ok(()));
}

#[test]
fn the_demo_show_is_made_unless_money_could_move() {
    let made = |flags: &[&str], live| {
        Config::from_flags(flags.iter().copied()).map(|config| config.makes_demo_show(live)).ok()
    };
    assert_eq!((made(&[], false), made(&[], true)), (Some(true), Some(false)));
    assert_eq!(made(&["--demo="], true), Some(false));
    assert_eq!(made(&["--demo=1"], true), Some(true));
    assert_eq!((made(&["--demo=0"], false), made(&["--demo=0"], true)), (Some(false), Some(false)));
    assert_eq!(made(&["--demo=yes"], false), None);
}

#[test]
fn an_address_is_shown_without_its_password_and_can_be_used_otherwise() {
    for (told, shown) in [
        ("nts.db", "nts.db"),
        ("postgres://nts@db/nts", "postgres://nts@db/nts"),
        ("postgres://nts:geheim@db:5433/nts", "postgres://nts:PASSWORD@db:5433/nts"),
        (
            "postgres://nts:ge%40heim@a,b/nts?sslmode=verify-full&password=geheim",
            "postgres://nts:PASSWORD@a,b/nts?sslmode=verify-full&password=PASSWORD",
        ),
        ("postgres://db/nts?user=nts&password=x", "postgres://db/nts?user=nts&password=PASSWORD"),
    ] {
        let (text, hidden) = DatabaseName::from(told).without_password();
        assert_eq!((&*text, hidden), (shown, shown.contains("PASSWORD")));
    }
}

#[test]
fn every_setting_is_described_and_no_secret_is() {
    let database = "postgres://nts:quite-secret@too@db/nts?password=quite-secret";
    let flags = [
        "--organiser-key=quite-secret-indeed",
        "--stripe-secret-key=sk_test_quite-secret",
        "--stripe-publishable-key=pk_test_quite-secret",
        "--stripe-webhook-secret=whsec_quite-secret",
        "--database",
        database,
    ];
    let config = Config::from_flags(flags).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("postgres://nts") && !shown.contains("quite-secret"), "{shown}");
    let text = config.describe(|_, _| "flag".into());
    let settings = Alone::command().get_arguments().filter(|a| a.get_env().is_some()).count();
    assert_eq!(config.values().len(), settings);
    assert_eq!(text.matches("\nNTS_").count(), settings);
    assert!(!text.contains("quite-secret"));
}

#[test]
fn a_weak_key_of_the_organiser_is_refused_and_not_quoted() {
    for key in ["short", "fifteen-letters", "a key with spaces in it", "schlüsselschlüssel"] {
        let config = Config::from_flags(["--organiser-key", key]).unwrap();
        let error = config.check_organiser_key().unwrap_err();
        assert!(error.contains("at least 16") && !error.contains(key), "{error}");
    }
    for key in ["", "sixteen-letters!"] {
        let config = Config::from_flags(["--organiser-key", key]).unwrap();
        assert_eq!(config.check_organiser_key(), Ok(()));
    }
}

#[test]
fn the_readme_has_the_table_of_all_settings() {
    let readme = include_str!("../../../README.md");
    let table = Config::markdown();
    assert!(
        readme.contains(&table),
        "put the output of `nts config --markdown` into README.md:\n{table}"
    );
    let flags = Alone::command().get_arguments().filter_map(|a| a.get_long()).count();
    assert_eq!(table.lines().count(), flags + 2, "a flag without a variable");
}
