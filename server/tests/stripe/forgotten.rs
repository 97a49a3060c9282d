//! A database that was restored from an old copy: what it has forgotten is found, and settled.

use crate::shop::{Shop, shop};
use boxoffice::OrderState;
use nts_server::audit::Weight;
use nts_server::payments::fake::{InjectedFault, Operation};
use nts_server::store::sqlite::backup;

async fn restore(shop: &mut Shop, copy: &std::path::Path) {
    shop.stop().await;
    let database = shop.dir.join("nts.db");
    std::fs::copy(copy, &database).unwrap();
    for ending in ["nts.db-wal", "nts.db-shm"] {
        _ = std::fs::remove_file(shop.dir.join(ending));
    }
    shop.start_again().await;
}

#[tokio::test]
async fn what_a_restored_backup_has_forgotten_is_found_and_given_back() {
    let mut shop = shop("restored").await;
    let known = shop.hold("known", 1).await;
    shop.pay(&known, "ctoken_ok_1").await;
    let half = shop.hold("half", 1).await;
    let copy = shop.dir.join("copy.db");
    backup(&shop.dir.join("nts.db"), &copy).unwrap();

    // All this the copy does not know.
    shop.pay(&half, "ctoken_ok_2").await;
    let lost = shop.hold("lost", 2).await;
    shop.pay(&lost, "ctoken_ok_3").await;
    shop.fake.misbehave(|o| (o == Operation::Capture).then_some(InjectedFault::TooMany));
    let set_aside = shop.hold("aside", 3).await;
    let paying = shop.pay(&set_aside, "ctoken_ok_4");
    _ = tokio::time::timeout(std::time::Duration::from_millis(300), paying).await;
    shop.state(&set_aside, OrderState::Committed).await;
    restore(&mut shop, &copy).await;
    shop.fake.behave();

    let report = shop.report(false).await;
    let wrong: Vec<_> = report.findings.iter().filter(|f| f.weight == Weight::Wrong).collect();
    assert_eq!(wrong.len(), 3, "{report}");
    for held in [&half, &lost, &set_aside] {
        assert!(wrong.iter().any(|f| f.order == Some(held.order)), "{report}");
    }
    let text = report.to_string();
    assert!(text.contains("20.00 GBP was taken that the books have forgotten"), "{text}");
    assert!(text.contains("30.00 GBP is set aside that the books have forgotten"), "{text}");

    let settled = shop.report(true).await;
    assert!(settled.balanced(), "{settled}");
    let mended = settled.findings.iter().filter(|f| f.weight == Weight::Settled).count();
    assert_eq!(mended, 3, "{settled}");
    for held in [&half, &lost] {
        let (taken, back) = shop.moved(held);
        assert_eq!(taken, back);
    }
    assert_eq!(shop.moved(&set_aside), (0, 0));
    assert_eq!(shop.moved(&known), (1_000, 0), "what is known is not touched");
    // A second time there is nothing to do.
    let again = shop.report(true).await;
    assert!(again.balanced() && again.findings.is_empty(), "{again}");
    shop.close().await;
}

/// The copy was made between T1 and T2: the same key leads to the same payment, and the sale goes
/// on where it was.
#[tokio::test]
async fn a_copy_from_the_middle_of_a_payment_takes_it_up_again() {
    let mut shop = shop("middle").await;
    let held = shop.hold("ann", 1).await;
    let copy = shop.dir.join("copy.db");
    shop.fake.misbehave(|o| (o == Operation::Create).then_some(InjectedFault::LostBefore));
    let paying = shop.pay(&held, "ctoken_ok_1");
    _ = tokio::time::timeout(std::time::Duration::from_millis(50), paying).await;
    shop.state(&held, OrderState::Paying).await;
    backup(&shop.dir.join("nts.db"), &copy).unwrap();
    shop.fake.behave();
    shop.state(&held, OrderState::Paid).await;
    restore(&mut shop, &copy).await;
    shop.settled(&held).await;
    let report = shop.report(true).await;
    assert!(report.balanced(), "{report}");
    shop.close().await;
}

/// Another box office on the same account is none of our business.
#[tokio::test]
async fn payments_of_another_shop_are_left_alone() {
    let one = shop("one").await;
    let held = one.hold("ann", 1).await;
    one.pay(&held, "ctoken_ok").await;
    let intent = one.intent(&held).await;
    one.fake.set_metadata(&intent, "nts_shop", "ANOTHER").unwrap();
    let other = one.report(true).await;
    assert!(other.findings.iter().all(|f| f.weight != Weight::Settled), "{other}");
    assert_eq!(one.moved(&held), (1_000, 0));
    one.fake.set_metadata(&intent, "nts_shop", &one.app().secrets.shop()).unwrap();
    one.close().await;
}
