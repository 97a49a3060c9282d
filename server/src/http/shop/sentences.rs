//! Nothing is said of money that is not known: every sentence in every state.

use crate::http::api::declined;
use crate::http::problem::Problem;
use crate::http::view;
use crate::language::Lang;
use boxoffice::{
    Attempt, AttemptState, Buyer, BuyerKey, Currency, EventId, Line, Order, OrderId, OrderState,
    Payment, PaymentId, Refund, RefundId, RefundState, Refusal,
};
use nts_api::{MoneyMoved, ProblemCode};

const UNTIL_MS: i64 = 300_000;

/// An attempt in each of its states; `action`: the bank waits for the buyer.
fn payments() -> Vec<Option<Payment>> {
    let attempt = |number, state| Attempt { number, token: String::new(), begun_ms: 0, state };
    let states = [
        AttemptState::Pending,
        AttemptState::Action,
        AttemptState::Declined("No.".into()),
        AttemptState::Authorised,
        AttemptState::Abandoned,
    ];
    let mut payments = vec![None];
    for state in states {
        for (before, intent, action) in [
            (vec![], None, None),
            (vec![], Some("pi"), None),
            (vec![], Some("pi"), Some("show")),
            (vec![AttemptState::Abandoned], Some("pi"), None),
            (vec![AttemptState::Declined("No.".into()); 4], Some("pi"), None),
        ] {
            let states = before.iter().chain([&state]).enumerate();
            payments.push(Some(Payment {
                id: PaymentId(1),
                intent: intent.map(str::to_owned),
                live: false,
                action: action.map(str::to_owned),
                dispute: None,
                attempts: states.map(|(i, s)| attempt(i as u16 + 1, s.clone())).collect(),
            }));
        }
    }
    payments
}

fn refunds() -> Vec<Vec<Refund>> {
    let refund = |id, state, by_hand| Refund {
        id: RefundId(id),
        amount_minor: 400,
        quantities: vec![0],
        restock: false,
        state,
        by_hand,
        of_amount: false,
    };
    let done = || RefundState::Succeeded("re".into());
    let failed = || RefundState::Failed("no".into());
    vec![
        vec![],
        vec![refund(1, RefundState::Pending, false)],
        vec![refund(1, done(), false)],
        vec![refund(1, failed(), false)],
        vec![refund(1, done(), true)],
        vec![refund(1, failed(), true)],
        vec![refund(1, done(), true), refund(2, RefundState::Pending, false)],
    ]
}

fn is_over(state: OrderState) -> bool {
    matches!(state, OrderState::Released | OrderState::Void)
}

/// Orders in all states with all payments and refunds that they can have, and some that they cannot.
fn orders() -> Vec<Order> {
    let mut orders = Vec::new();
    for state in OrderState::ALL {
        for payment in payments() {
            for refunds in refunds() {
                let held = state == OrderState::Held && payment.is_some();
                let early = !refunds.is_empty()
                    && (payment.is_none()
                        || !state.sells() && !is_over(state)
                        || state == OrderState::Committed);
                if held || early {
                    continue;
                }
                orders.push(Order {
                    id: OrderId(1),
                    event: EventId(1),
                    buyer: Buyer {
                        name: "Ann".into(),
                        email: String::new(),
                        key: BuyerKey(1),
                        language: boxoffice::Language::EN,
                    },
                    lines: vec![Line {
                        ticket_type: 0,
                        pool: 0,
                        quantity: 1,
                        unit_minor: 999,
                        refunded: 0,
                        restocked: 0,
                        extra: boxoffice::Extra::default(),
                    }],
                    currency: Currency::parse("GBP").expect("a currency"),
                    tender: boxoffice::Tender::Online,
                    reference: String::new(),
                    answers: Vec::new(),
                    metadata: boxoffice::Metadata::default(),
                    state,
                    placed_ms: 0,
                    until_ms: UNTIL_MS,
                    due_ms: None,
                    tries: 0,
                    trouble: None,
                    payment: payment.clone(),
                    refunds,
                    tickets: Vec::new(),
                });
            }
        }
    }
    orders
}

/// Whether money may have been set aside or taken for it, whatever is known here.
fn may_have_moved(order: &Order, now: i64) -> bool {
    let Some(payment) = &order.payment else { return !order.refunds.is_empty() };
    let last = payment.attempts.last().map(|attempt| &attempt.state);
    match order.state {
        _ if !order.refunds.is_empty() => true,
        OrderState::Held => false,
        // Its payment is known to be dead.
        OrderState::Released | OrderState::Void => false,
        // Declined by the provider itself, and no other attempt can still be approved.
        OrderState::Paying if matches!(last, Some(AttemptState::Declined(_))) => {
            payment.replaces() || order.over(now)
        }
        OrderState::Paying => payment.intent.is_some(),
        _ => true,
    }
}

