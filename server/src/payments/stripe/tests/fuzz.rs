//! Whatever an answer of the provider says: nothing panics, and no sum, no state and no outcome is taken
//! from it that it does not say. What is true of a text is worked out here a second time, from its JSON.

use super::*;
use crate::fuzz::{Change, Slip, changes, check, slips, spoil, spoil_json};
use boxoffice::{Command, Event, Pool, SeenVersion, State, TicketType, decide};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// Answers by what is asked for, as often as it is asked.
struct Pages {
    intent: Vec<u8>,
    refunds: Vec<u8>,
    disputes: Vec<u8>,
    asked: Mutex<u32>,
}

impl Wire for Pages {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        assert!(*asked < 10, "it is asked again and again: {}", request.path);
        let body = match request.path.split(['?', '/']).nth(2) {
            Some("refunds") => &self.refunds,
            Some("disputes") => &self.disputes,
            _ => &self.intent,
        };
        let body = Bytes::copy_from_slice(body);
        let (request_id, should_retry, retry_after_ms) = (None, None, None);
        let answer = WireResponse { status: 200, request_id, should_retry, retry_after_ms, body };
        Box::pin(async { Ok(answer) })
    }
}

fn stripe(wire: impl Wire + 'static) -> Stripe {
    let ids = Arc::new(Ids::new([1; 32], 0));
    let shop = "SHOP".to_owned();
    Stripe::new(Box::new(wire), Governor::unlimited(), ids, clock(), false, shop)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A PaymentIntent in any of its states, most of them about the order of these tests.
fn intent_text() -> impl Strategy<Value = Value> {
    let states = vec!["succeeded", "succeeded", "requires_capture", "canceled", "requires_action"];
    let amounts = (select(vec![1998, 1998, 1998, 1997, 0]), select(vec![1998, 1998, 1999, 700, 0]));
    let currency = select(vec!["gbp", "gbp", "gbp", "GBP", "usd"]);
    (select(states), amounts, currency, proptest::bool::weighted(0.1)).prop_map(
        |(state, (amount, received), currency, live)| {
            let mut intent = parsed(&WHOLE.replace("STATUS", state));
            intent["amount"] = amount.into();
            intent["amount_received"] = received.into();
            intent["currency"] = currency.into();
            intent["livemode"] = live.into();
            intent
        },
    )
}

/// Ways to spoil a text: its fields, and perhaps its bytes.
fn ways() -> impl Strategy<Value = (Vec<Change>, Vec<Slip>)> {
    (changes(0, 3), prop_oneof![3 => slips(0, 0), 1 => slips(1, 2)])
}

fn spoilt(good: &Value, (changes, slips): &(Vec<Change>, Vec<Slip>)) -> Vec<u8> {
    spoil(spoil_json(good, changes).as_bytes(), slips)
}

/// What a text says, as a reader of JSON finds it who looks at all of it. What we do not look at may be text
/// of a kind that JSON does not know. `None`: it is so deep that only who passes over it reads it.
fn said(text: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(text).replace("\\ud800", "?");
    match serde_json::from_str(&text) {
        Ok(value) => Some(value),
        Err(error) if error.to_string().contains("recursion limit") => None,
        Err(error) => panic!("what was read is JSON: {error}: {text}"),
    }
}

/// What is read of a PaymentIntent is what stands there, as a reader of the JSON finds it.
fn says_so(intent: &Intent, text: &[u8]) -> Result<(), TestCaseError> {
    let Some(said) = said(text) else { return Ok(()) };
    let status = match intent.status {
        IntentStatus::Succeeded => "succeeded",
        IntentStatus::RequiresCapture => "requires_capture",
        IntentStatus::Canceled => "canceled",
        IntentStatus::RequiresAction => "requires_action",
        IntentStatus::RequiresPaymentMethod => "requires_payment_method",
        IntentStatus::RequiresConfirmation => "requires_confirmation",
        IntentStatus::Processing => "processing",
    };
    prop_assert_eq!(said["status"].as_str(), Some(status));
    prop_assert_eq!(said["id"].as_str(), Some("pi_1"), "asked for this one");
    prop_assert_eq!(&intent.id, "pi_1");
    prop_assert_eq!(said["amount"].as_i64(), Some(intent.amount.minor));
    prop_assert_eq!(said["amount_received"].as_i64(), Some(intent.received_minor));
    prop_assert!(intent.amount.minor >= 0 && intent.received_minor >= 0);
    let currency = said["currency"].as_str().map(str::to_ascii_uppercase);
    prop_assert_eq!(currency.as_deref(), Some(intent.amount.currency.code()));
    prop_assert_eq!(said["livemode"].as_bool(), Some(intent.live));
    let order = said["metadata"]["nts_order"].as_str().unwrap_or("");
    let order = uuid::Uuid::try_parse(order).ok().map(|id| OrderId(id.as_u128()));
    prop_assert_eq!(order, intent.order);
    Ok(())
}

#[test]
fn a_spoilt_payment_is_unknown_or_what_it_says() {
    check(1_500, &(intent_text(), ways()), |(good, ways)| {
        let text = spoilt(&good, &ways);
        let body = Bytes::copy_from_slice(&text);
        let answer = WireResponse { body, ..response(200, "") };
        match wait(capture(Ok(answer))) {
            Ok(intent) => {
                says_so(&intent, &text)?;
                believed(&intent, &text)
            }
            Err(CallError::Unknown(_)) => Ok(()),
            Err(other) => Err(TestCaseError::fail(format!("a 200 that is {other}"))),
        }
    });
}

/// The order of these tests, committed, with its event.
fn state() -> State {
    let mut order = order();
    order.state = OrderState::Committed;
    let spec = fixtures::event_spec("show", 5);
    let pool = Pool { name: "p".into(), capacity: 5, held: 0, sold: 2 };
    let (id, name) = ("t".into(), "T".into());
    let ticket_type = TicketType { id, name, pool: 0, price_minor: 999, retired: false };
    let (pools, ticket_types) = (vec![pool], vec![ticket_type]);
    let event = Event {
        id: order.event,
        spec,
        pools,
        ticket_types,
        counters: vec![],
        serials: 0,
        sale: boxoffice::Sale::Open,
    };
    let mut state = State::default();
    state.events.insert(event.id, event);
    state.orders.insert(order.id, order);
    state
}

/// Tickets are issued for the price alone, received in its currency; and nothing that can be read makes
/// the decision panic.
fn believed(intent: &Intent, text: &[u8]) -> Result<(), TestCaseError> {
    let mut state = state();
    let order = OrderId(7);
    let known = SeenVersion::confirming(&state.orders[&order]);
    let command = Command::Reconcile { order, intent: intent.clone(), known };
    let Ok(decision) = decide(&state, &command, 1_000) else { return Ok(()) };
    decision.changes.iter().for_each(|change| state.apply(change));
    let order = &state.orders[&order];
    let paid = order.state == OrderState::Paid;
    prop_assert_eq!(paid, !order.tickets.is_empty());
    if paid {
        let Some(said) = said(text) else { return Ok(()) };
        prop_assert_eq!(&said["status"], "succeeded");
        prop_assert_eq!(said["amount_received"].as_i64(), Some(1998));
        prop_assert!(said["currency"].as_str().is_some_and(|c| c.eq_ignore_ascii_case("gbp")));
        prop_assert_eq!(said["livemode"].as_bool(), Some(false));
    }
    Ok(())
}

#[test]
fn spoilt_lists_say_nothing_that_does_not_stand_there() {
    let inputs = (intent_text(), [ways(), ways(), ways()]);
    check(1_500, &inputs, |(good, ways)| {
        let pages = Pages {
            intent: spoilt(&good, &ways[0]),
            refunds: spoilt(&parsed(REFUNDS), &ways[1]),
            disputes: spoilt(&parsed(DISPUTES), &ways[2]),
            asked: Mutex::new(0),
        };
        let text = (pages.intent.clone(), pages.refunds.clone(), pages.disputes.clone());
        let stripe = stripe(pages);
        let read = wait(async {
            let turn = stripe.governor().turn(Endpoint::Read).await;
            stripe.read_id(turn, "pi_1", true).await
        });
        let intent = match read {
            Ok(intent) => intent,
            // What cannot be asked for has been read in a page before.
            Err(CallError::Unknown(_) | CallError::Refused(_)) => return Ok(()),
            Err(other) => return Err(TestCaseError::fail(format!("a 200 that is {other}"))),
        };
        says_so(&intent, &text.0)?;
        believed(&intent, &text.0)?;
        if !intent.refunds.is_empty() {
            prop_assert!(intent.received_minor > 0, "what was not taken does not go back");
            let Some(rows) = said(&text.1) else { return Ok(()) };
            for refund in &intent.refunds {
                let row = rows["data"].as_array().into_iter().flatten().find(|row| {
                    row["id"].as_str() == Some(&refund.provider_id)
                        && row["amount"].as_i64() == Some(refund.amount_minor)
                });
                let status = row.map(|row| row["status"].as_str());
                prop_assert!(status.is_some(), "no such refund");
                prop_assert_eq!(refund.done, status == Some(Some("succeeded")));
                prop_assert_eq!(refund.failed, matches!(status, Some(Some("failed" | "canceled"))));
            }
        }
        if let Some(dispute) = &intent.dispute {
            let Some(rows) = said(&text.2) else { return Ok(()) };
            let row = &rows["data"][0];
            prop_assert_eq!(row["id"].as_str(), Some(dispute.id.as_str()));
            prop_assert_eq!(row["amount"].as_i64(), Some(dispute.amount_minor));
        }
        Ok(())
    });
}

#[test]
fn a_spoilt_refund_is_unknown_or_what_was_asked_for() {
    let states = select(vec!["succeeded", "succeeded", "pending", "failed", "canceled"]);
    check(1_000, &(states, ways()), |(state, ways)| {
        let text = spoilt(&parsed(&REFUNDED.replace("succeeded", state)), &ways);
        let body = Bytes::copy_from_slice(&text);
        let answer = WireResponse { body, ..response(200, "") };
        match wait(give_back(vec![Ok(answer)])) {
            Ok(outcome) => {
                let Some(said) = said(&text) else { return Ok(()) };
                prop_assert_eq!(said["amount"].as_i64(), Some(500));
                prop_assert!(matches!(said["payment_intent"].as_str(), Some("pi_1") | None));
                let status = said["status"].as_str();
                match outcome {
                    RefundOutcome::Succeeded(id) => {
                        prop_assert_eq!(status, Some("succeeded"));
                        prop_assert!(!id.is_empty());
                        prop_assert_eq!(said["id"].as_str(), Some(id.as_str()));
                    }
                    RefundOutcome::Failed(_) => {
                        prop_assert!(matches!(status, Some("failed" | "canceled")));
                    }
                    RefundOutcome::Pending => {
                        prop_assert!(matches!(status, Some("pending" | "requires_action") | None));
                    }
                }
                Ok(())
            }
            Err(CallError::Unknown(_)) => Ok(()),
            Err(other) => Err(TestCaseError::fail(format!("a 200 that is {other}"))),
        }
    });
}

#[test]
fn a_spoilt_page_of_payments_is_unknown_or_lists_what_stands_there() {
    let page = |intent: &Value| {
        let other = parsed(&WHOLE.replace("STATUS", "canceled").replace("pi_1", "pi_9"));
        serde_json::json!({"object": "list", "has_more": false, "data": [intent, other]})
    };
    check(600, &(intent_text(), ways()), |(good, ways)| {
        let intent = spoilt(&page(&good), &ways);
        let (refunds, disputes) = (REFUNDS.into(), DISPUTES.into());
        let stripe =
            stripe(Pages { intent: intent.clone(), refunds, disputes, asked: Mutex::new(0) });
        let Ok((listed, _)) = wait(stripe.list(0, None)) else { return Ok(()) };
        let Some(rows) = said(&intent) else { return Ok(()) };
        for listed in listed {
            let row = rows["data"].as_array().into_iter().flatten().find(|row| {
                row["id"].as_str() == Some(&listed.intent.id)
                    && row["amount_received"].as_i64() == Some(listed.intent.received_minor)
                    && row["amount"].as_i64() == Some(listed.intent.amount.minor)
            });
            prop_assert!(row.is_some_and(|row| row["metadata"]["nts_shop"] == "SHOP"));
        }
        Ok(())
    });
}

#[test]
fn no_error_is_a_success_and_only_a_card_is_declined() {
    let error = serde_json::json!({"error": {"type": "card_error", "code": "card_declined",
        "message": "Your card sk_test_4711 was declined. 💳", "doc_url": "x", "param": null}});
    let status = prop_oneof![
        4 => select(vec![400u16, 401, 402, 402, 402, 403, 404, 409, 424, 429, 500, 502, 503]),
        1 => 100..200u16,
        1 => 300..600u16,
    ];
    let inputs = (status, ways(), proptest::option::of(any::<bool>()));
    check(1_000, &inputs, |(status, ways, should_retry)| {
        let text = spoilt(&error, &ways);
        let body = Bytes::copy_from_slice(&text);
        let answer = WireResponse { body, should_retry, ..response(status, "") };
        let told = match wait(capture(Ok(answer))) {
            Ok(_) => return Err(TestCaseError::fail("an error that is a success")),
            Err(CallError::Declined(why)) => {
                prop_assert_eq!(status, 402);
                let Some(said) = said(&text) else { return Ok(()) };
                prop_assert_eq!(&said["error"]["type"], "card_error");
                prop_assert!(!why.is_empty());
                why
            }
            Err(CallError::Refused(why)) => {
                prop_assert!((400..500).contains(&status) && !matches!(status, 409 | 424 | 429));
                why
            }
            Err(other) => other.to_string(),
        };
        // Within another word nobody could tell it.
        let alone = |at: usize| !told[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        prop_assert!(!told.match_indices("sk_test").any(|(at, _)| alone(at)), "{}", told);
        prop_assert!(told.len() < 1_000);
        Ok(())
    });
}

#[test]
fn what_is_blotted_out_stays_so_whatever_is_around_it() {
    let words =
        select(vec!["sk_live_GEHEIM", "ctoken_GEHEIM", "whsec_GEHEIM", "pi_1_secret_GEHEIM"]);
    let around = proptest::collection::vec(
        select(vec!['(', '-', '*', '"', ' ', '_', '/', '=', 'é', '\n']),
        0..5,
    );
    check(300, &(words, around.clone(), around), |(secret, before, after)| {
        let text: String = before.into_iter().chain(secret.chars()).chain(after).collect();
        prop_assert!(!redact(&text).contains("GEHEIM"), "{}", redact(&text));
        prop_assert_eq!(redact(&redact(&text)), redact(&text));
        Ok(())
    });
}
