//! Answers to questions, and what the organiser sells or gives away.

use super::Database;
use super::desk::{Desk, buyer, spec};
use boxoffice::*;

/// Two questions: one for the order and one for each ticket. None must be answered.
pub(super) fn questions() -> Vec<QuestionSpec> {
    let question = |id: &str, kind, per_ticket| QuestionSpec {
        id: id.into(),
        text: format!("“{id}”? 👩\u{200d}👧"),
        kind,
        required: false,
        per_ticket,
        ticket_types: if per_ticket { vec!["seat".into(), "friend".into()] } else { vec![] },
    };
    let choices = vec!["none".into(), "O'Brien's \"vegan\"; --".into()];
    vec![
        question("note", QuestionKind::Lines, false),
        question("diet", QuestionKind::Choice(choices), true),
        question("member", QuestionKind::YesNo, false),
        question("club", QuestionKind::Line, true),
    ]
}

pub(super) fn answer(order: OrderId, answers: &[(&str, u16, &str)]) -> Command {
    let wish = |(question, ticket, value): &(&str, u16, &str)| AnswerWish {
        question: (*question).into(),
        ticket: Some(*ticket).filter(|ticket| *ticket > 0),
        value: (*value).into(),
    };
    Command::Answer { order, answers: answers.iter().map(wish).collect(), staff: true }
}

/// Sells two seats, or gives them away.
pub(super) fn sell<D: Database>(
    desk: &Desk<D>,
    name: &str,
    tender: Tender,
    reference: &str,
) -> (OrderId, Command) {
    let order = desk.ids.order(desk.now());
    let lines = vec![LineWish { ticket_type: "seat".into(), quantity: 2 }];
    let (event, buyer, reference) = (desk.event, buyer(name), reference.into());
    let (untagged, shown_minor) = (None, None);
    let metadata = metadata(&[("till", "№ 2"), ("shift", "late \"x\" \\ 🎟")]);
    let sell = Command::Sell {
        order,
        event,
        buyer,
        untagged,
        lines,
        tender,
        reference,
        metadata,
        shown_minor,
    };
    (order, sell)
}

pub(super) fn metadata(entries: &[(&str, &str)]) -> Metadata {
    let entries = entries.iter().map(|(key, value)| ((*key).into(), (*value).into()));
    Metadata::new(entries).expect("it is within the limits")
}

/// A hold that comes with this metadata.
fn hold_with<D: Database>(
    desk: &Desk<D>,
    name: &str,
    entries: &[(&str, &str)],
) -> (OrderId, Command) {
    let mut hold = desk.hold_command(name, "seat", 1);
    let Command::Hold { order, metadata: kept, .. } = &mut hold else { unreachable!() };
    *kept = metadata(entries);
    (*order, hold)
}

