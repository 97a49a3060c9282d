//! The report, word for word.

use super::*;
use boxoffice::{CodeRule, Intent, IntentStatus, OrderState, Ticket};
use nts_testkit::fixtures;

fn gbp(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("GBP").unwrap() }
}

/// A sold order for two places at 500, one of its tickets revoked.
fn order() -> Order {
    let ticket = |serial, state| Ticket {
        serial,
        line: 0,
        state,
        code_rule: CodeRule::Order,
        revision: 0,
        guest: None,
    };
    Order {
        lines: vec![fixtures::line(2, 500)],
        tickets: vec![ticket(1, TicketState::Valid), ticket(2, TicketState::Revoked)],
        ..fixtures::order(OrderState::Paid)
    }
}

fn listed() -> Listed {
    let intent = Intent {
        id: "pi_1".into(),
        status: IntentStatus::Succeeded,
        amount: gbp(1_000),
        received_minor: 900,
        live: false,
        order: None,
        payment: None,
        action: None,
        last_error: None,
        refunds: vec![],
        dispute: None,
    };
    Listed { intent, created_s: 0, refunded_minor: 200, disputed: false }
}

const ID: &str = "00000000-0000-0000-0000-000000000007";

/// Two orders, one payment, and a finding of each weight.
fn filled() -> Report {
    let mut report = Report::new(0);
    report.order(&order());
    report.order(&Order { state: OrderState::Void, tickets: vec![], ..order() });
    report.payment(&listed());
    report.gave_back(gbp(0).currency, 50);
    report.note(Some(OrderId(7)), None, "a note".into());
    report.settled(None, Some("pi_1".into()), "it was settled".into());
    report.wrong(Some(OrderId(7)), Some("pi_1".into()), "it is wrong".into());
    report
}

#[test]
fn for_people_it_says_what_is_wrong_first_and_how_much_at_the_end() {
    let mut report = filled();
    let head = "Audit as of 1970-01-01T00:00:00Z\n  0 events; 0 places, of which 0 are held and 0 sold\n  \
                2 orders: 1 paid, 1 void\n  1 valid ticket\n  by the books    ";
    let books = format!("{head}{} taken, {} given back\n", gbp(1_000), gbp(0));
    let findings = format!(
        "WRONG: order {ID}: payment pi_1: it is wrong\nsettled: payment pi_1: it was settled\n\
         to know: order {ID}: a note\n"
    );
    let not_asked = "  The provider was not asked: only the books were looked at.\n";
    let one = "The books do NOT balance: 1 thing is wrong.\n";
    assert_eq!(report.to_string(), format!("{books}{not_asked}{findings}{one}"));
    report.against_provider = true;
    let provider = format!("  by the provider {} taken, {} given back\n", gbp(900), gbp(250));
    let payments = "  1 payment of this shop at the provider\n";
    assert_eq!(report.to_string(), format!("{books}{provider}{payments}{findings}{one}"));
    report.wrong(None, None, "and this".into());
    assert!(report.to_string().ends_with("The books do NOT balance: 2 things are wrong.\n"));
    report.findings.retain(|finding| finding.weight != Weight::Wrong);
    assert!(report.to_string().ends_with("The books balance.\n"));
}

fn finding(weight: &str, order: Option<&str>, payment: Option<&str>, text: &str) -> Value {
    json!({"weight": weight, "order": order, "payment": payment, "text": text})
}

#[test]
fn what_the_organiser_took_stands_apart_from_what_the_provider_did() {
    let mut report = Report::new(0);
    for tender in Tender::ALL {
        report.order(&Order { tender, ..order() });
    }
    let told = report.to_string();
    for line in [
        "  4 valid tickets, 1 of them given away\n",
        &format!("  by the books    {} taken, {} given back\n", gbp(1_000), gbp(0)),
        &format!("  in cash         {} taken, {} given back\n", gbp(1_000), gbp(0)),
        &format!("  by card terminal {} taken, {} given back\n", gbp(1_000), gbp(0)),
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let json = report.json();
    assert_eq!(json["tickets_given_away"], 1);
    assert_eq!(json["money"][0]["books"]["taken"], 1_000);
    let taken = |tender: &str| json!({"currency": "GBP", "tender": tender, "taken": 1_000, "given_back": 0});
    assert_eq!(json["money_at_box_office"], json!([taken("cash"), taken("terminal")]));
}

#[test]
fn for_programs_it_says_the_same() {
    let mut report = filled();
    let findings = [
        finding("note", Some(ID), None, "a note"),
        finding("settled", None, Some("pi_1"), "it was settled"),
        finding("wrong", Some(ID), Some("pi_1"), "it is wrong"),
    ];
    let mut expected = json!({
        "as_of": "1970-01-01T00:00:00Z", "balanced": false, "against_provider": false, "events": 0,
        "pools": {"capacity": 0, "held": 0, "sold": 0}, "orders": 2,
        "orders_by_state": {"paid": 1, "void": 1}, "valid_tickets": 1, "tickets_given_away": 0,
        "payments_at_provider": null, "money_at_box_office": [],
        "money": [{"currency": "GBP", "books": {"taken": 1_000, "given_back": 0}, "provider": null}],
        "findings": findings,
    });
    assert_eq!(report.json(), expected);
    report.against_provider = true;
    expected["against_provider"] = true.into();
    expected["payments_at_provider"] = 1.into();
    expected["money"][0]["provider"] = json!({"taken": 900, "given_back": 250});
    assert_eq!(report.json(), expected);
    report.findings.pop();
    assert!(report.balanced() && report.json()["balanced"] == true);
}
