//! Every no that a buyer or an organiser hears must have been right at some moment between question
//! and answer. A code that is not known here is one that nobody has thought about, and breaks the
//! promise, too.

use super::Auditor;
use super::history::{Question, Shown};
use super::limit::person;
use super::pools::sale_ends;
use super::shown::provider_owes;
use crate::trace::{Promise, Trace};
use boxoffice::{
    AttemptState, CounterKind, EventSpec, Order, OrderId, OrderState, RefundState, TypeRules,
};
use nts_api::ProblemCode;
use serde_json::Value;
use std::net::IpAddr;

/// The most attempts to pay of one order.
pub(super) const MOST_ATTEMPTS: usize = 5;

/// Who asks for what.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Places: so many of these ticket types.
    Hold {
        /// What.
        lines: Vec<(String, i64)>,
        /// Whose name and e-mail address.
        buyer: (String, String),
        /// From which address.
        network: IpAddr,
    },
    /// To pay an order.
    Pay {
        /// Which.
        order: OrderId,
        /// From which address.
        network: IpAddr,
    },
    /// To give an order back.
    Cancel(OrderId),
    /// To see an order.
    See(OrderId),
    /// To give money back: so many of these ticket types, or all.
    Refund {
        /// Of which order.
        order: OrderId,
        /// What; none: all that is left.
        lines: Option<Vec<(String, i64)>>,
        /// What failed before, and nothing else.
        failed: bool,
        /// So much, in minor units, and no tickets.
        amount: Option<i64>,
    },
    /// Another event, as it was sent.
    Put(Value),
    /// To sell so many of these ticket types at the box office.
    Sell {
        /// What.
        lines: Vec<(String, i64)>,
        /// To whom.
        name: String,
    },
    /// To answer the questions of an order.
    Answer(OrderId),
}

/// A no.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The code; none if it is not one of the API's.
    pub code: Option<ProblemCode>,
    /// The body.
    pub body: &'a Value,
    /// Under which idempotency key it was asked.
    pub key: Option<&'a str>,
}

/// The number that follows a text.
fn number_after(text: &str, before: &str) -> Option<i64> {
    let (_, rest) = text.split_once(before)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Whether a question is answered for all of an order.
pub(super) fn is_answered(order: &Order, question: &str) -> bool {
    order
        .answers
        .iter()
        .any(|a| a.question == question && a.ticket.is_none() && !a.value.is_empty())
}

fn declined(order: &Order) -> usize {
    let attempts = order.payment.iter().flat_map(|payment| &payment.attempts);
    attempts.filter(|attempt| matches!(attempt.state, AttemptState::Declined(_))).count()
}

/// Ticket types as they were sent, without rules.
fn only_old(kinds: &Value) -> Value {
    let mut kinds = kinds.clone();
    for kind in kinds.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        kind.remove("capacity");
        kind.remove("phases");
    }
    kinds
}

/// The rules of an event, in words that can be compared.
pub(super) fn ruled(spec: &EventSpec) -> String {
    let kinds = spec.ticket_types.iter().filter(|kind| kind.rules != TypeRules::default());
    let kinds: Vec<_> = kinds
        .map(|kind| {
            let phases = kind.rules.phases.iter();
            let phases: Vec<_> = phases.map(|phase| (phase.price_minor, phase.capacity)).collect();
            (kind.id.clone(), kind.rules.capacity, phases)
        })
        .collect();
    let codes: Vec<_> = spec.codes.iter().map(|code| (code.code.clone(), code.uses)).collect();
    format!("{kinds:?} {codes:?}")
}