pub(super) fn metadata_is_kept<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 50));
    let put = |order, entries: &[(&str, &str)]| {
        let metadata = metadata(entries);
        Command::PutMetadata { order, metadata }
    };
    // As much as there can be, beside orders without any in one batch.
    let long = "👩🎟".repeat(boxoffice::MOST_METADATA_VALUE / 2);
    let keys: Vec<String> = (0..boxoffice::MOST_METADATA)
        .map(|n| format!("{n}{}", "k".repeat(boxoffice::MOST_METADATA_KEY - 1)))
        .collect();
    let most: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), long.as_str())).collect();
    let (full, with_all) = hold_with(desk, "ann", &most);
    let (few, with_few) = hold_with(desk, "bob", &[("b", "O'Brien \"; --"), ("a", "{}\\")]);
    let bare = desk.hold_command("cid", "seat", 1);
    desk.run(&[with_all, bare, with_few]);
    assert_eq!(desk.model.orders[&full].metadata.iter().count(), boxoffice::MOST_METADATA);
    desk.assert_equal();
    desk.reopen();
    desk.assert_equal();
    // Twice in one batch: the last word counts. And of an order that is placed in the same batch.
    let (new, with_one) = hold_with(desk, "dan", &[("a", "1")]);
    desk.run(&[put(few, &[("a", "1")]), with_one, put(new, &most), put(few, &[("c", "3")])]);
    desk.assert_equal();
    assert_eq!(desk.model.orders[&few].metadata, metadata(&[("c", "3")]));
    // None any more, and none of a sale; it is a change like others.
    let (sold, sell) = sell(desk, "eve", Tender::Cash, "");
    desk.run(&[sell]);
    desk.later(1_000);
    let before = desk.now();
    desk.run(&[put(full, &[]), put(sold, &[])]);
    desk.assert_equal();
    let mut changed = |order| {
        let changed = desk.database.reader().changed_ms(order).expect("a read");
        changed.expect("there is such an order")
    };
    assert_eq!([changed(full), changed(sold)], [before; 2]);
    assert!(changed(new) < before);
    let paid = desk.paid("fay", 2);
    desk.run(&[put(paid, &[("a", "1")]), put(sold, &[("a", "2")])]);
    desk.reopen();
    desk.assert_equal();
    // In one batch with the erasure.
    let event = desk.event;
    let erase = Command::Erase { event, orders: vec![paid], because: Erasure::Asked };
    desk.run(&[put(paid, &[("a", "secret")]), erase]);
    desk.assert_equal();
    assert!(desk.model.orders[&paid].metadata.is_empty());
    assert!(!desk.model.orders[&sold].metadata.is_empty());
    desk.reopen();
    desk.assert_equal();
    // Nothing is written for who was erased, nor for an order that does not exist.
    for order in [paid, desk.ids.order(desk.now())] {
        let change = Change::MetadataPut { order, event, metadata: metadata(&[("a", "secret")]) };
        desk.assert_not_done(&[change], &format!("{order:?}"));
        desk.assert_equal();
    }
    assert_eq!(desk.database.reader().verify().expect("verify"), Vec::<String>::new());
}

pub(super) fn answers_are_kept<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(EventSpec { questions: questions(), ..spec("flute", 50) });
    desk.assert_equal();
    let (held, paid) = (desk.hold("ann", "seat", 2), desk.paid("bob", 3));
    let first = [("note", 0, "Two\nlines."), ("diet", 1, "none"), ("diet", 3, "none")];
    desk.run(&[answer(paid, &first), answer(held, &[("member", 0, "yes")])]);
    desk.assert_equal();
    // Twice in one batch: the last word counts. And of an order that is placed in the same batch.
    let hold = desk.hold_command("cid", "seat", 1);
    let Command::Hold { order: new, .. } = hold else { unreachable!() };
    let last = [("note", 0, "Else"), ("diet", 2, "O'Brien's \"vegan\"; --"), ("club", 2, "Ü")];
    desk.run(&[answer(paid, &first), hold, answer(new, &[("club", 1, "x")]), answer(paid, &last)]);
    desk.assert_equal();
    assert_eq!(desk.model.orders[&paid].answers.len(), 3);
    // Questions change; the answers stay as they were given.
    desk.put_event(EventSpec { questions: vec![], ..spec("flute", 50) });
    desk.assert_equal();
    desk.reopen();
    desk.assert_equal();
    desk.put_event(EventSpec { questions: questions(), ..spec("flute", 50) });
    desk.run(&[answer(held, &[])]);
    desk.assert_equal();
    // In one batch with the erasure.
    let event = desk.event;
    let erase = Command::Erase { event, orders: vec![paid], because: Erasure::Asked };
    desk.run(&[answer(paid, &first), erase]);
    desk.assert_equal();
    assert!(desk.model.orders[&paid].answers.is_empty());
    desk.reopen();
    desk.assert_equal();
    // Nothing is written for who was erased, nor for an order that does not exist.
    let answers = vec![Answer {
        question: "note".into(),
        text: "Note?".into(),
        ticket: None,
        value: "secret".into(),
    }];
    for order in [paid, desk.ids.order(desk.now())] {
        let change = Change::AnswersPut { order, event, answers: answers.clone() };
        desk.assert_not_done(&[change], &format!("{order:?}"));
        desk.assert_equal();
    }
}

