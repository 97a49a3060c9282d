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
    admission.metrics.limited.get_or_create(&Label { name: reason }).get()
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
