//! Each rule of the books, on orders that break it.

use super::*;
use boxoffice::{AttemptState, CodeRule, Dispute, Line, RefundId, Ticket};
use nts_testkit::fixtures;

use OrderState::{Canceling, Committed, Held, Paid, Paying, Refunded, Refunding, Released, Void};

/// How the reason of a refund begins that failed after it had succeeded.
const LATER: &str = "the bank sent the money back after the refund had succeeded (re_1)";
const NOBODY: &str = "it owes something, but nobody will look after it";

fn refund(amount_minor: i64, state: RefundState, by_hand: bool) -> Refund {
    let id = RefundId(1);
    let (quantities, restock, of_amount) = (vec![0, 0], false, false);
    Refund { id, amount_minor, quantities, restock, state, by_hand, of_amount }
}

fn done() -> RefundState {
    RefundState::Succeeded("re_1".into())
}

fn failed(why: &str) -> RefundState {
    RefundState::Failed(why.into())
}

/// All places of [`whole`] for all of its money.
fn all_of_it(state: RefundState) -> Refund {
    Refund { quantities: vec![2, 1], ..refund(1_100, state, false) }
}

/// An order for two places at 500 and one at 100, in which all is well.
fn whole(state: OrderState) -> Order {
    let is_refunded = matches!(state, Refunding | Refunded);
    let line = |ticket_type, quantity, unit_minor| Line {
        ticket_type,
        pool: 0,
        quantity,
        unit_minor,
        refunded: if is_refunded { quantity } else { 0 },
        restocked: 0,
        extra: boxoffice::Extra::default(),
    };
    let sold = matches!(state, Paid | Refunding | Refunded);
    let ticket_state = if state == Paid { TicketState::Valid } else { TicketState::Revoked };
    let ticket = |(serial, line)| Ticket {
        serial,
        line,
        state: ticket_state,
        code_rule: CodeRule::Order,
        revision: 0,
        guest: None,
    };
    let payment = fixtures::payment(&[AttemptState::Authorised]);
    let refunds = match state {
        Refunding => vec![all_of_it(RefundState::Pending)],
        Refunded => vec![all_of_it(done())],
        _ => vec![],
    };
    Order {
        lines: vec![line(0, 2, 500), line(1, 1, 100)],
        due_ms: matches!(state, Held | Paying | Canceling | Committed | Refunding).then_some(0),
        payment: (state != Held).then_some(payment),
        refunds,
        tickets: if sold { [(1, 0), (2, 0), (3, 1)].map(ticket).into() } else { vec![] },
        ..fixtures::order(state)
    }
}

/// Gives each refund an id of its own.
fn number(order: &mut Order) {
    for (id, refund) in (1..).zip(&mut order.refunds) {
        refund.id = RefundId(id);
    }
}

/// What is told of an order in this state after a change: what is wrong, and notes.
fn told(state: OrderState, change: impl FnOnce(&mut Order)) -> (Vec<String>, Vec<String>) {
    let mut order = whole(state);
    change(&mut order);
    number(&mut order);
    let words = check(&order, LONG_MS);
    (words.wrong, words.notes)
}

fn wrong(texts: &[&str]) -> (Vec<String>, Vec<String>) {
    (texts.iter().map(|t| (*t).into()).collect(), vec![])
}

fn note(text: &str) -> (Vec<String>, Vec<String>) {
    (vec![], vec![text.into()])
}