/// The same of what an organiser has sent.
pub(super) fn ruled_in(body: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let mut kinds = Vec::new();
    for kind in list(&body["ticket_types"]) {
        let phases = list(&kind["phases"]);
        let phase = |phase: &Value| {
            (phase["price"]["amount"].as_i64().unwrap_or(0), number(&phase["capacity"]))
        };
        let phases: Vec<(i64, Option<u32>)> = phases.iter().map(phase).collect();
        let capacity = number(&kind["capacity"]);
        if capacity.is_some() || !phases.is_empty() {
            kinds.push((kind["id"].as_str().unwrap_or_default().to_owned(), capacity, phases));
        }
    }
    let code = |code: &Value| {
        let text = code["code"].as_str().unwrap_or_default().to_uppercase();
        (text, number(&code["uses"]).unwrap_or(0))
    };
    let codes: Vec<(String, u32)> = list(&body["codes"]).iter().map(code).collect();
    format!("{kinds:?} {codes:?}")
}

impl Auditor {
    /// A request leaves for the server, once or twice.
    pub fn sent(&mut self, path: &str, key: Option<&str>, body: &str) {
        if let Some(key) = key {
            let sent = self.sent.entry((path.to_owned(), key.to_owned())).or_default();
            sent.0 += 1;
            if sent.1.is_empty() {
                body.clone_into(&mut sent.1);
            } else if sent.1 != body {
                sent.2 = true;
            }
        }
        if path.ends_with("/pay") || path.ends_with("/charge") {
            self.payments_sent += 1;
        }
    }

    /// The provider has said no to an attempt to pay this PaymentIntent, or to making it.
    pub fn provider_declined(&mut self, intent: &str) {
        self.declined.insert(intent.to_owned());
    }

    /// What is said not to be done was not done: of the orders that a buyer's requests can have made, one
    /// less is there, unless the same request was sent again.
    fn nothing_was_done(&self, wish: &Wish, key: Option<&str>) -> Result<(), String> {
        let (Wish::Hold { buyer: (name, _), .. } | Wish::Sell { name, .. }) = wish else {
            return Ok(());
        };
        let of = |key: &str| {
            let sent = self.sent.iter().filter(|((_, known), _)| known == key);
            sent.map(|(_, sent)| sent.0).sum::<u32>()
        };
        if key.is_some_and(|key| of(key) > 1) {
            return Ok(());
        }
        let has = self.orders.values().filter(|order| self.owner(order).name == *name).count();
        let may = self.may_have.get(name).copied().unwrap_or(0);
        if has as i64 >= may {
            return Err(format!(
                "nothing was done, and {name} has {has} orders of {may} asked for"
            ));
        }
        Ok(())
    }

