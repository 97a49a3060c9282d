use super::*;
use boxoffice::{CodeRule, EventId, OrderId, OrderState, TicketState};
use nts_testkit::fixtures;

const BASE: &str = "https://tickets.example.org";

fn codes(stored: &[TicketKey]) -> Codes {
    Codes::new(BASE.into(), Secrets::new([5; 32]), stored)
}

fn key(id: u32, since_ms: TimeMs) -> TicketKey {
    TicketKey { id, seed: Some(vec![id as u8; 32]), since_ms, revoked_ms: None }
}

fn order() -> Order {
    let ticket = |serial| Ticket {
        serial,
        line: 0,
        state: TicketState::Valid,
        code_rule: CodeRule::Order,
        revision: 0,
        guest: None,
    };
    Order {
        id: OrderId(0x0197_2d4c_1234_7002_8123_4567_89ab_cdef),
        event: EventId(77),
        lines: vec![fixtures::line(2, 500)],
        tickets: vec![ticket(4), ticket(5)],
        ..fixtures::order(OrderState::Paid)
    }
}

#[test]
fn a_code_says_which_ticket_it_is_of() {
    let (codes, order) = (codes(&[]), order());
    let second = codes.of(&order, &order.tickets[1]);
    assert!(second.url.starts_with("HTTPS://TICKETS.EXAMPLE.ORG/T/"), "{}", second.url);
    let said = codes.read(&second.url).unwrap();
    assert_eq!((said.event, said.number, said.revision), (order.event, 2, 0));
    assert_eq!(said.order, Said::order_part(order.id));
    assert_eq!(codes.read(&second.path()), Some(said), "the page has it, too");
    assert_eq!(codes.of(&order, &order.tickets[1]), second, "the same each time");
    assert_ne!(codes.of(&order, &order.tickets[0]), second);
    assert_eq!(codes.read(&second.short), None);
}

#[test]
fn a_ticket_that_is_passed_on_has_other_codes() {
    let (codes, order) = (codes(&[]), order());
    for code_rule in [CodeRule::Serial, CodeRule::Order] {
        let mut ticket = Ticket { code_rule, ..order.tickets[0].clone() };
        let mut seen = std::collections::BTreeSet::new();
        for revision in 0..=boxoffice::MOST_REVISIONS {
            ticket.revision = revision;
            let TicketCode { url, short } = codes.of(&order, &ticket);
            assert_eq!(codes.read(&url).map(|said| u16::from(said.revision)), Some(revision));
            assert!(seen.insert(url) && seen.insert(short));
        }
    }
}

#[test]
fn another_database_has_another_key() {
    let order = order();
    let other = Codes::new(BASE.into(), Secrets::new([6; 32]), &[]);
    let code = other.of(&order, &order.tickets[0]);
    assert_eq!(codes(&[]).read(&code.url), None);
}

#[test]
fn the_newest_key_signs_and_the_others_stay_good_until_they_are_revoked() {
    let (codes, order) = (codes(&[]), order());
    let signed_by = |url: &str| codes.read(url).map(|said| said.key);
    let now = || codes.of(&order, &order.tickets[0]).url;
    let first = now();
    assert_eq!(signed_by(&first), Some(FIRST_KEY));
    codes.learn(&[key(9, 1_000)], Instant::now());
    let second = now();
    assert_eq!((signed_by(&second), signed_by(&first)), (Some(9), Some(FIRST_KEY)));
    // A smaller id may be the newer key.
    codes.learn(&[key(3, 2_000), key(9, 1_000)], Instant::now());
    assert_eq!((signed_by(&now()), signed_by(&second)), (Some(3), Some(9)));
    let ids: Vec<u8> = codes.keys().iter().map(|key| key.id).collect();
    assert_eq!(ids, [FIRST_KEY, 9, 3]);
    let gone = TicketKey { revoked_ms: Some(3_000), ..key(3, 2_000) };
    let third = now();
    codes.learn(&[gone, key(9, 1_000)], Instant::now());
    assert_eq!((signed_by(&third), signed_by(&now())), (None, Some(9)));
    // The first key is stored once it is revoked, without its seed.
    let first_gone =
        TicketKey { id: FIRST_KEY.into(), seed: None, since_ms: 0, revoked_ms: Some(4_000) };
    codes.learn(&[first_gone, key(9, 1_000)], Instant::now());
    assert_eq!((signed_by(&first), signed_by(&now())), (None, Some(9)));
}

#[test]
fn an_odd_row_signs_nothing() {
    let short = TicketKey { seed: Some(vec![1; 31]), ..key(4, 9) };
    let codes = codes(&[short, key(256, 10), key(u32::MAX, 11)]);
    assert_eq!(codes.keys().len(), 1);
}

#[test]
fn what_was_asked_before_does_not_bring_a_revoked_key_back() {
    let codes = codes(&[key(9, 1_000)]);
    let before = Instant::now();
    let gone = TicketKey { revoked_ms: Some(3_000), ..key(9, 1_000) };
    let url = codes.of(&order(), &order().tickets[0]).url;
    codes.learn(&[gone], Instant::now());
    codes.learn(&[key(9, 1_000)], before);
    assert_eq!(codes.read(&url), None);
}
