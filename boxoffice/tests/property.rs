//! What holds for any turn of events: random commands against a second, naive box office, and the
//! whole sale against a provider that loses, delays and repeats calls.
//!
//! `PROPTEST_CASES=10000 cargo test -p boxoffice --test property` looks longer.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod model;
mod provider;
mod world;

use boxoffice::*;
use model::Model;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use provider::{Answer, ByHand, Call, Provider};
use std::cell::RefCell;
use std::collections::BTreeSet;
use world::World;

/// So many cases, or as many as PROPTEST_CASES says.
fn cases(default: u32) -> ProptestConfig {
    let cases = match std::env::var("PROPTEST_CASES") {
        Ok(text) => text.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => default,
    };
    // A case that failed belongs into a script, where it has a title.
    let failure_persistence = None;
    ProptestConfig { cases, failure_persistence, max_shrink_iters: 20_000, ..Default::default() }
}

/// What is asked, before it is known of what state.
#[derive(Clone, Debug)]
enum Ask {
    Event(u64, Box<EventSpec>),
    Hold {
        order: u128,
        event: u64,
        buyer: u128,
        named: bool,
        untagged: Option<u128>,
        lines: Vec<(u8, i64)>,
        /// A code, and the price that was shown of the first line.
        terms: (Option<&'static str>, Option<i64>),
        most_ms: Option<i64>,
    },
    /// Of which of its states somebody has seen the event, the last one first.
    Delete(&'static str, Option<usize>),
    /// An event is put over what was seen of it: the n-th event that was put before.
    Over(u64, Box<EventSpec>, Option<usize>),
    /// An event is put by somebody who does not say some parts.
    Parts(u64, Box<EventSpec>, Vec<EventPart>, Option<u64>),
    Sale(u64, boxoffice::Sale, Option<usize>),
    /// What usually comes next for an order, or what comes next when it does not go well.
    Push(u128, bool),
    Pay {
        order: u128,
        token: &'static str,
        live: bool,
    },
    Created(u128, u128),
    Declined(u128, u16),
    Read {
        order: u128,
        intent: u128,
        status: IntentStatus,
        lie: u8,
        books: Books,
    },
    Find(u64, u128),
    /// A ticket of an order is passed on.
    Name(u128, u16, &'static str),
    Renew(u128, Option<i64>),
    /// The organiser sells or gives away.
    Sell {
        order: u128,
        event: u64,
        buyer: u128,
        addressed: bool,
        tender: Tender,
        lines: Vec<(u8, i64)>,
    },
    /// Some questions are answered: which, for which ticket, and how.
    Reply {
        order: u128,
        staff: bool,
        answers: Vec<(u8, u16, &'static str)>,
    },
    /// What is asked is answered as it should be.
    ReplyWell(u128),
    /// A program keeps something with an order, or nothing any more.
    Note(u128, u128),
    Rename(u128, u64, u128),
    Erase {
        event: u64,
        orders: Vec<u128>,
        because: Erasure,
    },
    Address {
        order: u128,
        event: u64,
        buyer: u128,
        untagged: Option<u128>,
    },
    Cancel(u128),
    Expire(u128),
    Defer(u128),
    Refund {
        order: u128,
        refund: u128,
        wish: Option<Vec<(u8, i64)>>,
        /// So much instead.
        sum: Option<i64>,
        /// What failed instead.
        failed: bool,
        restock: bool,
    },
    Answered {
        order: u128,
        refund: u128,
        outcome: RefundOutcome,
    },
    /// The n-th command of before once more.
    Again(usize),
}

/// What a reading says that others did with the money.
#[derive(Clone, Debug)]
struct Books {
    received: u8,
    /// Its number, its amount (0: all of it), and whose it is.
    refunds: Vec<(u8, i64, u8)>,
    dispute: Option<(&'static str, i64)>,
}

impl Books {
    /// Puts it into a truthful reading. `before` makes unused ids of it.
    fn tell(&self, read: &mut Intent, id: u128, before: usize) {
        let total = read.received_minor;
        read.received_minor = match self.received {
            0 => total - 1,
            1 => 0,
            2 => total + 5,
            _ => total,
        };
        for (i, (n, amount, whose)) in self.refunds.iter().enumerate() {
            // A provider may lie in these tests, but it names a refund once.
            if self.refunds[..i].iter().any(|(other, ..)| other == n) {
                continue;
            }
            read.refunds.push(RefundSeen {
                provider_id: format!("re_{id}_{n}"),
                ours: match whose {
                    1 => Some(RefundId(u128::from(*n))),
                    2 => Some(RefundId(10)),
                    3 => Some(RefundId(77)),
                    _ => None,
                },
                fresh: RefundId(1_000_000 + (16 * before + i) as u128),
                amount_minor: if *amount == 0 { read.amount.minor } else { *amount },
                failed: *whose == 0,
                done: false,
            });
        }
        read.dispute = self.dispute.map(|(status, amount_minor)| Dispute {
            id: format!("du_{id}"),
            amount_minor,
            status: status.into(),
        });
    }
}

fn books() -> impl Strategy<Value = Books> {
    let refund = (1..4u8, select(vec![0, 0, 1, 5, 500, 999]), 0..12u8);
    let refunds = prop_oneof![
        3 => Just(vec![]),
        2 => proptest::collection::vec(refund, 1..4),
    ];
    let dispute = (select(vec!["needs_response", "lost"]), select(vec![5, 999]));
    (0..15u8, refunds, proptest::option::weighted(0.2, dispute))
        .prop_map(|(received, refunds, dispute)| Books { received, refunds, dispute })
}

const STATUSES: [IntentStatus; 7] = [
    IntentStatus::RequiresPaymentMethod,
    IntentStatus::RequiresConfirmation,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::RequiresCapture,
    IntentStatus::Succeeded,
    IntentStatus::Canceled,
];

fn event() -> impl Strategy<Value = Ask> {
    let pools = proptest::collection::vec((select(vec!["a", "b", "c"]), 0..9u32), 1..4);
    // What makes no sense is rare.
    let price = prop_oneof![30 => select(vec![0, 50, 999, 999]), 1 => Just(-1), 1 => Just(29)];
    let types = proptest::collection::vec((0..4u8, 0..30u8, price, rules()), 2..5);
    let sale = prop_oneof![
        20 => Just((None, None, None)),
        3 => Just((Some(1_000), Some(5_000_000), None)),
        1 => Just((Some(9), Some(9), None)),
        1 => Just((None, None, Some(-1))),
        2 => Just((None, None, Some(1_000_000))),
        1 => Just((Some(1_000), None, Some(900))),
        1 => Just((None, Some(2_000_000), Some(500_000))),
    ];
    let rest = (
        select(vec!["GBP", "GBP", "GBP", "JPY", "KWD"]),
        1..7u32,
        1..12u32,
        sale,
        1..400i64,
        (0..9u8, questions()),
        codes(),
    );
    (1..3u64, pools, types, rest).prop_map(|(id, pools, types, rest)| {
        let (currency, limit_per_order, limit, (opens, closes, ends_ms), hold_s, more, codes) =
            rest;
        let (tags, questions) = more;
        let slug = ["rock", "folk"][id as usize - 1];
        let mut spec = EventSpec {
            limit_per_order,
            // Limits come and go, and are raised and lowered.
            limit_per_buyer: (limit < 8).then_some(limit),
            ignore_email_tags: tags < 3,
            hold_ms: hold_s * 1_000,
            sale_opens_ms: opens,
            sale_closes_ms: closes,
            ends_ms,
            names_until_ms: (tags % 2 == 0).then_some(hold_s * 10_000),
            questions,
            ..EventSpec::new(slug, Currency::parse(currency).unwrap(), 0)
        };
        for (name, capacity) in pools {
            if !spec.pools.iter().any(|p| p.name == name) {
                spec.pools.push(PoolSpec { name: name.into(), capacity });
            }
        }
        spec.codes = codes;
        for (t, pool, price_minor, rules) in types {
            let id = ticket_type(t);
            // Mostly the pool where it was before.
            let pool = if pool < 29 { ["a", "b", "a", "c"][usize::from(t)] } else { "b" }.into();
            let name = if price_minor == 50 { format!("{id} again") } else { id.clone() };
            if !spec.ticket_types.iter().any(|t| t.id == id) {
                spec.ticket_types.push(TicketTypeSpec { id, name, pool, price_minor, rules });
            }
        }
        // Mostly a code is for what there is; else the event is refused.
        let there: Vec<String> = spec.ticket_types.iter().map(|t| t.id.clone()).collect();
        let hidden = spec.ticket_types.iter().filter(|t| t.rules.hidden);
        let hidden: Vec<String> = hidden.map(|t| t.id.clone()).collect();
        for code in &mut spec.codes {
            code.ticket_types.retain(|id| tags == 7 || there.contains(id));
            code.opens.retain(|id| tags == 7 || hidden.contains(id));
        }
        spec.codes.retain(|code| tags == 7 || code.discount.is_some() || !code.opens.is_empty());
        Ask::Event(id, Box::new(spec))
    })
}

/// What is asked, mostly nothing. An id that comes again may be another question.
fn questions() -> impl Strategy<Value = Vec<QuestionSpec>> {
    let one = (0..3u8, 0..4u8, any::<bool>(), any::<bool>(), 0..9u8);
    let one = one.prop_map(|(id, kind, required, per_ticket, of)| QuestionSpec {
        id: question_id(id),
        text: format!("Question {kind}?"),
        kind: match kind {
            0 => QuestionKind::Line,
            1 => QuestionKind::Lines,
            2 => QuestionKind::YesNo,
            _ => QuestionKind::Choice(vec!["red".into(), "blue".into()]),
        },
        required,
        per_ticket,
        ticket_types: if of < 4 { vec![ticket_type(of)] } else { Vec::new() },
    });
    let some = proptest::collection::vec(one, 1..4).prop_map(|mut questions| {
        let mut ids = BTreeSet::new();
        questions.retain(|question: &QuestionSpec| ids.insert(question.id.clone()));
        questions
    });
    prop_oneof![1 => Just(Vec::new()), 2 => some]
}

fn question_id(n: u8) -> String {
    format!("q{n}")
}

/// An answer that fits.
fn fitting(question: &QuestionSpec) -> &'static str {
    match question.kind {
        QuestionKind::Line | QuestionKind::Lines => "words",
        QuestionKind::YesNo => "yes",
        QuestionKind::Choice(_) => "blue",
    }
}

/// What is said of a ticket type, mostly nothing.
fn rules() -> impl Strategy<Value = TypeRules> {
    let phase = |name: &'static str| {
        let end = prop_oneof![
            3 => (Just(None), (1..4u32).prop_map(Some)),
            1 => (Just(Some(900_000)), Just(None)),
            1 => (Just(Some(2_000_000)), (1..3u32).prop_map(Some)),
        ];
        (select(vec![0, 100, 400, 900]), end).prop_map(
            move |(price_minor, (until_ms, capacity))| PhaseSpec {
                name: name.into(),
                price_minor,
                until_ms,
                capacity,
            },
        )
    };
    let phases = prop_oneof![
        3 => Just(vec![]),
        3 => phase("A").prop_map(|a| vec![a]),
        2 => (phase("A"), phase("B")).prop_map(|(a, b)| vec![a, b]),
    ];
    let time = || select(vec![None, None, None, None, Some(500_000), Some(1_500_000)]);
    let capacity = select(vec![None, None, Some(0), Some(1), Some(2), Some(3)]);
    let some = (0..5u8, time(), time(), capacity, phases);
    let some = some.prop_map(|(hidden, sale_opens_ms, sale_closes_ms, capacity, phases)| {
        let vat = None;
        TypeRules { hidden: hidden == 0, sale_opens_ms, sale_closes_ms, capacity, phases, vat }
    });
    prop_oneof![2 => Just(TypeRules::default()), 3 => some]
}

fn codes() -> impl Strategy<Value = Vec<CodeSpec>> {
    let discount = select(vec![
        None,
        Some(Discount::Percent(50)),
        Some(Discount::Percent(33)),
        Some(Discount::Percent(100)),
        Some(Discount::Minor(300)),
        Some(Discount::Minor(950)),
    ]);
    let types = || proptest::collection::vec((0..4u8).prop_map(ticket_type), 0..3);
    let valid =
        select(vec![(None, None), (None, None), (None, Some(2_000_000)), (Some(9_000), None)]);
    let code = (select(vec!["SAVE", "OPEN"]), 1..5u32, types(), discount, types(), valid);
    let code = code.prop_map(|(code, uses, opens, discount, ticket_types, valid)| CodeSpec {
        code: code.into(),
        uses,
        opens,
        discount,
        ticket_types,
        valid_from_ms: valid.0,
        valid_until_ms: valid.1,
    });
    proptest::collection::vec(code, 0..3).prop_map(|mut codes| {
        codes.dedup_by(|a, b| a.code == b.code);
        if codes.len() == 3 {
            codes.pop();
        }
        codes
    })
}

/// Two shows on sale, to begin with.
fn opening() -> [Ask; 2] {
    [(1, "rock", Some(6)), (2, "folk", None)].map(|(id, slug, limit_per_buyer)| {
        let pool = |name: &str, capacity| PoolSpec { name: name.into(), capacity };
        let t = |n: u8, pool: &str, price_minor| {
            let id = ticket_type(n);
            TicketTypeSpec {
                name: id.clone(),
                id,
                pool: pool.into(),
                price_minor,
                rules: TypeRules::default(),
            }
        };
        let save = CodeSpec {
            code: "SAVE".into(),
            uses: 1,
            opens: vec![],
            discount: Some(Discount::Percent(40)),
            ticket_types: vec![ticket_type(0)],
            valid_from_ms: None,
            valid_until_ms: Some(4_000_000),
        };
        let asked = QuestionSpec {
            id: question_id(0),
            text: "Question 0?".into(),
            kind: QuestionKind::YesNo,
            required: true,
            per_ticket: false,
            ticket_types: vec![ticket_type(1)],
        };
        let spec = EventSpec {
            limit_per_order: 5,
            limit_per_buyer,
            codes: vec![save],
            questions: vec![asked],
            pools: vec![pool("a", 4), pool("b", 3), pool("c", 2)],
            ticket_types: vec![t(0, "a", 999), t(1, "b", 500), t(2, "a", 0), t(3, "c", 50)],
            ..EventSpec::new(slug, Currency::parse("GBP").unwrap(), 3_000_000)
        };
        Ask::Event(id, Box::new(spec))
    })
}

fn part() -> impl Strategy<Value = EventPart> {
    prop_oneof![
        4 => (0..5u8).prop_map(|n| EventPart::Rules(ticket_type(n))),
        2 => select(vec![EventPart::Questions, EventPart::Codes]),
        1 => select(vec![
            EventPart::Description,
            EventPart::Hidden,
            EventPart::KeepBuyersDays,
            EventPart::Contact,
            EventPart::AttachPdf,
        ]),
    ]
}

fn ticket_type(n: u8) -> String {
    format!("t{n}")
}

fn wishes(lines: &[(u8, i64)]) -> Vec<LineWish> {
    let wish =
        |(t, quantity): &(u8, i64)| LineWish { ticket_type: ticket_type(*t), quantity: *quantity };
    lines.iter().map(wish).collect()
}

/// A code and a price that was shown.
fn terms() -> impl Strategy<Value = (Option<&'static str>, Option<i64>)> {
    let code = prop_oneof![
        5 => Just(None),
        3 => Just(Some("save")),
        2 => Just(Some(" OPEN ")),
        1 => Just(Some("NOPE")),
    ];
    (code, select(vec![None, None, None, Some(400), Some(999)]))
}

/// What a program keeps with an order: so many texts, less one.
fn noted(what: u128) -> boxoffice::Metadata {
    let entries = (1..what).map(|n| (format!("key-{n}"), format!("{n} of {what}")));
    boxoffice::Metadata::new(entries).expect("it is within the limits")
}

fn ask() -> impl Strategy<Value = Ask> {
    let order = || 1..6u128;
    let most_ms = || select(vec![None, None, None, Some(500), Some(60_000), Some(900_000)]);
    let odd = || select(vec![1, 2, 3, 5, 0, -1, 5_000_000_000]);
    let lines = move || {
        prop_oneof![
            3 => (0..4u8, 1..3i64).prop_map(|line| vec![line]),
            1 => proptest::collection::vec((0..4u8, odd()), 0..4),
        ]
    };
    let outcome = select(vec![
        RefundOutcome::Succeeded("re".into()),
        RefundOutcome::Pending,
        RefundOutcome::Failed("no".into()),
    ]);
    prop_oneof![
        3 => event(),
        1 => (select(vec!["rock", "folk", "jazz"]), proptest::option::of(0..3usize))
            .prop_map(|(slug, seen)| Ask::Delete(slug, seen)),
        1 => (event(), proptest::option::of(0..9usize)).prop_map(|(ask, seen)| match ask {
            Ask::Event(id, spec) => Ask::Over(id, spec, seen),
            other => other,
        }),
        1 => (event(), proptest::collection::vec(part(), 0..5), proptest::option::of(1..3u64)).prop_map(
            |(ask, kept, only)| match ask {
                Ask::Event(id, spec) => Ask::Parts(id, spec, kept, only),
                other => other,
            }
        ),
        // Cancelled for good is rare, for then nothing more happens.
        2 => (1..3u64, 0..30u8, proptest::option::of(0..3usize)).prop_map(|(event, to, seen)| {
            let to = match to {
                0 => boxoffice::Sale::Canceled,
                1..=5 => boxoffice::Sale::Paused,
                _ => boxoffice::Sale::Open,
            };
            Ask::Sale(event, to, seen)
        }),
        12 => (order(), 1..3u64, 1..4u128, 0..30u8, lines(), terms(), most_ms()).prop_map(|(order, event, buyer, named, lines, terms, most_ms)| {
            // A tag on the address of some: without it they are one of the three.
            let untagged = (named > 20).then_some(u128::from(named % 3) + 1);
            Ask::Hold { order, event, buyer, named: named > 0, untagged, lines, terms, most_ms }
        }),
        2 => (1..3u64, 1..4u128).prop_map(|(event, buyer)| Ask::Find(event, buyer)),
        45 => (order(), 0..5u8).prop_map(|(order, luck)| Ask::Push(order, luck > 0)),
        14 => (order(), select(vec!["tok", "tok", "other", "another", ""]), select(vec![false, false, true]))
            .prop_map(|(order, token, live)| Ask::Pay { order, token, live }),
        3 => (order(), 0..9u128).prop_map(|(o, i)| Ask::Created(o, if i > 7 { 99 } else { o })),
        5 => (order(), 1..4u16).prop_map(|(o, n)| Ask::Declined(o, n)),
        20 => (order(), 0..9u128, select(STATUSES.to_vec()), 0..20u8, books())
            .prop_map(|(order, i, status, lie, books)| {
                Ask::Read { order, intent: if i > 7 { 99 } else { order }, status, lie, books }
            }),
        12 => (order(), books()).prop_map(|(order, books)| {
            Ask::Read { order, intent: order, status: IntentStatus::Succeeded, lie: 20, books }
        }),
        6 => (order(), 0..4u16, select(vec!["Ann", "Bob", "Cid", " "]))
            .prop_map(|(order, number, name)| Ask::Name(order, number, name)),
        3 => (order(), most_ms()).prop_map(|(order, most_ms)| Ask::Renew(order, most_ms)),
        5 => (1..3u64, proptest::collection::vec(order(), 0..6), 0..9u8).prop_map(
            |(event, orders, over)| {
                let because = if over > 7 { Erasure::TimeOver } else { Erasure::Asked };
                Ask::Erase { event, orders, because }
            }
        ),
        4 => (order(), 0..8u64, 1..5u128, 0..9u128).prop_map(|(order, event, buyer, tag)| {
            let untagged = (tag > 5).then_some(tag % 3 + 1);
            Ask::Address { order, event, buyer, untagged }
        }),
        4 => (order(), 1..3u64, 1..4u128, any::<bool>(), select(Tender::ALL.to_vec()), lines())
            .prop_map(|(order, event, buyer, addressed, tender, lines)| {
                Ask::Sell { order, event, buyer, addressed, tender, lines }
            }),
        6 => (order(), any::<bool>(), replies())
            .prop_map(|(order, staff, answers)| Ask::Reply { order, staff, answers }),
        9 => order().prop_map(Ask::ReplyWell),
        4 => (order(), 1..5u128).prop_map(|(order, what)| Ask::Note(order, what)),
        3 => (order(), 0..8u64, 1..4u128).prop_map(|(order, event, name)| Ask::Rename(order, event, name)),
        5 => order().prop_map(Ask::Cancel),
        4 => order().prop_map(Ask::Expire),
        2 => order().prop_map(Ask::Defer),
        9 => (order(), 1..5u128, proptest::option::of(lines()), any::<bool>()).prop_map(
            |(order, refund, wish, restock)| {
                Ask::Refund { order, refund, wish, sum: None, failed: false, restock }
            }
        ),
        4 => (order(), 1..9u128).prop_map(|(order, refund)| {
            Ask::Refund { order, refund, wish: None, sum: None, failed: true, restock: false }
        }),
        5 => (order(), 1..5u128, select(vec![1, 50, 400, 500, 999, 1998, 0, -5]), any::<bool>())
            .prop_map(|(order, refund, sum, restock)| {
                Ask::Refund { order, refund, wish: None, sum: Some(sum), failed: false, restock }
            }),
        6 => (order(), 1..5u128, outcome)
            .prop_map(|(order, refund, outcome)| Ask::Answered { order, refund, outcome }),
        6 => (0..200usize).prop_map(Ask::Again),
    ]
}

/// Answers, of which many do not fit.
fn replies() -> impl Strategy<Value = Vec<(u8, u16, &'static str)>> {
    let texts = vec!["words", "yes", "blue", "blue", " ", "", "two\nlines"];
    proptest::collection::vec((0..4u8, 0..4u16, select(texts)), 0..5)
}

/// The address of a buyer.
fn address_of(buyer: u128) -> String {
    format!("{buyer}@example.org")
}

/// No order has this id.
fn key_of(buyer: u128) -> BuyerKey {
    BuyerKey(buyer + 500)
}

fn payment_of(order: u128) -> PaymentId {
    PaymentId(order + 1_000)
}

/// Makes a command of it, for the state that there is.
fn command(ask: &Ask, world: &World, before: &[Command]) -> Option<Command> {
    let id = OrderId;
    let known = |order: &u128| world.state.orders.get(&OrderId(*order));
    // What was said of an event once, the last first.
    let said = |slug: &str, nth: &Option<usize>| {
        let mut put = before.iter().rev().filter_map(|command| match command {
            Command::PutEvent { spec: put, .. } if put.slug == slug => Some(put),
            _ => None,
        });
        nth.and_then(|nth| put.nth(nth).cloned()).map(Box::new)
    };
    Some(match ask {
        Ask::Delete(slug, seen) => {
            Command::DeleteEvent { slug: (*slug).into(), seen: said(slug, seen) }
        }
        Ask::Over(id, spec, seen) => {
            let seen = said(&spec.slug, seen);
            Command::PutEventIf { id: EventId(*id), spec: (**spec).clone(), seen }
        }
        Ask::Parts(id, spec, kept, only) => Command::PutEventParts {
            id: EventId(*id),
            spec: (**spec).clone(),
            kept: kept.clone(),
            only: only.map(EventId),
        },
        Ask::Sale(event, to, seen) => {
            let known = world.state.events.get(&EventId(*event));
            let seen = known.and_then(|event| said(&event.spec.slug, seen));
            Command::SetSale { event: EventId(*event), to: *to, seen }
        }
        Ask::Event(id, spec) => Command::PutEvent { id: EventId(*id), spec: (**spec).clone() },
        Ask::Hold { order, event, buyer, named, untagged, lines, terms, most_ms } => {
            Command::Hold {
                order: id(*order),
                event: EventId(*event),
                buyer: Buyer {
                    name: if *named { "Ann".into() } else { " ".into() },
                    email: if *named { address_of(*buyer) } else { String::new() },
                    key: key_of(*buyer),
                    language: boxoffice::Language::EN,
                },
                untagged: untagged.map(key_of),
                lines: wishes(lines),
                terms: Terms {
                    code: terms.0.map(String::from),
                    shown: lines
                        .iter()
                        .zip(terms.1)
                        .map(|((t, _), minor)| (ticket_type(*t), minor))
                        .collect(),
                },
                metadata: noted(*buyer),
                most_ms: *most_ms,
            }
        }
        Ask::Push(order, well) => return push(*order, known(order)?, *well),
        Ask::Pay { order, token, live } => Command::Pay {
            order: id(*order),
            payment: payment_of(*order),
            live: *live,
            token: (*token).into(),
        },
        Ask::Created(order, intent) => {
            Command::IntentCreated { order: id(*order), intent: format!("pi_{intent}") }
        }
        Ask::Declined(order, attempt) => {
            Command::AttemptDeclined { order: id(*order), attempt: *attempt, reason: "no".into() }
        }
        Ask::Read { order, intent, status, lie, books } => {
            let mut read = truth(*order, known(order)?, *status);
            read.id = format!("pi_{intent}");
            match lie {
                0 => read.amount.minor += 1,
                1 => read.amount.currency = Currency::parse("EUR").unwrap(),
                2 => read.live = !read.live,
                3 => read.order = None,
                4 => read.payment = Some(payment_of(order + 1)),
                5..=9 => read.action = Some(format!("show {lie}")),
                _ => {}
            }
            if *status == IntentStatus::Succeeded {
                books.tell(&mut read, *order, before.len());
            }
            let known = match *lie % 4 {
                3 => SeenVersion::NOTHING,
                2 => SeenVersion::confirming(known(order)?),
                _ => SeenVersion::of(known(order)?),
            };
            Command::Reconcile { order: id(*order), intent: read, known }
        }
        Ask::Find(event, buyer) => {
            Command::FindOrder { event: EventId(*event), buyer: key_of(*buyer) }
        }
        Ask::Name(order, number, name) => {
            Command::NameTicket { order: id(*order), number: *number, name: (*name).into() }
        }
        Ask::Sell { order, event, buyer, addressed, tender, lines } => Command::Sell {
            order: id(*order),
            event: EventId(*event),
            buyer: Buyer {
                name: format!("Guest {buyer}"),
                email: if *addressed { address_of(*buyer) } else { String::new() },
                key: key_of(*buyer),
                language: boxoffice::Language::EN,
            },
            untagged: None,
            lines: wishes(lines),
            tender: *tender,
            reference: "receipt 7".into(),
            metadata: noted(*buyer),
            shown_minor: None,
        },
        Ask::Reply { order, staff, answers } => {
            let wish = |(q, ticket, value): &(u8, u16, &'static str)| AnswerWish {
                question: question_id(*q),
                ticket: Some(*ticket).filter(|ticket| *ticket > 0),
                value: (*value).into(),
            };
            let answers = answers.iter().map(wish).collect();
            Command::Answer { order: id(*order), answers, staff: *staff }
        }
        Ask::ReplyWell(order) => {
            let known = known(order)?;
            let asked = known.asked(&world.state.events[&known.event]);
            let wish = |asked: &Asked<'_>| AnswerWish {
                question: asked.question.id.clone(),
                ticket: asked.ticket,
                value: fitting(asked.question).into(),
            };
            let answers = asked.iter().map(wish).collect();
            Command::Answer { order: id(*order), answers, staff: false }
        }
        Ask::Note(order, what) => {
            Command::PutMetadata { order: id(*order), metadata: noted(*what) }
        }
        Ask::Rename(order, event, name) => {
            let of = known(order).filter(|_| *event > 0).map(|order| order.event);
            let (event, key) = (of.unwrap_or(EventId(1)), key_of(*name));
            // See `Ask::Address`.
            if clashes(world, known(order), event, &[key]) {
                return None;
            }
            let name = if *name == 3 { "Guest 1".into() } else { format!("Guest {name}") };
            Command::CorrectName { order: id(*order), event, name, key }
        }
        Ask::Renew(order, most_ms) => Command::Renew { order: id(*order), most_ms: *most_ms },
        Ask::Erase { event, orders, because } => Command::Erase {
            event: EventId(*event),
            orders: orders.iter().copied().map(OrderId).collect(),
            because: *because,
        },
        Ask::Address { order, event, buyer, untagged } => {
            // Mostly of its own event.
            let of = known(order).filter(|_| *event > 0).map(|order| order.event);
            let (event, email) = (of.unwrap_or(EventId(1)), address_of(*buyer));
            let (key, untagged) = (key_of(*buyer), untagged.map(key_of));
            if clashes(world, known(order), event, &[key, untagged.unwrap_or(key)]) {
                return None;
            }
            Command::ChangeAddress { order: id(*order), event, email, key, untagged }
        }
        Ask::Cancel(order) => Command::Cancel { order: id(*order) },
        Ask::Expire(order) => Command::Expire { order: id(*order) },
        Ask::Defer(order) => {
            Command::Defer { order: id(*order), trouble: "no answer".into(), wait_ms: Some(99) }
        }
        Ask::Refund { order, refund, wish, sum, failed, restock } => Command::Refund {
            order: id(*order),
            refund: RefundId(*refund),
            wish: match (wish, sum) {
                _ if *failed => RefundWish::Failed,
                (_, Some(sum)) => RefundWish::Amount(*sum),
                (Some(lines), None) => RefundWish::Lines(wishes(lines)),
                (None, None) => RefundWish::All,
            },
            restock: *restock,
        },
        Ask::Answered { order, refund, outcome } => {
            // Sometimes it is the office's own refund of money that came too late.
            let refund = if *refund == 4 { payment_of(*order).0 } else { *refund };
            let outcome = outcome.clone();
            Command::RefundAnswered { order: id(*order), refund: RefundId(refund), outcome }
        }
        Ask::Again(n) if before.is_empty() => return command(&Ask::Expire(*n as u128), world, &[]),
        Ask::Again(n) => before[n % before.len()].clone(),
    })
}

/// Ids rise with time. Here they do not; then the latest order of two buyers cannot be told.
fn clashes(world: &World, order: Option<&Order>, event: EventId, keys: &[BuyerKey]) -> bool {
    let other = |key: &BuyerKey| {
        let record = world.state.buyers.get(&(event, *key))?;
        world.state.orders.get(&record.order)
    };
    let falls = |a: &Order, b: &Order| (a.id < b.id) != ((a.placed_ms, a.id) < (b.placed_ms, b.id));
    order.is_some_and(|order| keys.iter().filter_map(other).any(|o| falls(order, o)))
}

fn truth(id: u128, order: &Order, status: IntentStatus) -> Intent {
    Intent {
        id: format!("pi_{id}"),
        status,
        amount: order.total(),
        received_minor: if status == IntentStatus::Succeeded { order.total().minor } else { 0 },
        live: order.payment.as_ref().is_some_and(|p| p.live),
        order: Some(order.id),
        payment: Some(payment_of(id)),
        action: None,
        last_error: None,
        refunds: vec![],
        dispute: None,
    }
}

/// The usual next step of an order.
fn push(id: u128, order: &Order, well: bool) -> Option<Command> {
    let read = |status| Command::Reconcile {
        order: order.id,
        intent: truth(id, order, status),
        known: SeenVersion::of(order),
    };
    let pay =
        Command::Pay { order: order.id, payment: payment_of(id), live: false, token: "tok".into() };
    Some(match order.state {
        OrderState::Held => pay,
        OrderState::Paying => match &order.payment {
            Some(p) if p.intent.is_none() => {
                Command::IntentCreated { order: order.id, intent: format!("pi_{id}") }
            }
            Some(p) if p.open_attempt().is_none() => pay,
            Some(p) if !well => Command::AttemptDeclined {
                order: order.id,
                attempt: p.attempts.len() as u16,
                reason: "no".into(),
            },
            _ => read(IntentStatus::RequiresCapture),
        },
        OrderState::Canceling => read(IntentStatus::Canceled),
        OrderState::Committed if well => read(IntentStatus::Succeeded),
        OrderState::Committed => read(IntentStatus::Canceled),
        // One by one.
        OrderState::Paid => Command::Refund {
            order: order.id,
            refund: RefundId(10 + order.refunds.len() as u128),
            wish: RefundWish::Lines(wishes(&[(order.lines[0].ticket_type as u8, 1)])),
            restock: id.is_multiple_of(2),
        },
        OrderState::Refunding | OrderState::Refunded | OrderState::Released | OrderState::Void => {
            let pending = order.refunds.iter().find(|r| r.state == RefundState::Pending)?;
            let outcome = match well {
                true => RefundOutcome::Succeeded("re".into()),
                false => RefundOutcome::Failed("no".into()),
            };
            Command::RefundAnswered { order: order.id, refund: pending.id, outcome }
        }
    })
}

#[test]
fn the_naive_box_office_says_the_same() {
    // Mostly at once: else every hold has run out before anything becomes of it.
    let waits = prop_oneof![
        40 => Just(0),
        10 => select(vec![1, 500, 9_000]),
        5 => select(vec![60_000, 299_999, 300_000, 2_000_000]),
    ];
    let asks = proptest::collection::vec((waits, ask()), 1..160);
    let config = cases(1_600);
    let many = config.cases >= 1_600;
    // The answers that were heard. A walk that never gets far agrees with everything.
    let heard = RefCell::new(BTreeSet::new());
    let ran = TestRunner::new(config).run(&asks, |asks| {
        let (mut world, mut model, mut now) = (World::default(), Model::default(), 1_000);
        let mut before = Vec::new();
        for (wait, ask) in opening().into_iter().map(|e| (0, e)).chain(asks) {
            now += wait;
            let Some(command) = command(&ask, &world, &before) else { continue };
            let was = world.state.clone();
            let answer = world.step(&command, now);
            prop_assert!(answer.is_ok() || was == world.state, "a refusal changes nothing");
            let (answer, told) = (said(&answer), model.tell(&command, now));
            prop_assert_eq!(&answer, &told, "the answer to {:?} at {}", command, now);
            let (seen, there) = (seen(&world.state), model.seen());
            prop_assert_eq!(seen, there, "after {:?} at {}", command, now);
            let words: Vec<&str> = answer.split(' ').take(2).collect();
            heard.borrow_mut().insert(words.join(" "));
            before.push(command);
        }
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    let heard = heard.into_inner();
    let states = OrderState::ALL.map(|s| s.word().to_owned());
    let refusals = [
        "limit",
        "sold_out",
        "hold_expired",
        "payment_expired",
        "payment_under_way",
        "already_paid",
        "canceled",
        "not_due",
        "not_paid",
        "refund_under_way",
        "nothing_to_refund",
        "capacity_below_taken",
        "tags_fixed",
        "address_fixed",
        "event_over",
        "answers_missing",
        "answer_invalid",
        "answers_fixed",
        "event_ordered",
        "unknown_event",
        "unknown_code",
        "code_invalid",
        "code_used_up",
        "price_changed",
        "capacity_too_late",
    ];
    let expected = states
        .into_iter()
        .chain([
            "paying 2".into(),
            "erased 0".into(),
            "erased 1".into(),
            "erased 2".into(),
            "deleted".into(),
        ])
        .chain(refusals.map(|r| format!("refused {r}")));
    for answer in expected.filter(|_| many) {
        assert!(heard.contains(&answer), "the walk never got as far as {answer:?}: {heard:?}");
    }
}

/// An answer of the core in the words of the model.
fn said(answer: &Result<Decision, Refusal>) -> String {
    match answer.as_ref().map(|d| d.reply) {
        Ok(Reply::Event { created, .. }) => if created { "new" } else { "changed" }.into(),
        Ok(Reply::EventDeleted { .. }) => "deleted".into(),
        Ok(Reply::Held { until_ms, .. }) => format!("held until {until_ms}"),
        Ok(Reply::Erased { erased, left, .. }) => format!("erased {erased} left {left}"),
        Ok(Reply::Found { order }) => format!("found {}", order.0),
        Ok(Reply::Paying { attempt, .. }) => format!("paying {attempt}"),
        Ok(Reply::Order { state, .. }) => state.word().into(),
        Ok(Reply::Refunding { amount_minor, .. }) => format!("refunding {amount_minor}"),
        Err(refusal) => format!("refused {}", why(refusal)),
    }
}

fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid(_) => "invalid".into(),
        Refusal::UnknownEvent => "unknown_event".into(),
        Refusal::UnknownTicketType(_) => "unknown_ticket_type".into(),
        Refusal::UnknownOrder => "unknown_order".into(),
        Refusal::NotYetOnSale(_) => "not_on_sale".into(),
        Refusal::SaleClosed(_) => "sale_closed".into(),
        Refusal::EventOver(_) => "event_over".into(),
        Refusal::SalePaused => "sale_paused".into(),
        Refusal::EventCanceled => "event_canceled".into(),
        Refusal::EventDiffers => "event_differs".into(),
        Refusal::EventExists => "event_exists".into(),
        Refusal::EventOrdered => "event_ordered".into(),
        Refusal::TypeNotYetOnSale { ticket_type, .. } => format!("not_on_sale {ticket_type}"),
        Refusal::TypeSaleClosed { ticket_type, .. } => format!("sale_closed {ticket_type}"),
        Refusal::UnknownCode => "unknown_code".into(),
        Refusal::CodeNotYetValid(_) | Refusal::CodeOver(_) => "code_invalid".into(),
        Refusal::CodeUsedUp { left, held } => format!("code_used_up left {left} held {held}"),
        Refusal::PriceChanged { ticket_type, .. } => format!("price_changed {ticket_type}"),
        Refusal::TotalChanged { .. } => "total_changed".into(),
        Refusal::TypeSoldUncounted(id) => format!("capacity_too_late {id}"),
        Refusal::SoldOut { ticket_type, left, held } => {
            format!("sold_out {ticket_type} left {left} held {held}")
        }
        Refusal::LimitPerOrder(_) | Refusal::LimitPerBuyer { .. } => "limit".into(),
        Refusal::HoldExpired => "hold_expired".into(),
        Refusal::PaymentExpired => "payment_expired".into(),
        Refusal::TooManyAttempts { .. } => "too_many_attempts".into(),
        Refusal::PaymentUnderWay => "payment_under_way".into(),
        Refusal::AlreadyPaid => "already_paid".into(),
        Refusal::Canceled(state) => format!("canceled {}", state.word()),
        Refusal::NotDue => "not_due".into(),
        Refusal::AnswersMissing { .. } => "answers_missing".into(),
        Refusal::AnswerInvalid(_) => "answer_invalid".into(),
        Refusal::AnswersFixed(_) => "answers_fixed".into(),
        Refusal::AddressFixed(why) => match why {
            AddressFixed::NoTickets(state) => format!("address_fixed {}", state.word()),
            AddressFixed::Erased => "address_fixed erased".into(),
            AddressFixed::Never => "address_fixed never".into(),
            AddressFixed::EventOver(_) => "address_fixed over".into(),
            AddressFixed::Newest => "address_fixed newest".into(),
        },
        Refusal::NotPaid(state) => format!("not_paid {}", state.word()),
        Refusal::RefundUnderWay => "refund_under_way".into(),
        Refusal::NothingToRefund => "nothing_to_refund".into(),
        Refusal::RefundTooLarge { ticket_type, left } => {
            format!("refund_too_large {ticket_type} left {left}")
        }
        Refusal::AmountTooLarge { most } => format!("amount_too_large {}", most.minor),
        Refusal::NoTickets(state) => format!("no_tickets {}", state.word()),
        Refusal::UnknownTicket(_) => "unknown_ticket".into(),
        Refusal::TicketRevoked => "ticket_revoked".into(),
        Refusal::NamesFixed(_) => "names_fixed".into(),
        Refusal::TooManyNames(_) => "too_many_names".into(),
        Refusal::BuyerErased => "buyer_erased".into(),
        Refusal::CapacityBelowTaken { pool, taken } => {
            format!("capacity_below_taken {pool} {taken}")
        }
        Refusal::CurrencyFixed => "currency_fixed".into(),
        Refusal::TagsFixed => "tags_fixed".into(),
        Refusal::LimitTooLate { .. } => "limit_too_late".into(),
        Refusal::PoolFixed(id) => format!("pool_fixed {id}"),
        Refusal::TooManyParts => "too_many_parts".into(),
    }
}

/// The core's pools and orders in the words of the model.
fn seen(state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for event in state.events.values() {
        for Pool { name, capacity, held, sold } in &event.pools {
            lines.push(format!("pool {} {name} held {held} sold {sold} of {capacity}", event.id.0));
        }
    }
    for order in state.orders.values() {
        let letter = |a: &Attempt| match a.state {
            AttemptState::Pending => '?',
            AttemptState::Action => '!',
            AttemptState::Declined(_) => 'n',
            AttemptState::Authorised => 'y',
            AttemptState::Abandoned => 'x',
        };
        let attempts: String = order.payment.iter().flat_map(|p| &p.attempts).map(letter).collect();
        let owed = match owed(order) {
            Owed::Nothing => "nothing".into(),
            Owed::Expiry => "expiry".into(),
            Owed::Create(_) => "create".into(),
            Owed::Confirm(_, attempt) => format!("confirm {}", attempt.number),
            Owed::Read(_) => "read".into(),
            Owed::Capture(_) => "capture".into(),
            Owed::Cancel(_) => "cancel".into(),
            Owed::Refund(..) => "refund".into(),
        };
        let ticket = |t: &boxoffice::Ticket| {
            let named = usize::from(t.revision);
            (t.serial, t.state == TicketState::Valid, named, t.guest.clone())
        };
        let mut tickets: Vec<_> = order.tickets.iter().map(ticket).collect();
        tickets.sort_unstable();
        let outcome = |r: &Refund| match r.state {
            RefundState::Pending => '?',
            RefundState::Succeeded(_) => 'y',
            RefundState::Failed(_) if r.failed_later() => 'l',
            RefundState::Failed(_) => 'n',
        };
        let refunds: Vec<_> =
            order.refunds.iter().map(|r| (r.id.0, r.amount_minor, outcome(r), r.by_hand)).collect();
        let dispute = order.payment.as_ref().and_then(|p| p.dispute.as_ref());
        let dispute = dispute.map(|d| (&d.id, &d.status, d.amount_minor));
        let (total, currency) = (order.total().minor, order.currency.code());
        let slip = |a: &boxoffice::Answer| {
            (a.question.clone(), a.ticket.map_or(0, usize::from), a.value.clone())
        };
        let mut slips: Vec<_> = order.answers.iter().map(slip).collect();
        slips.sort();
        let notes: Vec<_> = order.metadata.iter().collect();
        lines.push(format!(
            "order {} {} of {} until {} total {total} {currency} attempts {attempts:?} owed {owed} tickets {tickets:?} refunds {refunds:?} dispute {dispute:?} paid by {} for {} slips {slips:?} notes {notes:?}",
            order.id.0,
            order.state.word(),
            order.buyer.key.0,
            order.until_ms,
            order.tender.word(),
            order.buyer.name,
        ));
    }
    lines.sort();
    lines
}

/// What becomes of one call on its way.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Fine,
    /// It never arrives, and nobody knows.
    LostBefore,
    /// It arrives, and its answer does not.
    LostAfter,
    /// It arrives so much later, and its answer does not.
    Late(TimeMs),
    /// It arrives, is answered, and arrives once more later.
    Twice(TimeMs),
    /// It certainly did not arrive.
    NotDone,
    /// It arrives, and then the worker dies.
    Crash,
}

/// What happens in the world.
#[derive(Clone, Debug)]
enum Happening {
    Hold {
        order: u128,
        buyer: u128,
        lines: Vec<(u8, i64)>,
    },
    Pay {
        order: u128,
        token: &'static str,
    },
    Cancel(u128),
    /// The timer has an old list.
    Expire(u128),
    /// The worker does what is due, and its calls have these fates.
    Work(Vec<Fate>),
    /// A webhook or a browser's return: the payment is read; what was read may be believed late.
    Read {
        order: u128,
        late: bool,
    },
    /// What was read before is believed only now.
    Believe(usize),
    Finish {
        order: u128,
        well: bool,
    },
    /// Somebody does something at the provider's own desk.
    ByHand {
        order: u128,
        what: ByHand,
    },
    Refund {
        order: u128,
        refund: u128,
        wish: Option<i64>,
        restock: bool,
    },
    Wait(TimeMs),
}

fn fate() -> impl Strategy<Value = Fate> {
    let delay = || select(vec![100, 2_000, 70_000, 400_000, 700_000_000]);
    prop_oneof![
        6 => Just(Fate::Fine),
        1 => Just(Fate::LostBefore),
        2 => Just(Fate::LostAfter),
        2 => delay().prop_map(Fate::Late),
        1 => delay().prop_map(Fate::Twice),
        1 => Just(Fate::NotDone),
        1 => Just(Fate::Crash),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let order = || 1..7u128;
    let tokens = vec!["ok", "ok", "ok", "declined", "3ds", "3ds", "slow"];
    prop_oneof![
        4 => (order(), 1..4u128, 0..4u8, 1..3i64)
            .prop_map(|(order, buyer, t, n)| Happening::Hold { order, buyer, lines: vec![(t, n)] }),
        2 => (order(), 1..4u128)
            .prop_map(|(order, buyer)| Happening::Hold { order, buyer, lines: vec![(0, 1), (2, 1)] }),
        6 => (order(), select(tokens)).prop_map(|(order, token)| Happening::Pay { order, token }),
        2 => order().prop_map(Happening::Cancel),
        2 => order().prop_map(Happening::Expire),
        12 => proptest::collection::vec(fate(), 0..12).prop_map(Happening::Work),
        4 => (order(), any::<bool>()).prop_map(|(order, late)| Happening::Read { order, late }),
        3 => (0..9usize).prop_map(Happening::Believe),
        3 => (order(), any::<bool>()).prop_map(|(order, well)| Happening::Finish { order, well }),
        4 => (order(), by_hand()).prop_map(|(order, what)| Happening::ByHand { order, what }),
        3 => (order(), 20..40u128, proptest::option::of(select(vec![0, 1, 1, 2, 2, 3, 400, 999, 1998])), any::<bool>())
            .prop_map(|(order, refund, wish, restock)| Happening::Refund { order, refund, wish, restock }),
        6 => select(vec![300, 5_000, 60_000, 300_000, 700_000_000]).prop_map(Happening::Wait),
    ]
}

fn by_hand() -> impl Strategy<Value = ByHand> {
    let sum = proptest::option::of(select(vec![1, 5, 500, 999]));
    prop_oneof![
        2 => Just(ByHand::Capture),
        2 => select(vec![1, 499, 99_999]).prop_map(ByHand::CaptureLess),
        1 => Just(ByHand::Cancel),
        6 => sum.prop_map(ByHand::Refund),
        2 => Just(ByHand::RefundFails),
        2 => select(vec!["needs_response", "lost"]).prop_map(ByHand::Dispute),
    ]
}

/// The box office, its worker, the provider and what is still on its way between them.
struct Sale {
    world: World,
    provider: Provider,
    now: TimeMs,
    under_way: Vec<(TimeMs, Call)>,
    /// Readings that are not believed yet.
    readings: Vec<Command>,
}

impl Sale {
    fn open() -> Sale {
        let [Ask::Event(id, spec), _] = opening() else { unreachable!("two shows") };
        let mut sale = Sale {
            world: World::default(),
            provider: Provider::default(),
            now: 0,
            under_way: Vec::new(),
            readings: Vec::new(),
        };
        sale.ask(Command::PutEvent { id: EventId(id), spec: *spec });
        sale
    }

    /// Asks the office; a no is fine. Then looks at the money.
    fn ask(&mut self, command: Command) {
        let _ = self.world.step(&command, self.now);
        self.check_money();
    }

    fn order(&self, id: u128) -> Option<&Order> {
        self.world.state.orders.get(&OrderId(id))
    }

    fn intent_of(&self, order: u128) -> Option<String> {
        self.order(order)?.payment.as_ref()?.intent.clone()
    }

    fn happen(&mut self, happening: &Happening) {
        let id = OrderId;
        match happening {
            Happening::Hold { order, buyer, lines } => {
                let buyer = Buyer {
                    name: "Ann".into(),
                    email: String::new(),
                    key: BuyerKey(*buyer),
                    language: boxoffice::Language::EN,
                };
                let (order, event, lines) = (id(*order), EventId(1), wishes(lines));
                self.ask(Command::Hold {
                    order,
                    event,
                    buyer,
                    untagged: None,
                    lines,
                    terms: boxoffice::Terms::default(),
                    metadata: boxoffice::Metadata::default(),
                    most_ms: None,
                });
            }
            Happening::Pay { order, token } => self.ask(Command::Pay {
                order: id(*order),
                payment: payment_of(*order),
                live: false,
                token: (*token).into(),
            }),
            Happening::Cancel(order) => self.ask(Command::Cancel { order: id(*order) }),
            Happening::Expire(order) => self.ask(Command::Expire { order: id(*order) }),
            Happening::Work(fates) => self.work(fates),
            Happening::Read { order, late } => {
                if let Some(intent) = self.intent_of(*order) {
                    let intent = self.provider.read(&intent, self.now);
                    let known = self.order(*order).map_or(SeenVersion::NOTHING, SeenVersion::of);
                    let command = Command::Reconcile { order: id(*order), intent, known };
                    match late {
                        true => self.readings.push(command),
                        false => self.ask(command),
                    }
                }
            }
            Happening::Believe(n) if self.readings.is_empty() => self.arrive(*n as TimeMs),
            Happening::Believe(n) => {
                let command = self.readings.remove(n % self.readings.len());
                self.ask(command);
            }
            Happening::Finish { order, well } => {
                if let Some(intent) = self.intent_of(*order) {
                    self.provider.finish(&intent, *well);
                }
            }
            Happening::ByHand { order, what } => {
                if let Some(intent) = self.intent_of(*order) {
                    self.provider.by_hand(&intent, *what, self.now);
                }
            }
            Happening::Refund { order, refund, wish, restock } => {
                let first = self.order(*order).and_then(|o| o.lines.first()).map(|l| l.ticket_type);
                let wish = match (wish, first) {
                    (Some(0), _) => RefundWish::Failed,
                    (Some(sum @ 3..), _) => RefundWish::Amount(*sum),
                    (Some(quantity), Some(t)) => RefundWish::Lines(wishes(&[(t as u8, *quantity)])),
                    _ => RefundWish::All,
                };
                // An id is one order's for ever.
                let refund = RefundId(refund + 100 * order);
                self.ask(Command::Refund { order: id(*order), refund, wish, restock: *restock });
            }
            Happening::Wait(by) => {
                self.now += by;
                self.arrive(self.now);
            }
        }
    }

    /// Calls that were delayed arrive; nobody hears their answers.
    fn arrive(&mut self, until: TimeMs) {
        let (due, later): (Vec<_>, Vec<_>) =
            self.under_way.drain(..).partition(|(at, _)| *at <= until);
        self.under_way = later;
        for (_, call) in due {
            self.provider.call(&call, self.now);
        }
        self.check_money();
    }

    /// The payment worker: for every order that is due, what it owes.
    fn work(&mut self, fates: &[Fate]) {
        let mut fates = fates.iter().copied().chain(std::iter::repeat(Fate::Fine));
        let due = |o: &&Order| o.due_ms.is_some_and(|due| due <= self.now);
        let ids: Vec<_> = self.world.state.orders.values().filter(due).map(|o| o.id).collect();
        for id in ids {
            let order = self.world.state.orders[&id].clone();
            if let Some(command) = self.settle(&order, &mut fates) {
                self.ask(command);
            }
        }
    }

    fn settle(&mut self, order: &Order, fates: &mut dyn Iterator<Item = Fate>) -> Option<Command> {
        let id = order.id;
        let intent = |payment: &Payment| payment.intent.clone().unwrap();
        let call = match owed(order) {
            Owed::Nothing => return None,
            Owed::Expiry => return Some(Command::Expire { order: id }),
            Owed::Read(payment) => return self.read(order, payment, fates),
            Owed::Create(payment) => Call::Create {
                order: id,
                payment: payment.id,
                minor: order.total().minor,
                currency: order.currency,
                live: payment.live,
            },
            Owed::Confirm(payment, attempt) => Call::Confirm {
                intent: intent(payment),
                attempt: attempt.number,
                token: attempt.token.clone(),
            },
            Owed::Capture(payment) => Call::Capture { intent: intent(payment) },
            Owed::Cancel(payment) => Call::Cancel { intent: intent(payment) },
            Owed::Refund(payment, refund) => {
                if let Some(outcome) = self.provider.find_refund(refund.id) {
                    return Some(Command::RefundAnswered { order: id, refund: refund.id, outcome });
                }
                Call::Refund {
                    intent: intent(payment),
                    refund: refund.id,
                    minor: refund.amount_minor,
                }
            }
        };
        let fate = fates.next().unwrap_or(Fate::Fine);
        let answer = match fate {
            Fate::LostBefore | Fate::NotDone => None,
            Fate::Late(by) => {
                self.under_way.push((self.now + by, call.clone()));
                None
            }
            Fate::Fine => Some(self.provider.call(&call, self.now)),
            Fate::LostAfter => {
                self.provider.call(&call, self.now);
                None
            }
            Fate::Twice(by) => {
                self.under_way.push((self.now + by, call.clone()));
                Some(self.provider.call(&call, self.now))
            }
            Fate::Crash => {
                self.provider.call(&call, self.now);
                return None;
            }
        };
        let payment = order.payment.as_ref().unwrap();
        match (answer, &call) {
            (Some(Answer::Intent(intent)), Call::Create { .. }) => {
                Some(Command::IntentCreated { order: id, intent: intent.id })
            }
            (Some(Answer::Intent(intent)), Call::Confirm { .. }) => {
                let known = SeenVersion::confirming(order);
                Some(Command::Reconcile { order: id, intent: *intent, known })
            }
            (Some(Answer::Intent(intent)), _) => Some(Command::Reconcile {
                order: id,
                intent: *intent,
                known: SeenVersion::of(order),
            }),
            (Some(Answer::Refund(outcome)), Call::Refund { refund, .. }) => {
                Some(Command::RefundAnswered { order: id, refund: *refund, outcome })
            }
            (Some(Answer::Declined(reason)), Call::Confirm { attempt, .. }) => {
                Some(Command::AttemptDeclined { order: id, attempt: *attempt, reason })
            }
            (Some(Answer::Refused(reason)), Call::Create { .. }) => {
                let attempt = payment.attempts.len() as u16;
                Some(Command::AttemptDeclined { order: id, attempt, reason })
            }
            (Some(Answer::Refused(why)), Call::Refund { refund, .. }) => {
                let outcome = RefundOutcome::Failed(why);
                Some(Command::RefundAnswered { order: id, refund: *refund, outcome })
            }
            (None, Call::Create { .. } | Call::Refund { .. }) => Some(defer(order)),
            _ if fate == Fate::NotDone => Some(defer(order)),
            // It may have happened or not, or it is no longer as we thought: read it back.
            _ => self.read(order, payment, fates),
        }
    }

    fn read(
        &mut self,
        order: &Order,
        payment: &Payment,
        fates: &mut dyn Iterator<Item = Fate>,
    ) -> Option<Command> {
        match fates.next() {
            Some(Fate::Fine | Fate::Twice(_) | Fate::Late(_)) | None => {
                let intent = self.provider.read(payment.intent.as_ref().unwrap(), self.now);
                Some(Command::Reconcile { order: order.id, intent, known: SeenVersion::of(order) })
            }
            Some(Fate::Crash) => None,
            Some(_) => Some(defer(order)),
        }
    }

    /// What the ledger must say at every moment.
    fn check_money(&self) {
        for order in self.world.state.orders.values() {
            let of_order = || self.provider.ledger().filter(|(i, _, _)| i.order == Some(order.id));
            let captured: i64 = of_order().map(|(_, captured, _)| captured).sum();
            let returned: i64 = of_order().map(|(_, _, returned)| returned).sum();
            let total = order.total().minor;
            assert!(captured <= total, "{:?} was charged twice", order.id);
            assert!(returned <= captured, "{:?}: more went back than came", order.id);
            // What others give back by hand is known only when it is read.
            let of_ours = |r: &&RefundSeen| r.ours.is_some() && !r.failed;
            let ours = of_order().flat_map(|(i, _, _)| &i.refunds).filter(of_ours);
            let given: i64 = ours.map(|r| r.amount_minor).sum();
            let worth = valid(order) - beside(order);
            assert!(worth <= captured - given, "{:?}: tickets without money", order.id);
        }
    }

    /// The doorbell of every payment rings, and nothing is lost on the way.
    fn look_at_all(&mut self) {
        for id in self.world.state.orders.keys().copied().collect::<Vec<_>>() {
            if let Some(intent) = self.intent_of(id.0) {
                let intent = self.provider.read(&intent, self.now);
                let known = self.order(id.0).map_or(SeenVersion::NOTHING, SeenVersion::of);
                self.ask(Command::Reconcile { order: id, intent, known });
            }
        }
    }

    /// The faults are over. Time passes, and the worker does what is due, until nothing is.
    fn settle_down(&mut self) {
        for _ in 0..2_000 {
            let due = self.world.state.orders.values().filter_map(|o| o.due_ms);
            let next = due.chain(self.under_way.iter().map(|(at, _)| *at)).min();
            let Some(next) = next else { return };
            self.now = self.now.max(next);
            self.arrive(self.now);
            self.work(&[]);
        }
        panic!("it never settles: {:#?}", self.world.state.orders);
    }

    /// At the end: money for tickets and tickets for money, and all the rest went back.
    fn check_end(&self) {
        for order in self.world.state.orders.values() {
            let id = order.id;
            let mut kept = 0;
            for (intent, captured, returned) in self.provider.ledger() {
                if intent.order != Some(id) {
                    continue;
                }
                kept += captured - returned;
                let known = order.payment.as_ref().and_then(|p| p.intent.as_ref());
                if known != Some(&intent.id) {
                    let status = IntentStatus::RequiresPaymentMethod;
                    assert_eq!(intent.status, status, "{id:?}: nobody knows of {intent:?}");
                } else {
                    let dead =
                        matches!(intent.status, IntentStatus::Canceled | IntentStatus::Succeeded);
                    assert!(dead, "{id:?}: {intent:?} may still take money");
                }
            }
            let refused = order.refunds.iter().any(|r| matches!(r.state, RefundState::Failed(_)));
            match order.state {
                OrderState::Paid | OrderState::Refunded => {
                    let books = order.total().minor - order.refunded().minor;
                    assert_eq!(kept, books, "{id:?}: our books and the provider's");
                    let told = self.world.told.contains(&id);
                    let worth = (valid(order) - beside(order)).max(0);
                    assert!(kept == worth || told, "{id:?}: {kept} for {worth}");
                    assert!(kept > 0 || valid(order) == 0, "{id:?}: tickets without money");
                }
                OrderState::Released | OrderState::Void => {
                    if kept > 0 {
                        assert!(
                            refused && order.trouble.is_some(),
                            "{id:?}: money without tickets"
                        );
                    }
                }
                other => panic!("{id:?} stays {other:?}"),
            }
        }
        let event = &self.world.state.events[&EventId(1)];
        assert!(event.pools.iter().all(|p| p.held == 0), "a place leaked");
    }
}

/// What was given back beside tickets that are still valid, or is on its way.
fn beside(order: &Order) -> i64 {
    let loose = |r: &&Refund| r.of_amount && r.quantities.iter().all(|q| *q == 0);
    order.refunds.iter().filter(loose).map(Refund::given_minor).sum()
}

/// What an order's valid tickets cost.
fn valid(order: &Order) -> i64 {
    let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid);
    valid.map(|t| order.lines[usize::from(t.line)].unit_minor).sum()
}

fn defer(order: &Order) -> Command {
    Command::Defer { order: order.id, trouble: "no answer".into(), wait_ms: None }
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn money_and_tickets_agree_whatever_the_network_does(
        happenings in proptest::collection::vec(happening(), 1..70),
    ) {
        let mut sale = Sale::open();
        for happening in &happenings {
            sale.happen(happening);
        }
        sale.settle_down();
        sale.look_at_all();
        sale.settle_down();
        sale.check_end();
        let before = sale.world.state.clone();
        sale.look_at_all();
        assert_eq!(before, sale.world.state, "looking once more changes nothing");
    }
}