    /// Somebody was told no.
    pub fn told_no(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        wish: &Wish,
        no: Refused<'_>,
    ) {
        let order = match wish {
            Wish::Pay { order, .. } | Wish::Refund { order, .. } => Some(*order),
            Wish::Cancel(order) | Wish::See(order) | Wish::Answer(order) => Some(*order),
            Wish::Hold { .. } | Wish::Put(_) | Wish::Sell { .. } => None,
        };
        let detail = no.body["detail"].as_str().unwrap_or_default();
        let right = match (no.status, no.code) {
            // Nothing is in the way where nothing goes wrong.
            (503, Some(ProblemCode::Unavailable | ProblemCode::InDoubt))
                if self.prompt_ms.is_some() =>
            {
                Err("nothing was in the way".to_owned())
            }
            (503, Some(ProblemCode::Unavailable | ProblemCode::Busy)) => {
                self.nothing_was_done(wish, no.key)
            }
            (503, Some(ProblemCode::InDoubt)) => Ok(()),
            (409, Some(ProblemCode::RequestRunning)) => self.was_running(wish, no.key),
            (422, Some(ProblemCode::KeyReused)) => self.key_was_reused(no.key),
            _ => match wish {
                Wish::Hold { lines, buyer, network } => match no.code {
                    Some(ProblemCode::SoldOut) => {
                        self.sold_out(trace, at_ms, asked, lines, detail);
                        Ok(())
                    }
                    Some(ProblemCode::NotOnSale) => {
                        self.not_on_sale(trace, at_ms, asked);
                        Ok(())
                    }
                    Some(ProblemCode::TooManyRequests) => {
                        self.refused_by_budget(trace, at_ms, *network);
                        Ok(())
                    }
                    _ => self.no_hold(asked, lines, buyer, no.code, detail),
                },
                Wish::Pay { order, network } => {
                    self.no_payment(at_ms, asked, *order, *network, no.code, no.body)
                }
                Wish::Cancel(order) => match no.code {
                    Some(ProblemCode::AlreadyPaid) => self.is_in(
                        *order,
                        asked,
                        &[OrderState::Committed, OrderState::Paid, OrderState::Refunding],
                    ),
                    _ => Err("nobody has thought of that".into()),
                },
                Wish::See(_) => Err("nobody has thought of that".into()),
                Wish::Refund { order, lines: _, failed: _, amount: Some(amount) } => {
                    self.no_amount(asked, *order, *amount, no.code, detail)
                }
                Wish::Refund { order, lines, failed, amount: None } => {
                    self.no_refund(asked, *order, lines.as_deref(), *failed, no.code, detail)
                }
                Wish::Put(event) => self.no_event(asked, event, no.code),
                Wish::Sell { lines, .. } => match no.code {
                    Some(ProblemCode::SoldOut) => {
                        self.sold_out(trace, at_ms, asked, lines, detail);
                        Ok(())
                    }
                    Some(ProblemCode::NotOnSale) => self.was_over(at_ms, asked),
                    Some(ProblemCode::UnknownTicketType) => {
                        let nobody = (String::new(), String::new());
                        self.no_hold(asked, lines, &nobody, no.code, detail)
                    }
                    _ => Err("nobody has thought of that".into()),
                },
                Wish::Answer(order) => self.no_answer(at_ms, asked, *order, no.code, no.body),
            },
        };
        if let Err(why) = right {
            let code = no.body["code"].as_str().unwrap_or_default();
            let text = format!("the answer was {} {code}, but {why}: {detail}", no.status);
            trace.broken(at_ms, Promise::NoFalseAnswer, order, text);
        }
    }

    fn was_running(&self, wish: &Wish, key: Option<&str>) -> Result<(), String> {
        let sent = self.sent.iter().filter(|((_, known), _)| Some(known.as_str()) == key);
        let times: u32 = sent.map(|(_, sent)| sent.0).sum();
        match wish {
            Wish::Pay { .. } if times > 1 => Ok(()),
            _ => Err(format!("it was sent {times} times")),
        }
    }

    fn key_was_reused(&self, key: Option<&str>) -> Result<(), String> {
        let sent = self.sent.iter().filter(|((_, known), _)| Some(known.as_str()) == key);
        if sent.filter(|(_, sent)| sent.2).count() > 0 {
            return Ok(());
        }
        Err("it was used for nothing else".into())
    }

    fn is_in(&self, order: OrderId, asked: Question, states: &[OrderState]) -> Result<(), String> {
        if self.was_in(order, asked, states) {
            return Ok(());
        }
        Err(format!("it was {:?}", self.states_of(order, asked)))
    }

    fn states_of(&self, order: OrderId, asked: Question) -> Vec<OrderState> {
        self.versions(order, asked).iter().map(|(_, order)| order.state).collect()
    }

