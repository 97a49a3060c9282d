//! What makes two buyers the same, whatever they type; and which names and addresses an order takes.

use super::{buyer as buyer_in, *};
use crate::fuzz::{check, slips, spoil};
use boxoffice::{Command, Event, EventSpec, LineWish, OrderId, Pool, State, TicketType, decide};
use boxoffice::{EventId, Refusal};
use proptest::prelude::*;
use proptest::sample::select;

/// An event of which one ticket can be held.
fn on_sale() -> State {
    let (pool, id) = ("all".to_owned(), "t".to_owned());
    let spec = EventSpec {
        limit_per_buyer: Some(10),
        ignore_email_tags: true,
        ..nts_testkit::fixtures::event_spec("show", 9)
    };
    let pools = vec![Pool { name: pool, capacity: 9, held: 0, sold: 0 }];
    let name = "T".to_owned();
    let ticket_types = vec![TicketType { id, name, pool: 0, price_minor: 100, retired: false }];
    let event = Event {
        id: EventId(1),
        spec,
        pools,
        ticket_types,
        counters: vec![],
        serials: 0,
        sale: boxoffice::Sale::Open,
    };
    let mut state = State::default();
    state.events.insert(event.id, event);
    state
}

/// A buyer who is written to in English.
fn buyer(name: &str, email: &str) -> Buyer {
    buyer_in(name, email, Language::EN)
}

/// Asks for a ticket under this name and address, as every way in does it.
fn hold(state: &State, name: &str, email: &str) -> Result<(), String> {
    let buyer = buyer(name, email);
    let untagged = untagged_key(&buyer.email);
    let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
    let (order, event) = (OrderId(1), EventId(1));
    let command = Command::Hold {
        order,
        event,
        buyer,
        untagged,
        lines,
        terms: boxoffice::Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    };
    match decide(state, &command, 0) {
        Ok(_) => Ok(()),
        Err(Refusal::Invalid(why)) => Err(why),
        Err(other) => panic!("refused for another reason: {other:?}"),
    }
}

/// Addresses that people have, and what looks like one.
fn email() -> impl Strategy<Value = String> {
    let good = vec![
        "ann@example.org",
        "Ann.B+x@Example.ORG",
        "jürgen@müller.example",
        "JU\u{308}RGEN@MU\u{308}LLER.example",
        "анна@пример.рф",
        "a@straße.example",
        "ΑΝΝΑΣ@ΑΘΗΝΑΣ.GR",
        "İstanbul@İ.example",
        "a@xn--mller-kva.example",
        "राम@उदाहरण.भारत",
    ];
    let good = (select(good), prop_oneof![2 => slips(0, 0), 3 => slips(1, 2)])
        .prop_map(|(text, slips)| String::from_utf8_lossy(&spoil(text.as_bytes(), &slips)).into());
    prop_oneof![
        4 => good,
        2 => "[\\p{L}\\p{M}.+]{1,6}@[\\p{L}\\p{M}\\p{N}-]{1,6}\\.[a-zà-ž]{1,3}",
        1 => "\\PC{0,8}@\\PC{0,8}",
        1 => "\\PC{0,12}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    let odd = select(vec![
        '\u{200e}',
        '\u{200f}',
        '\u{61c}',
        '\u{200d}',
        '\u{fe0f}',
        '\u{202e}',
        '\n',
        ' ',
        '\u{a0}',
        '\u{301}',
        '\u{1F469}',
        'İ',
        'Σ',
        'é',
        'A',
        '\u{3000}',
    ]);
    let odd = proptest::collection::vec(odd, 0..6).prop_map(|c| c.into_iter().collect::<String>());
    prop_oneof!["\\PC{0,10}", ".{0,10}", odd, "[A-Za-z ]{0,220}"]
}

#[test]
fn who_is_told_back_is_the_same_buyer() {
    check(2_000, &(name(), email()), |(name, email)| {
        let once = buyer(&name, &email);
        prop_assert_eq!(&buyer(&once.name, &once.email), &once);
        prop_assert_eq!(buyer_key(&name, &email), once.key);
        prop_assert_eq!(buyer_key(&format!(" {name}\t"), &format!("\u{a0}{email} ")), once.key);
        if !once.email.is_empty() {
            prop_assert_eq!(buyer("Somebody else", &email).key, once.key);
        }
        Ok(())
    });
}

#[test]
fn an_accepted_address_is_normal_after_the_first_time() {
    let state = on_sale();
    let accepted = std::cell::Cell::new(0);
    check(3_000, &email(), |email| {
        match hold(&state, "Ann", &email) {
            Err(why) => {
                prop_assert!(why.starts_with("the e-mail address "), "{}", why);
                return Ok(());
            }
            Ok(()) => accepted.set(accepted.get() + 1),
        }
        let kept = buyer("Ann", &email).email;
        prop_assert_eq!(hold(&state, "Ann", &kept), Ok(()), "what is kept can be sent again");
        if kept.is_empty() {
            return Ok(());
        }
        prop_assert!(kept.matches('@').count() == 1 && !kept.contains(char::is_whitespace));
        let normal = address(&kept).into_owned();
        prop_assert_eq!(address(&normal), normal.as_str(), "of {:?}", kept);
        let key = buyer_key("Ann", &kept);
        prop_assert_eq!(buyer_key("Else", &normal), key, "{:?} is {:?}", kept, normal);
        // Another case, and composed or not, is the same.
        let composed = (kept.nfc().collect::<String>(), kept.nfd().collect::<String>());
        prop_assert_eq!(buyer_key("", &composed.0), key);
        prop_assert_eq!(buyer_key("", &composed.1), key);
        if kept.is_ascii() {
            prop_assert_eq!(buyer_key("", &kept.to_uppercase()), key);
        }
        // Without its tag it has no tag, or is no address.
        if let Some((local, host)) = kept.split_once('@')
            && let Some((local, _)) = local.split_once('+').filter(|(l, _)| !l.is_empty())
        {
            let untagged = format!("{local}@{host}");
            prop_assert_eq!(untagged_key(&kept), Some(buyer_key("", &untagged)));
            prop_assert_eq!(untagged_key(&untagged), None);
        }
        // Anything that stands behind it or is put into it makes somebody else, or nobody.
        for other in [format!("x{kept}"), format!("{kept}x"), format!("{kept},b@c.org")] {
            prop_assert!(buyer_key("", &other) != key, "{}", other);
        }
        Ok(())
    });
    assert!(accepted.get() > 500, "{} were accepted", accepted.get());
}

#[test]
fn an_accepted_name_can_be_seen_and_is_kept_as_it_is() {
    let state = on_sale();
    check(2_000, &name(), |name| {
        let kept = buyer(&name, "").name;
        if let Err(why) = hold(&state, &name, "") {
            prop_assert!(why.starts_with("the name "), "{}", why);
            return Ok(());
        }
        prop_assert_eq!(hold(&state, &kept, ""), Ok(()));
        prop_assert!((1..=200).contains(&kept.chars().count()) && kept.trim() == kept);
        let hides = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        prop_assert!(!kept.contains(hides));
        prop_assert!(kept.chars().any(|c| !c.is_whitespace()));
        Ok(())
    });
}

#[test]
fn different_labels_have_different_codes() {
    let label = || "[a-zß-žα-ω一-三]{0,6}";
    check(1_500, &(label(), label()), |(a, b): (String, String)| {
        prop_assert_eq!(punycode(&a) == punycode(&b), a == b, "{} {}", a, b);
        prop_assert!(punycode(&a).is_ascii());
        Ok(())
    });
}