#[test]
fn what_the_organiser_sold_has_nothing_to_do_with_a_provider() {
    let told = |state, tender, change: fn(&mut Order)| {
        told(state, |o| {
            (o.tender, o.payment) = (tender, None);
            if tender == Tender::Free {
                o.lines.iter_mut().for_each(|line| line.unit_minor = 0);
                o.refunds.iter_mut().for_each(|refund| refund.amount_minor = 0);
            }
            change(o);
        })
    };
    for tender in [Tender::Free, Tender::Cash, Tender::Terminal] {
        for state in [Paid, Refunded] {
            assert_eq!(told(state, tender, |_| ()), wrong(&[]), "{state:?} {tender:?}");
        }
    }
    let says = |text: &str, (wrong, _): (Vec<String>, Vec<String>)| {
        assert!(wrong.iter().any(|told| told.contains(text)), "{text}: {wrong:?}");
    };
    let cash = Tender::Cash;
    says("but it is held", told(Held, cash, |_| ()));
    says("but it has a payment", told(Paid, cash, |o| o.payment = whole(Paid).payment));
    says("something is owed", told(Paid, cash, |o| o.due_ms = Some(0)));
    says("costs 500", told(Paid, Tender::Free, |o| o.lines[0].unit_minor = 250));
    says("not handed back", told(Refunding, cash, |o| o.due_ms = None));
    says("not handed back", told(Refunded, cash, |o| o.refunds[0].by_hand = true));
    says("paid without a PaymentIntent", told(Paid, Tender::Online, |_| ()));
}

#[test]
fn nothing_is_said_where_all_is_well() {
    for state in [Held, Paying, Canceling, Committed, Paid, Refunding, Refunded, Released, Void] {
        assert_eq!(told(state, |_| ()), wrong(&[]), "{state:?}");
    }
    let free = |o: &mut Order| {
        o.lines.iter_mut().for_each(|l| l.unit_minor = 0);
        o.payment = None;
    };
    assert_eq!(told(Paid, free), wrong(&[]), "who pays nothing needs no payment");
}

#[test]
fn tickets_are_as_many_as_are_paid_and_of_its_lines() {
    assert_eq!(
        told(Paid, |o| _ = o.tickets.pop()),
        wrong(&[
            "2 tickets were issued for 3 places that are paid",
            "2 tickets are valid of 3 places, 0 of them refunded",
            "1100 was kept, but its valid tickets are worth 1000 (minor units)",
        ])
    );
    assert_eq!(
        told(Refunded, |o| _ = o.tickets.pop()),
        wrong(&["2 tickets were issued for 3 places that are paid"])
    );
    let revoked = Ticket { state: TicketState::Revoked, ..whole(Refunded).tickets[0].clone() };
    for state in [Held, Paying, Canceling, Committed, Released, Void] {
        let text = format!("1 tickets were issued although it is {}", state.word());
        assert_eq!(told(state, |o| o.tickets.push(revoked.clone())), wrong(&[&text]));
    }
    let valid = whole(Paid).tickets[0].clone();
    assert_eq!(
        told(Void, |o| o.tickets.push(valid.clone())).0[1],
        "its valid tickets are worth 500, but only 0 was kept (minor units)"
    );
    assert_eq!(
        told(Paid, |o| o.tickets[0].line = 2),
        wrong(&[
            "ticket 1 is of no line",
            "1100 was kept, but its valid tickets are worth 600 (minor units)",
        ])
    );
}

#[test]
fn what_is_kept_is_what_the_valid_tickets_are_worth() {
    let gives = |amount, state, by_hand| {
        move |o: &mut Order| o.refunds.push(refund(amount, state, by_hand))
    };
    let too_much = "100 more went back than was taken (minor units)";
    assert_eq!(told(Paid, gives(1_200, done(), false)), wrong(&[too_much]));
    assert_eq!(told(Paid, gives(1_200, RefundState::Pending, false)), wrong(&[too_much, NOBODY]));
    assert_eq!(told(Refunded, gives(100, done(), true)), wrong(&[too_much]));
    let few = "its valid tickets are worth 1100, but only 600 was kept (minor units)";
    assert_eq!(told(Paid, gives(500, done(), false)), wrong(&[few]));
    let by_hand = "500 was sent back by hand without revoking a ticket (minor units)";
    assert_eq!(told(Paid, gives(500, done(), true)), note(by_hand));
    // By hand, but the bank did not take it: then the 500 that went back were ours.
    let both = |o: &mut Order| {
        o.refunds = vec![refund(500, failed("re_2"), true), refund(500, done(), false)];
    };
    assert_eq!(told(Paid, both), wrong(&[few]));
    let revoke =
        |o: &mut Order| (o.tickets[0].state, o.lines[0].refunded) = (TicketState::Revoked, 1);
    let (none, many) = (
        "1 places are refunded, by refunds of 0",
        "1100 was kept, but its valid tickets are worth 600 (minor units)",
    );
    assert_eq!(told(Paid, revoke), wrong(&[none, many]));
    for (amount, why, by_hand, is_known) in [
        (500, LATER, false, true),
        (501, LATER, false, true),
        (499, LATER, false, false),
        (500, "conflict", false, false),
        (500, "re_1", true, true),
    ] {
        let change = |o: &mut Order| {
            revoke(o);
            let quantities = vec![1, 0];
            o.refunds.push(Refund { quantities, ..refund(amount, failed(why), by_hand) });
        };
        let expected = match why {
            _ if is_known => note(&could_not(500)),
            // Its tickets stay revoked, but it was for less than they are worth.
            LATER => wrong(&[many]),
            // A refund that never was revokes nothing.
            _ => wrong(&[none, many]),
        };
        assert_eq!(told(Paid, change), expected, "{amount} {why}");
    }
}