    fn no_hold(
        &self,
        asked: Question,
        lines: &[(String, i64)],
        (name, email): &(String, String),
        code: Option<ProblemCode>,
        detail: &str,
    ) -> Result<(), String> {
        let shows = self.shows(asked);
        let specs = || shows.iter().flat_map(|show| show.specs());
        let wanted: i64 = lines.iter().map(|line| line.1).sum();
        match code {
            Some(ProblemCode::LimitReached) if detail.starts_with("One order has at most ") => {
                let told = number_after(detail, "One order has at most ").unwrap_or(-1);
                let is = |limit: u32| i64::from(limit) == told && wanted > told;
                let right = specs()
                    .any(|spec| is(spec.limit_per_order) || spec.limit_per_buyer.is_some_and(is));
                if right { Ok(()) } else { Err(format!("an order of {wanted} was allowed")) }
            }
            Some(ProblemCode::LimitReached) => {
                let limit = number_after(detail, "One buyer gets at most ");
                let has = number_after(detail, "you have ");
                self.over_limit(asked, &person(name, email), wanted, limit.zip(has))
            }
            Some(ProblemCode::UnknownTicketType) => {
                let offered =
                    |spec: &EventSpec, id: &str| spec.ticket_types.iter().any(|t| t.id == id);
                let named = |id: &str| detail.contains(&format!("“{id}”"));
                let right =
                    lines.iter().any(|(id, _)| named(id) && specs().any(|spec| !offered(spec, id)));
                if right { Ok(()) } else { Err("each was on offer".into()) }
            }
            Some(ProblemCode::CodeUsedUp) => {
                let codes = |show: &Shown| -> Vec<u32> {
                    let codes = show.event.spec.codes.iter();
                    codes.filter_map(|code| show.left_of(CounterKind::Code, &code.code)).collect()
                };
                let short = |left: u32| i64::from(left) < wanted;
                let right = shows.iter().flat_map(codes).any(short);
                if right { Ok(()) } else { Err("the code always reached".into()) }
            }
            Some(ProblemCode::Invalid) if lines.iter().any(|(_, quantity)| *quantity < 1) => Ok(()),
            _ => Err("nobody has thought of that".into()),
        }
    }

    /// What the organiser sells is for an event that is not over, and for nothing else.
    fn was_over(&self, at_ms: i64, asked: Question) -> Result<(), String> {
        let (_, latest) = self.store_times(asked.at_ms, at_ms);
        let over = |spec: &EventSpec| sale_ends(None, spec.ends_ms, spec.starts_ms) <= latest;
        let right = self.shows(asked).iter().flat_map(|show| show.specs()).any(over);
        if right { Ok(()) } else { Err("the event was not over".into()) }
    }

    fn no_answer(
        &self,
        at_ms: i64,
        asked: Question,
        id: OrderId,
        code: Option<ProblemCode>,
        body: &Value,
    ) -> Result<(), String> {
        let nowhere = IpAddr::from([0, 0, 0, 0]);
        match code {
            Some(ProblemCode::HoldExpired | ProblemCode::Canceled) => {
                self.no_payment(at_ms, asked, id, nowhere, code, body)
            }
            Some(ProblemCode::BuyerErased) if self.was(id, asked, Order::is_erased) => Ok(()),
            Some(ProblemCode::AnswersFixed) => {
                let (_, latest) = self.store_times(asked.at_ms, at_ms);
                let fixed =
                    |spec: &EventSpec| spec.names_until_ms.unwrap_or(spec.starts_ms) <= latest;
                let right = self.shows(asked).iter().flat_map(|show| show.specs()).any(fixed);
                if right { Ok(()) } else { Err("they were not fixed".into()) }
            }
            _ => Err("nobody has thought of that".into()),
        }
    }

