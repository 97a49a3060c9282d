//! Each limit refuses with its reason and says when to come again, and what is refused is counted.

use super::*;

const OTHER: &str = "198.51.100.1";
/// The e-mail address of all orders here.
const EMAIL: u128 = 50;

fn told_of(admission: &Admission, id: u128, attempts: &[AttemptState]) {
    let order = order(id, OrderState::Paying, attempts);
    admission.told([&order], NOW, true, |_| EMAIL);
}

fn pays(admission: &Admission, who: &str, id: u128) -> Result<(), Reason> {
    admission.pay(client(who), OrderId(id)).map(drop).map_err(|r| r.reason)
}

fn limited(admission: &Admission, reason: &'static str) -> u64 {
    admission.metrics.limited.get_or_create(&ByReason { reason }).get()
}

/// Attempts of somebody who is not limited, of which more than 40 % are declined.
fn open_the_breaker(admission: &Admission) {
    for id in 1_000..1_100 {
        drop(admission.pay(Client::Unlimited, OrderId(id)));
        told_of(admission, id, &[declined()]);
    }
    assert_eq!(admission.metrics.declines_high.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_says_when_to_come_again() {
    let admission = admission(&["--client-holds=10", "--client-lookups=60", "--client-payments=5"]);
    let who = client(SCRIPT);
    for _ in 0..10 {
        assert_eq!(admission.may_hold(who), Ok(()));
    }
    let refused = admission.may_hold(who).unwrap_err();
    assert_eq!((refused.reason, refused.most, refused.again_s), (Reason::Holds, 0, 6));
    tokio::time::advance(Duration::from_millis(5_500)).await;
    assert_eq!(
        admission.may_hold(who).unwrap_err().again_s,
        1,
        "half a second is one, told in seconds"
    );
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(admission.may_hold(who), Ok(()));
    for _ in 0..60 {
        assert_eq!(admission.may_look(who), Ok(()));
    }
    assert_eq!(admission.may_look(who).unwrap_err().reason, Reason::Lookups);
    for id in 1..=5 {
        assert_eq!(pays(&admission, SCRIPT, id), Ok(()));
    }
    assert_eq!(pays(&admission, SCRIPT, 6), Err(Reason::Payments));
    assert_eq!(["holds", "lookups", "payments"].map(|r| limited(&admission, r)), [2, 1, 1]);
    assert_eq!(limited(&admission, "declines"), 0);
}

#[test]
fn a_look_in_vain_costs_as_much_as_thirty() {
    let admission = admission(&["--client-lookups=61"]);
    let who = client(SCRIPT);
    for _ in 0..2 {
        assert_eq!(admission.may_look(who), Ok(()));
        admission.looked_in_vain(who);
    }
    assert_eq!(admission.may_look(who), Ok(()), "the last one");
    assert!(admission.may_look(who).is_err());
}

#[test]
fn declines_count_for_the_address_of_the_order_whoever_pays() {
    let admission = admission(&["--client-declines=0", "--email-declines=3"]);
    assert_eq!(pays(&admission, SCRIPT, 1), Ok(()));
    for attempts in 1..=2 {
        told_of(&admission, 1, &vec![declined(); attempts]);
        assert_eq!(pays(&admission, SCRIPT, 1), Ok(()), "{attempts}");
    }
    told_of(&admission, 1, &vec![declined(); 3]);
    assert_eq!(pays(&admission, SCRIPT, 1), Err(Reason::EmailDeclines));
    assert_eq!(pays(&admission, OTHER, 1), Err(Reason::EmailDeclines), "whoever pays it");
    // Another order under that address is not refused before it is declined itself: its owner may
    // have nothing to do with the first.
    assert_eq!(pays(&admission, OTHER, 2), Ok(()));
    told_of(&admission, 2, &[declined()]);
    assert_eq!(pays(&admission, OTHER, 2), Err(Reason::EmailDeclines));
    assert_eq!(limited(&admission, "email_declines"), 3);
}

/// While very many are declined, who was declined waits between attempts; nobody else does.
#[tokio::test(start_paused = true)]
async fn who_was_declined_is_paced_while_very_many_are() {
    for flags in [&[][..], &["--client-declines=0"][..], &["--email-declines=0"][..]] {
        let admission = admission(flags);
        assert_eq!(pays(&admission, SCRIPT, 1), Ok(()));
        told_of(&admission, 1, &[declined()]);
        for _ in 0..3 {
            assert_eq!(pays(&admission, SCRIPT, 1), Ok(()), "{flags:?}: nobody is paced yet");
        }
        open_the_breaker(&admission);
        assert_eq!(admission.metrics.alarms.get(), 1);
        assert_eq!(pays(&admission, SCRIPT, 1), Ok(()), "{flags:?}");
        let refused = admission.pay(client(SCRIPT), OrderId(1)).map(drop).unwrap_err();
        assert_eq!((refused.reason, refused.again_s), (Reason::Paced, 30), "{flags:?}");
        for id in 2..5 {
            assert_eq!(pays(&admission, OTHER, id), Ok(()), "{flags:?}: never declined");
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(pays(&admission, SCRIPT, 1), Ok(()), "{flags:?}");
        // The alarm ends by itself, also while nobody pays, and is not told again meanwhile.
        tokio::time::advance(Duration::from_secs(600)).await;
        admission.refresh();
        assert_eq!(admission.metrics.declines_high.get(), 0, "{flags:?}");
        assert_eq!((admission.metrics.alarms.get(), limited(&admission, "paced")), (1, 1));
        assert_eq!([pays(&admission, SCRIPT, 1), pays(&admission, SCRIPT, 1)], [Ok(()); 2]);
    }
}

#[test]
fn the_alarm_is_about_the_share_of_decided_attempts() {
    let admission = admission(LIMITS);
    let high = || admission.metrics.declines_high.get();
    let mut id = 0;
    let mut decide = |as_: AttemptState| {
        id += 1;
        drop(admission.pay(Client::Unlimited, OrderId(id)));
        told_of(&admission, id, &[as_]);
    };
    (0..60).for_each(|_| decide(AttemptState::Authorised));
    (0..90).for_each(|_| decide(AttemptState::Abandoned));
    (0..40).for_each(|_| decide(declined()));
    assert_eq!(high(), 0, "40 of 100 are not more than 40 %");
    decide(declined());
    assert_eq!(high(), 1);
}

#[test]
fn what_is_unpaid_is_counted_and_an_attempt_that_came_to_nothing_leaves_nothing() {
    let admission = admission(LIMITS);
    let unpaid = || admission.metrics.unpaid_orders.get();
    for id in 1..=3 {
        assert_eq!(takes(&admission, SCRIPT, id, 1), Ok(()));
        told(&admission, &order(id, OrderState::Held, &[]), NOW);
    }
    assert_eq!(unpaid(), 3);
    told(&admission, &order(1, OrderState::Released, &[]), NOW + 300_000);
    assert_eq!((unpaid(), admission.metrics.ran_out.get()), (2, 1));
    admission.forget(OrderId(2));
    admission.refresh();
    assert_eq!(unpaid(), 1);
    admission.forget(OrderId(3));
    for who in [Client::Unlimited, client(SCRIPT)] {
        let reserved = admission.pay(who, OrderId(9)).unwrap();
        assert!(!admission.unpaid().is_empty());
        reserved.forget();
        assert!(admission.unpaid().is_empty(), "{who:?}");
    }
}

#[test]
fn holds_are_not_shortened_where_that_is_switched_off() {
    let admission = admission(&["--least-hold-ms=0"]);
    for id in 1..=9 {
        let reserved = admission.reserve(client(SCRIPT), &wish(id, EMAIL, &[("a", 1)]), NOW);
        assert_eq!(reserved.unwrap().most_ms, None);
        told(&admission, &order(id, OrderState::Released, &[]), NOW + 300_000);
    }
}

/// Reserves so many places of pool `a` for an e-mail address.
fn takes_as(
    admission: &Admission,
    who: &str,
    id: u128,
    email: u128,
    n: i64,
) -> Result<u32, Refused> {
    let reserved = admission.reserve(client(who), &wish(id, email, &[("a", n)]), NOW);
    reserved.map(|_| n as u32)
}

#[test]
fn an_address_has_so_many_unpaid_places_of_one_client() {
    for (flag, most) in [("--email-places=20", 20), ("--email-places=3", 10)] {
        let admission = admission(&[flag]);
        for id in 1..=most / 10 {
            assert!(takes_as(&admission, SCRIPT, id.into(), EMAIL, 10).is_ok(), "{flag}");
        }
        let refused = takes_as(&admission, SCRIPT, 9, EMAIL, 1).unwrap_err();
        assert_eq!((refused.reason, refused.most), (Reason::EmailPlaces, most), "{flag}");
        assert_eq!(limited(&admission, "email_places"), 1);
        assert!(takes_as(&admission, OTHER, 10, EMAIL, 10).is_ok(), "of another client");
        assert!(takes_as(&admission, SCRIPT, 11, EMAIL + 1, 10).is_ok(), "another address");
        told(&admission, &order(1, OrderState::Paid, &[]), NOW);
        assert!(takes_as(&admission, SCRIPT, 12, EMAIL, 10).is_ok(), "{flag}: one is paid");
        assert!(takes_as(&admission, SCRIPT, 13, EMAIL, 1).is_err());
    }
    let unlimited = admission(&["--email-places=0"]);
    for id in 1..=5 {
        assert!(takes_as(&unlimited, SCRIPT, id, EMAIL, 10).is_ok());
    }
    assert_eq!(takes_as(&unlimited, SCRIPT, 6, EMAIL, 1).unwrap_err().reason, Reason::Places);
    let neither = admission(&["--email-places=0", "--client-places=0"]);
    for id in 1..=100 {
        assert!(takes_as(&neither, SCRIPT, id, EMAIL, 10).is_ok());
    }
    assert!(neither.unpaid().is_empty(), "what is not limited is not counted");
}

/// A small pool could not be sold if each client had its share of it only.
#[test]
fn a_client_may_have_ten_places_and_a_full_order_at_least() {
    for (limit_per_order, most) in [(3, 10), (12, 12)] {
        let admission = admission(&["--client-places=7", "--email-places=0"]);
        let mut event = event(1_000);
        event.spec.limit_per_order = limit_per_order;
        let takes = |id| {
            let lines = [LineWish { ticket_type: "a".into(), quantity: 1 }];
            let wish = Wish::of(&event, OrderId(id), &lines, id);
            admission.reserve(client(SCRIPT), &wish, NOW).is_ok()
        };
        assert_eq!((1..=50).filter(|id| takes(*id)).count(), most);
    }
}

#[test]
fn what_the_box_office_will_refuse_uses_up_nothing() {
    let admission = admission(LIMITS);
    let mut id = 100;
    for lines in [
        &[("a", 11)][..],
        &[("a", 6), ("cheap a", 6)],
        &[("a", 0)],
        &[("a", -1)],
        &[("a", i64::MAX)],
    ] {
        for _ in 0..60 {
            id += 1;
            let reserved = admission.reserve(client(SCRIPT), &wish(id, id, lines), NOW);
            assert!(reserved.is_ok(), "{lines:?}");
            assert!(admission.unpaid().is_empty(), "{lines:?}");
        }
    }
    // As much as may be ordered at once is counted.
    let both = wish(1, EMAIL, &[("a", 4), ("cheap a", 6)]);
    assert!(admission.reserve(client(SCRIPT), &both, NOW).is_ok());
    assert_eq!(admission.unpaid().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_order_that_counts_is_known_and_no_other() {
    for gone in 1..=3 {
        let admission = admission(LIMITS);
        for id in 1..=3 {
            assert_eq!(takes(&admission, SCRIPT, id, 10), Ok(()));
        }
        admission.forget(OrderId(gone));
        tokio::time::advance(Duration::from_secs(6)).await;
        let mut doubtful = admission.doubtful(client(SCRIPT), &wish(200, 200, &[("a", 1)]));
        doubtful.sort();
        let expected: Vec<OrderId> = (1..=3).filter(|id| *id != gone).map(OrderId).collect();
        assert_eq!(doubtful, expected);
        for id in 1..=3 {
            admission.forget(OrderId(id));
        }
        assert_eq!(admission.doubtful(client(SCRIPT), &wish(201, 200, &[("a", 1)])), []);
        for id in 11..=15 {
            assert_eq!(takes(&admission, SCRIPT, id, 10), Ok(()), "{gone}: all is free again");
        }
    }
}