#[test]
fn what_came_for_places_that_are_gone_goes_back_whole() {
    let (by_hand, ours, again) =
        (refund(200, done(), true), refund(300, failed("no"), false), refund(300, done(), false));
    let pending = refund(300, RefundState::Pending, false);
    for state in [Released, Void] {
        let of = |refunds: &[&Refund]| {
            told(state, |o| o.refunds = refunds.iter().map(|r| (*r).clone()).collect())
        };
        assert_eq!(of(&[&by_hand]), wrong(&[]), "what came is not known");
        let text = "300 could not be given back, for the refund failed (minor units): refund it \
                    again, or pay it back in another way";
        assert_eq!(of(&[&ours]), note(text));
        assert_eq!(of(&[&refund(1, failed("no"), false)]), note(&could_not(1)));
        assert_eq!(of(&[&refund(1, RefundState::Pending, false)]), wrong(&[NOBODY]));
        assert_eq!(of(&[&by_hand, &ours]), note(&could_not(300)));
        assert_eq!(of(&[&ours, &by_hand]), note(&could_not(100)));
        assert_eq!(of(&[&by_hand, &ours, &again]), wrong(&[]));
        // Whether ours was for what the one by hand had not given back, only the provider knows.
        let mut came_back = by_hand.clone();
        came_back.state = failed("re_1");
        assert_eq!(of(&[&came_back, &ours]), note(text));
        assert_eq!(of(&[&came_back, &again]), wrong(&[]));
        let mut order = whole(state);
        order.refunds = vec![came_back, ours.clone()];
        assert_eq!(not_given_back(&order), 300..=500);
        assert_eq!(of(&[&ours, &by_hand, &again]), wrong(&[]), "more than came is no debt");
        assert_eq!(of(&[&by_hand, &ours, &pending]), wrong(&[NOBODY]));
        let owed = |o: &mut Order| {
            (o.refunds, o.due_ms) = (vec![by_hand.clone(), pending.clone()], Some(0));
        };
        assert_eq!(told(state, owed), wrong(&[]));
        let mut order = whole(state);
        owed(&mut order);
        let expected = Money { taken: 500, given_back: 200, going_back: 300 };
        assert_eq!((money(&order), not_given_back(&order)), (expected, 0..=0));
    }
    let expected = Money { taken: 1_100, given_back: 0, going_back: 1_100 };
    assert_eq!(money(&whole(Refunding)), expected);
    assert_eq!(money(&whole(Committed)), Money::default());
}