    fn no_payment(
        &self,
        at_ms: i64,
        asked: Question,
        id: OrderId,
        network: IpAddr,
        code: Option<ProblemCode>,
        body: &Value,
    ) -> Result<(), String> {
        use OrderState::*;
        let (_, latest) = self.store_times(asked.at_ms, at_ms);
        let (earliest, _) = self.store_times(asked.at_ms, at_ms);
        let was = |is: &dyn Fn(&Order) -> bool| {
            if self.was(id, asked, is) {
                return Ok(());
            }
            let last = self.versions(id, asked).last().map(|(_, order)| order);
            Err(format!("it was {:?}: {last:?}", self.states_of(id, asked)))
        };
        match code {
            Some(ProblemCode::HoldExpired) => was(&|o| match o.state {
                Held => latest >= o.until_ms,
                Paying => latest >= o.until_ms && !provider_owes(o),
                Released => latest >= o.until_ms && o.payment.is_none(),
                _ => false,
            }),
            Some(ProblemCode::Canceled) => {
                self.is_in(id, asked, &[Released, Void, Canceling, Refunded])
            }
            Some(ProblemCode::PaymentUnderWay) => was(&|o| {
                let last = o.payment.as_ref().and_then(|payment| payment.attempts.last());
                last.is_some_and(|attempt| {
                    matches!(attempt.state, AttemptState::Pending | AttemptState::Action)
                        || attempt.begun_ms >= earliest
                })
            }),
            Some(ProblemCode::AnswersMissing) => {
                let detail = body["detail"].as_str().unwrap_or_default();
                let asks = |spec: &EventSpec, order: &Order| {
                    let of_order = spec.questions.iter().filter(|q| q.required && !q.per_ticket);
                    let mut open = of_order.filter(|q| !is_answered(order, &q.id));
                    open.any(|q| detail.contains(&q.text))
                };
                let shows = self.shows(asked);
                let specs = || shows.iter().flat_map(|show| show.specs());
                was(&|o| o.state == Held && specs().any(|spec| asks(spec, o)))
            }
            Some(ProblemCode::TooManyAttempts) => {
                was(&|o| o.payment.as_ref().is_some_and(|p| p.attempts.len() >= MOST_ATTEMPTS))
            }
            Some(ProblemCode::Declined) => {
                let detail = body["detail"].as_str().unwrap_or_default();
                was(&|o| {
                    let attempts = o.payment.iter().flat_map(|payment| &payment.attempts);
                    let mut since = attempts.filter(|attempt| attempt.begun_ms >= earliest);
                    since.any(|attempt| match &attempt.state {
                        AttemptState::Declined(why) => detail.starts_with(why.as_str()),
                        _ => false,
                    })
                })?;
                let order = self.orders.get(&id);
                let intent = order.and_then(|o| o.payment.as_ref()).and_then(|p| p.intent.as_ref());
                match intent {
                    Some(intent) if !self.declined.contains(intent) => {
                        Err(format!("the provider has declined nothing of {intent}"))
                    }
                    _ => Ok(()),
                }
            }
            Some(ProblemCode::TooManyRequests) => {
                let title = body["title"].as_str().unwrap_or_default();
                let of = |is: &dyn Fn(&Order) -> bool| -> usize {
                    self.orders.values().filter(|o| is(o)).map(declined).sum()
                };
                let who = self.orders.get(&id).map(|o| self.person_behind(o)).unwrap_or_default();
                let of_person = of(&|o| self.person_behind(o) == who);
                let here = |o: &Order| self.networks.get(&self.owner(o).name) == Some(&network);
                let of_network = of(&here);
                let right = match title {
                    "Too many attempts to pay from your network" => self.payments_sent >= 60,
                    "Too many payments from your network were declined" => of_network >= 15,
                    "Too many payments of this buyer were declined" => of_person >= 5,
                    "Please wait before you try to pay again" => of_network + of_person > 0,
                    _ => false,
                };
                if right { Ok(()) } else { Err(format!("{of_network} and {of_person} declines")) }
            }
            _ => Err("nobody has thought of that".into()),
        }
    }