pub(super) fn sold_without_a_provider<D: Database>(desk: &mut Desk<D>) {
    for limit_per_buyer in [None, Some(3)] {
        let name = if limit_per_buyer.is_some() { "flute" } else { "harp" };
        desk.put_event(EventSpec { limit_per_buyer, ..spec(name, 20) });
        let (gift, first) = sell(desk, "ann", Tender::Free, "import 17 row 2");
        let (cash, second) = sell(desk, "ann", Tender::Cash, "");
        let (card, third) = sell(desk, "Bob 🎻", Tender::Terminal, "import 17 row 10");
        desk.run(&[first, second.clone(), third]);
        desk.assert_equal();
        // The same once more, after an answer that was lost.
        assert_eq!(
            desk.run(&[second])[..],
            [Reply::Order { order: cash, state: OrderState::Paid }]
        );
        desk.assert_equal();
        let refund = desk.refund(cash, RefundWish::All, true);
        let state = &desk.model.orders[&cash].refunds[0].state;
        assert_eq!(*state, RefundState::Succeeded("cash".into()), "{refund:?}");
        desk.assert_equal();
        // Sold and refunded in one batch.
        let (order, command) = sell(desk, "cid", Tender::Cash, "R 7");
        let refund = desk.ids.refund(desk.now());
        let (wish, restock) = (RefundWish::All, false);
        desk.run(&[command, Command::Refund { order, refund, wish, restock }]);
        desk.assert_equal();
        desk.reopen();
        desk.assert_equal();
        let mut reader = desk.database.reader();
        let mut noted = |prefix: &str| reader.references(desk.event, prefix).expect("a read");
        assert_eq!(noted("import 17 "), ["import 17 row 2", "import 17 row 10"]);
        assert_eq!(noted("import 17 row 2"), ["import 17 row 2"]);
        assert_eq!(noted("IMPORT"), [""; 0]);
        assert_eq!(noted("%"), [""; 0]);
        assert_eq!(noted("").len(), 3);
        assert_eq!(reader.references(EventId(7), "").expect("a read"), [""; 0]);
        assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
        drop(reader);
        // No more than there is, whatever was decided.
        let tickets = &desk.model.orders[&gift].tickets;
        assert_eq!(tickets.iter().map(|t| t.serial).collect::<Vec<_>>(), [1, 2]);
        assert!(desk.model.orders[&card].payment.is_none());
    }
}

pub(super) fn names_are_corrected<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(EventSpec { limit_per_buyer: Some(9), ..spec("flute", 20) });
    let (ann, bob) = (desk.paid("Anm", 2), desk.paid("Bob", 1));
    let event = desk.event;
    let rename = |order, name: &str| {
        let key = crate::identity::buyer_key(name, "");
        Command::CorrectName { order, event, name: name.into(), key }
    };
    desk.run(&[rename(ann, "Ann"), rename(bob, "Rob"), rename(ann, "Anne O'Brien")]);
    desk.assert_equal();
    assert_eq!(desk.model.orders[&ann].buyer.name, "Anne O'Brien");
    desk.reopen();
    desk.assert_equal();
    let erase = Command::Erase { event, orders: vec![bob], because: Erasure::Asked };
    desk.run(&[rename(bob, "Bob"), erase]);
    desk.assert_equal();
    assert_eq!(desk.database.reader().verify().expect("verify"), Vec::<String>::new());
    let held = desk.hold("Cid", "seat", 1);
    let command = rename(held, "Sid");
    assert!(desk.refused(&command));
    let buyer = desk.model.orders[&ann].buyer.clone();
    let change = Change::NamePut { order: held, event, buyer };
    desk.assert_not_done(&[change], "a held order");
    desk.assert_equal();
}