#[test]
fn a_state_has_its_payment_and_somebody_who_looks_after_it() {
    let payment = whole(Paid).payment;
    assert_eq!(told(Held, |o| o.payment = payment), wrong(&["held, but it has a payment"]));
    for state in [Paying, Canceling] {
        let text = "being paid without a payment";
        assert_eq!(told(state, |o| o.payment = None), wrong(&[text]));
        let new = |o: &mut Order| o.payment.as_mut().unwrap().intent = None;
        assert_eq!(told(state, new), wrong(&[]), "its PaymentIntent may still be owed");
    }
    for (state, text) in [
        (Committed, "committed without a PaymentIntent"),
        (Paid, "paid without a PaymentIntent"),
        (Refunding, "paid without a PaymentIntent"),
        (Refunded, "paid without a PaymentIntent"),
    ] {
        assert_eq!(told(state, |o| o.payment = None), wrong(&[text]));
        let new = |o: &mut Order| o.payment.as_mut().unwrap().intent = None;
        assert_eq!(told(state, new), wrong(&[text]));
    }
    for state in [Held, Paying, Canceling, Committed, Refunding] {
        assert_eq!(told(state, |o| o.due_ms = None), wrong(&[NOBODY]), "{state:?}");
    }
    // An hour late is still usual.
    for state in [Paying, Canceling, Committed, Refunding, Released] {
        let text = format!("{} and due for 60 minutes: is nts running?", state.word());
        assert_eq!(told(state, |o| o.due_ms = Some(-1)), note(&text));
        assert_eq!(told(state, |o| o.due_ms = Some(0)), wrong(&[]));
    }
    let late = |o: &mut Order| o.due_ms = Some(LONG_MS - 120 * 60_000);
    assert_eq!(told(Paying, late), note("paying and due for 120 minutes: is nts running?"));
    let penny = |o: &mut Order| {
        (o.lines[0].unit_minor, o.lines[1].unit_minor) = (0, 1);
        o.payment = None;
    };
    assert_eq!(told(Paid, penny), wrong(&["paid without a PaymentIntent"]));
    assert_eq!(told(Held, |o| o.due_ms = Some(-1)), wrong(&[]), "one that nobody came to");
}

#[test]
fn disputes_and_troubles_are_told() {
    let disputed = |o: &mut Order| {
        let (id, status) = ("du_1".into(), "needs_response".into());
        o.payment.as_mut().unwrap().dispute = Some(Dispute { id, amount_minor: 700, status });
    };
    assert_eq!(told(Paid, disputed), note("disputed: 700 (minor units), needs_response"));
    let trouble =
        |tries| move |o: &mut Order| (o.tries, o.trouble) = (tries, Some("no answer".into()));
    let often = "paying: tried 12 times, for 4 minutes at least: no answer";
    assert_eq!(told(Paying, trouble(12)), note(often));
    let once = "paying: tried 1 times, for 0 minutes at least: no answer";
    assert_eq!(told(Paying, trouble(1)), note(once));
    assert_eq!(told(Paying, trouble(0)), note("paying: no answer"));
    assert_eq!(told(Paid, trouble(1)), note("paid: no answer"));
}

/// An order for three places at 10, one of them refunded and on sale again.
fn partly() -> Order {
    let mut order = whole(Paid);
    order.lines.truncate(1);
    let line = Line { quantity: 3, unit_minor: 10, refunded: 1, restocked: 1, ..order.lines[0] };
    order.lines[0] = line;
    order.tickets.iter_mut().for_each(|ticket| ticket.line = 0);
    order.tickets[2].state = TicketState::Revoked;
    let quantities = vec![1];
    order.refunds = vec![Refund { quantities, restock: true, ..refund(10, done(), false) }];
    order
}