    /// A sum was not given back.
    fn no_amount(
        &self,
        asked: Question,
        id: OrderId,
        amount: i64,
        code: Option<ProblemCode>,
        detail: &str,
    ) -> Result<(), String> {
        // As long as something is owed because a refund failed, it is a part of that.
        let most = |o: &Order| match o.owed_back().minor {
            0 => {
                o.total().minor - o.refunds.iter().map(boxoffice::Refund::given_minor).sum::<i64>()
            }
            owed => owed,
        };
        let was = |is: &dyn Fn(&Order) -> bool| match self.was(id, asked, is) {
            true => Ok(()),
            false => Err(format!("it was {:?}", self.states_of(id, asked))),
        };
        match code {
            Some(ProblemCode::RefundTooLarge) => was(&|o| amount > most(o)),
            Some(ProblemCode::NothingToRefund) => {
                was(&|o| o.state == OrderState::Refunded || most(o) <= 0)
            }
            Some(ProblemCode::Invalid) if amount < 1 => Ok(()),
            Some(ProblemCode::Invalid) => was(&|o| amount % o.currency.step_minor() != 0),
            _ => self.no_refund(asked, id, None, false, code, detail),
        }
    }

    fn no_refund(
        &self,
        asked: Question,
        id: OrderId,
        lines: Option<&[(String, i64)]>,
        failed: bool,
        code: Option<ProblemCode>,
        detail: &str,
    ) -> Result<(), String> {
        use OrderState::*;
        if code == Some(ProblemCode::UnknownOrder) && !self.orders.contains_key(&id) {
            return Ok(());
        }
        let event = self.shows.last().map(|show| &show.event);
        let kind = |line: &boxoffice::Line| {
            event.map_or("", |event| event.ticket_types[usize::from(line.ticket_type)].id.as_str())
        };
        let lines = lines.unwrap_or_default();
        let was = |is: &dyn Fn(&Order) -> bool| {
            if self.was(id, asked, is) {
                return Ok(());
            }
            let last = self.versions(id, asked).last().map(|(_, order)| order);
            Err(format!("it was {:?}: {last:?}", self.states_of(id, asked)))
        };
        match code {
            Some(ProblemCode::NotPaid) => {
                let named =
                    |state: &&OrderState| detail.contains(&format!("It is {}:", state.word()));
                let state = OrderState::ALL.iter().find(named);
                match state {
                    Some(Paid | Refunding | Refunded) | None => Err("it is paid".into()),
                    Some(state) => self.is_in(id, asked, &[*state]),
                }
            }
            Some(ProblemCode::RefundUnderWay) => was(&|o| {
                o.state == Refunding || o.refunds.iter().any(|r| r.state == RefundState::Pending)
            })
            .or_else(|why| {
                // One of which only the end was seen.
                let known = self.versions(id, asked);
                let made =
                    |pair: &[(u64, Order)]| pair[0].1.refunds.len() < pair[1].1.refunds.len();
                if known.windows(2).any(made) { Ok(()) } else { Err(why) }
            }),
            Some(ProblemCode::NothingToRefund) if failed => was(&|o| o.owed_back().minor == 0),
            Some(ProblemCode::NothingToRefund) => was(&|o| {
                o.state == Refunded
                    || o.state == Paid && o.lines.iter().all(|line| line.refunded == line.quantity)
            }),
            Some(ProblemCode::RefundTooLarge) => {
                let told = number_after(detail, "Only ").unwrap_or(-1);
                was(&|o| {
                    lines.iter().any(|(id, wanted)| {
                        let of = o.lines.iter().filter(|line| kind(line) == id);
                        let left = of.map(|line| i64::from(line.quantity - line.refunded));
                        let left = left.sum::<i64>();
                        *wanted > left && left == told && detail.contains(&format!("“{id}”"))
                    })
                })
            }
            Some(ProblemCode::UnknownTicketType) => was(&|o| {
                let has = |id: &str| o.lines.iter().any(|line| kind(line) == id);
                lines.iter().any(|(id, _)| !has(id) && detail.contains(&format!("“{id}”")))
            }),
            Some(ProblemCode::Invalid) if lines.iter().any(|(_, quantity)| *quantity < 1) => Ok(()),
            _ => Err("nobody has thought of that".into()),
        }
    }