/// Whether a text claims that no money moved.
fn claims_nothing(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "nothing was charged",
        "nothing has been charged",
        "nothing is charged",
        "nothing was taken",
        "no money was moved.",
        "not charged",
    ]
    .iter()
    .any(|claim| text.contains(claim))
}

#[test]
fn nothing_is_said_to_be_charged_only_where_nothing_can_have_been() {
    let (mut claimed, mut silent) = (0, 0);
    for order in orders() {
        for now in [0, UNTIL_MS] {
            let answer = declined(&order, "No.", now);
            let mut said =
                vec![view::plain(&order, now, Lang::En).into_owned(), answer.detail.clone()];
            said.push(format!("{:?}", answer.money_words()));
            if let Some(AttemptState::Declined(_)) = crate::http::shop::order::last_attempt(&order)
                && order.state == OrderState::Paying
                && !order.over(now)
            {
                said.push(view::after_decline(&order, Lang::En));
            }
            for text in said {
                let claims = claims_nothing(&text);
                assert!(!claims || !may_have_moved(&order, now), "{text:?} of {order:#?} at {now}");
                assert!(!text.contains("tickets are yours") || order.state == OrderState::Paid);
                (claimed, silent) = (claimed + usize::from(claims), silent + usize::from(!claims));
            }
            if answer.money_moved == MoneyMoved::No {
                assert!(!may_have_moved(&order, now), "{answer:?} of {order:#?}");
            }
        }
    }
    assert!(claimed > 100 && silent > 1_000, "{claimed} {silent}");
}

#[test]
fn who_is_told_to_try_again_may_try_again() {
    for order in orders().iter().filter(|order| order.state == OrderState::Paying) {
        for now in [0, UNTIL_MS] {
            let texts = [
                view::plain(order, now, Lang::En).into_owned(),
                declined(order, "No.", now).detail,
            ];
            let left = order.payment.as_ref().is_some_and(|p| p.has_attempts_left());
            for text in texts.iter().filter(|text| text.contains("you can try")) {
                assert!(left && !order.over(now), "{text:?} of {order:#?}");
            }
        }
    }
}

#[test]
fn void_says_what_became_of_the_money() {
    let said = |refunds: &[Refund]| {
        let of = |order: &Order| {
            order.state == OrderState::Void && order.payment.is_some() && order.refunds == refunds
        };
        let order = orders().into_iter().find(of).expect("an order");
        view::plain(&order, 0, Lang::En).into_owned()
    };
    let refunds = refunds();
    assert!(said(&refunds[0]).contains("Nothing was charged"));
    assert!(said(&refunds[1]).contains("is being sent back in full"));
    assert!(said(&refunds[2]).contains("it was sent back"));
    assert!(said(&refunds[3]).contains("could be sent back so far"));
    assert!(said(&refunds[4]).contains("it was sent back"));
    assert!(said(&refunds[6]).contains("is being sent back in full"));
}

/// What is said to a request about an order, in the states in which it can be said.
#[test]
fn refusals_say_nothing_that_is_not_known() {
    let problem = |refusal: Refusal| Problem::from(refusal);
    let orders = [Refusal::PaymentExpired, Refusal::Canceled(OrderState::Canceling)];
    for refusal in orders {
        let said = problem(refusal);
        assert!(said.detail.contains("is being cancelled"), "{}", said.detail);
        assert!(
            !claims_nothing(&said.detail) && said.money_moved == MoneyMoved::Unknown,
            "{said:?}"
        );
        assert!(!said.money_words().is_some_and(|words| claims_nothing(&words)));
    }
    for state in [OrderState::Refunded, OrderState::Void, OrderState::Released] {
        let said = problem(Refusal::Canceled(state));
        assert!(!claims_nothing(&said.detail), "{}", said.detail);
        assert_eq!(said.money_words().as_deref(), Some("No money was moved by this request."));
    }
    let paid = problem(Refusal::AlreadyPaid);
    assert!(!paid.detail.contains("yours") && !paid.title.contains("is paid"), "{paid:?}");
    let many = problem(Refusal::TooManyAttempts { most: 5, until_ms: 0 });
    assert_eq!((many.status.as_u16(), many.code), (409, ProblemCode::TooManyAttempts));
    assert!(many.detail.contains("Cancel this reservation") && many.detail.contains("1970-01-01"));
    // Held by nobody who pays: it may come back only then.
    let sold_out =
        |left, held| problem(Refusal::SoldOut { ticket_type: "adult".into(), left, held }).detail;
    assert_eq!(sold_out(0, 0), "“adult” is sold out. Nothing was reserved.");
    assert!(sold_out(0, 3).contains("3 places are reserved and not paid yet"));
    assert!(sold_out(0, 1).contains("1 place is reserved and not paid yet"));
    assert!(!sold_out(1, 0).contains("come back") && sold_out(1, 2).contains("may come back"));
}