#[test]
fn whatever_is_spoilt_of_an_order_is_wrong() {
    assert_eq!(check(&partly(), 0), Words::default());
    type Spoil = (&'static str, fn(&mut Order));
    let spoils: &[Spoil] = &[
        ("3 tickets were issued although it is released", |o| o.state = Released),
        ("only 1 of its 3 places are", |o| o.state = Refunded),
        (NOBODY, |o| o.state = Held),
        ("valid tickets are worth 22", |o| o.lines[0].unit_minor = 11),
        ("3 tickets were issued for 4 places", |o| o.lines[0].quantity = 4),
        ("by refunds of 1", |o| o.lines[0].refunded = 2),
        ("of 3 places 4 are refunded", |o| o.lines[0].refunded = 4),
        ("2 on sale again", |o| o.lines[0].restocked = 2),
        ("2 tickets were issued", |o| o.tickets.truncate(2)),
        ("the same ticket twice", |o| o.tickets[1].serial = 1),
        ("is of no line", |o| o.tickets[0].line = 9),
        ("is of no line", |o| o.tickets[2].line = 9),
        ("3 tickets are valid", |o| o.tickets[2].state = TicketState::Valid),
        ("1 tickets are valid", |o| o.tickets[0].state = TicketState::Revoked),
        ("paid without a PaymentIntent", |o| o.payment = None),
        ("an attempt to pay is missing", |o| o.payment.as_mut().unwrap().attempts.clear()),
        ("an attempt to pay is missing", |o| o.payment.as_mut().unwrap().attempts[0].number = 2),
        ("tickets are worth 20", |o| o.refunds[0].amount_minor = 11),
        ("by refunds of 0", |o| o.refunds.clear()),
        ("by refunds of 2", |o| o.refunds[0].quantities[0] = 2),
        ("all of its places are refunded", |o| {
            o.tickets.iter_mut().for_each(|t| t.state = TicketState::Revoked);
            (o.lines[0].refunded, o.lines[0].restocked) = (3, 3);
            (o.refunds[0].quantities[0], o.refunds[0].amount_minor) = (3, 30);
        }),
        ("its first code still counts", |o| o.tickets[1].guest = Some("Bob".into())),
        ("its buyer was erased", |o| {
            o.buyer = boxoffice::Buyer::erased(o.id);
            (o.tickets[1].guest, o.tickets[1].revision) = (Some("Bob".into()), 1);
        }),
        ("the same refund twice", |o| o.refunds.push(o.refunds[0].clone())),
        ("by refunds of 0", |o| o.refunds[0].state = failed("no")),
    ];
    for (text, spoil) in spoils {
        let mut order = partly();
        spoil(&mut order);
        let wrong = check(&order, 0).wrong;
        assert!(wrong.iter().any(|w| w.contains(text)), "{text}: {wrong:?}");
    }
    // Where nothing costs anything, only the tickets themselves tell.
    let mut free = Order { payment: None, refunds: vec![], state: Refunded, ..partly() };
    free.lines[0] = Line { unit_minor: 0, refunded: 3, restocked: 3, ..free.lines[0] };
    let wrong = check(&free, 0).wrong;
    assert!(wrong.iter().any(|w| w.contains("2 tickets are valid of 3")), "{wrong:?}");
}

#[test]
fn a_sum_that_went_back_beside_the_tickets_is_no_gap_and_no_news() {
    let of_sum = |amount, state: RefundState| {
        move |o: &mut Order| {
            o.refunds.push(Refund { of_amount: true, ..refund(amount, state.clone(), false) });
        }
    };
    assert_eq!(told(Paid, of_sum(500, done())), wrong(&[]));
    // What a bank sent back is owed again; what was refused at once never was.
    assert_eq!(told(Paid, of_sum(500, failed(LATER))), note(&could_not(500)));
    assert_eq!(told(Paid, of_sum(500, failed("no"))), wrong(&[]));
    // What repeats it is of no tickets, and of no sum of its own.
    let repeated = |amount| {
        move |o: &mut Order| {
            of_sum(500, failed(LATER))(o);
            o.refunds.push(refund(amount, done(), false));
            number(o);
        }
    };
    assert_eq!(told(Paid, repeated(500)), wrong(&[]));
    assert_eq!(told(Paid, repeated(200)), note(&could_not(300)));
    let more = told(Paid, repeated(501));
    assert!(more.0.iter().any(|text| text.contains("are worth 1100, but only 599")), "{more:?}");
    // Nothing is kept, and tickets are valid.
    let all = told(Paid, of_sum(1_100, done()));
    assert!(all.0.iter().any(|text| text.contains("nothing of its money is kept")), "{all:?}");
    let more = told(Paid, of_sum(1_101, done()));
    assert!(more.0.iter().any(|text| text.contains("more went back than was taken")), "{more:?}");
}