    fn no_event(
        &self,
        asked: Question,
        event: &Value,
        code: Option<ProblemCode>,
    ) -> Result<(), String> {
        let shows = self.shows(asked);
        match code {
            Some(ProblemCode::CapacityBelowTaken) => {
                let wanted = |name: &str| {
                    let pools = event["pools"].as_array().map_or(&[][..], Vec::as_slice);
                    let pool = pools.iter().find(|pool| pool["id"] == name);
                    pool.and_then(|pool| pool["capacity"].as_u64()).unwrap_or(0)
                };
                let right = shows.iter().any(|show| {
                    let taken = show.most_taken.iter().zip(&show.event.pools);
                    let mut taken = taken;
                    taken.any(|(taken, pool)| wanted(&pool.name) < u64::from(*taken))
                });
                if right { Ok(()) } else { Err("no pool had more taken".into()) }
            }
            Some(ProblemCode::LimitTooLate) => {
                let none = |spec: &EventSpec| spec.limit_per_buyer.is_none();
                let was = shows.iter().flat_map(|show| show.specs()).any(none);
                let comes = !event["limit_per_buyer"].is_null();
                if was && comes { Ok(()) } else { Err("there was one before".into()) }
            }
            _ => Err("nobody has thought of that".into()),
        }
    }

    /// Who wanted to pay was not told no: at some moment the order was to be paid, or was paid.
    pub fn payment_taken(&self, trace: &mut Trace, at_ms: i64, asked: Question, id: OrderId) {
        use OrderState::*;
        if let Err(why) = self.is_in(id, asked, &[Held, Paying, Committed, Paid, Refunding]) {
            let text = format!("who wanted to pay was not told no, and {why}");
            trace.broken(at_ms, Promise::NoFalseAnswer, Some(id), text);
        }
    }

    /// An event was put: it was so at some moment since.
    pub fn put_told(&self, trace: &mut Trace, at_ms: i64, asked: Question, sent: &Value) {
        // What of it is otherwise.
        let differs = |spec: &EventSpec| {
            let pools: Value = spec
                .pools
                .iter()
                .map(|p| serde_json::json!({"id": p.name, "capacity": p.capacity}))
                .collect();
            let currency = spec.currency.code();
            let kinds: Value = spec
                .ticket_types
                .iter()
                .map(|t| {
                    serde_json::json!({"id": t.id, "name": t.name,
                "pool": t.pool, "price": {"amount": t.price_minor, "currency": currency}})
                })
                .collect();
            let limit = sent["limit_per_order"].as_u64().unwrap_or(10);
            let time = |name: &str| sent[name].as_str().and_then(super::history::time);
            let parts = [
                ("name", spec.name == sent["name"].as_str().unwrap_or_default()),
                ("place", spec.place == sent["place"].as_str().unwrap_or_default()),
                ("pools", pools == sent["pools"]),
                ("ticket types", kinds == only_old(&sent["ticket_types"])),
                ("rules", ruled(spec) == ruled_in(sent)),
                (
                    "questions",
                    spec.questions.len() == sent["questions"].as_array().map_or(0, Vec::len),
                ),
                ("limit", u64::from(spec.limit_per_order) == limit),
                (
                    "limit per buyer",
                    serde_json::json!(spec.limit_per_buyer) == sent["limit_per_buyer"],
                ),
                ("hold", spec.hold_ms == sent["hold_seconds"].as_i64().unwrap_or(300) * 1_000),
                ("opens", spec.sale_opens_ms == time("sale_opens")),
                ("closes", spec.sale_closes_ms == time("sale_closes")),
            ];
            let differ = parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name);
            differ.collect::<Vec<_>>()
        };
        let shows = self.shows(asked);
        let differ: Vec<_> = shows.iter().flat_map(|show| show.specs()).map(differs).collect();
        if !differ.is_empty() && differ.iter().all(|differ| !differ.is_empty()) {
            let text = format!("an event was put and is not so in {differ:?}: {sent}");
            trace.broken(at_ms, Promise::NothingLost, None, text);
        }
    }
}
