//! The office of every process tells the sales of all.

use crate::harness::*;
use crate::shops::*;
use nts_testkit::Postgres;
use std::sync::atomic::AtomicU32;

fn words(html: &str) -> String {
    let parts = html.split('<').filter_map(|part| part.split_once('>'));
    let text: String = parts.map(|(_, text)| format!("{text} ")).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_process_shows_what_all_have_sold_to_the_penny() {
    let Some(postgres) = Postgres::shared() else { return };
    let shops = Shops::start(postgres, "watching", 3, &[]);
    shops.at(0).make_event(60, 3600);
    let (addresses, next, told) = (&shops.addresses(), &AtomicU32::new(0), &Told::default());
    std::thread::scope(|scope| {
        for worker in 0..6 {
            scope.spawn(move || {
                for _ in 0..12 {
                    buy(addresses, worker, next, told, Trouble::Never);
                }
            });
        }
    });
    told.check(&shops);
    let (_, sold, _) = shops.at(0).counts();
    assert!(sold > 20, "{sold}");
    let revenue = format!("£{}.00 taken, £0.00 refunded", money(sold * 25));
    for nth in 0..3 {
        eventually("it tells the sales of all", || {
            let page = Request::get("/office/events/rock").bearer(KEY);
            let told = words(&shops.at(nth).send(page).text());
            told.contains(&format!("Sold {sold} of 60")) && told.contains(&revenue)
        });
    }
    shops.balanced(&[]);
}

fn money(pounds: u64) -> String {
    match pounds {
        1_000.. => format!("{},{:03}", pounds / 1_000, pounds % 1_000),
        _ => pounds.to_string(),
    }
}
