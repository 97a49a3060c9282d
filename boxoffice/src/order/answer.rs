//! Answers to the questions of an event.
//!
//! A question is asked once for an order or for each of its tickets. Tickets that are not issued yet are
//! addressed by the numbers that they will have: an order's places are numbered from 1, line by line, which is
//! how [`Order::ticket`] numbers its tickets.
//!
//! An answer keeps the text of its question. What an organiser changes or leaves out later loses no answer.

use crate::draft::Draft;
use crate::event::question::{AnswerFlaw, QuestionSpec};
use crate::mutant::{Mutant, on};
use crate::order::hold::check_held;
use crate::{Change, Decision, Event, Order, OrderState, Refusal, State, TimeMs};
use alloc::{format, string::String, vec::Vec};

/// All answers of an order, with the texts of their questions, have so many bytes at most.
pub const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// An answer to a question, as it is stored with its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The id of the question within its event.
    pub question: String,
    /// What was asked.
    pub text: String,
    /// For which of the order's tickets, from 1; `None`: for the order.
    pub ticket: Option<u16>,
    /// The answer.
    pub value: String,
}

/// An answer as it is given. One that is empty, or has only spaces, is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnswerWish {
    /// The id of the question within its event.
    pub question: String,
    /// See [`Answer::ticket`].
    pub ticket: Option<u16>,
    /// The answer.
    pub value: String,
}

/// A question as it is asked with an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked<'a> {
    /// The question.
    pub question: &'a QuestionSpec,
    /// See [`Answer::ticket`].
    pub ticket: Option<u16>,
}

/// What is wrong with which answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlawedAnswer {
    /// The id of the question.
    pub question: String,
    /// See [`Answer::ticket`].
    pub ticket: Option<u16>,
    /// What is wrong.
    pub flaw: AnswerFlaw,
}

impl Order {
    /// The index of the line that a place belongs to; places are numbered from 1.
    pub fn line_of_place(&self, number: u16) -> Option<usize> {
        let mut before = 0;
        let number = u32::from(number).checked_sub(1)?;
        self.lines.iter().position(|line| {
            before += line.quantity;
            number < before
        })
    }

    /// How many places it has.
    pub fn places(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity).sum()
    }

    /// What its event asks with it now: first what is asked for the order, then ticket by ticket.
    pub fn asked<'a>(&self, event: &'a Event) -> Vec<Asked<'a>> {
        let questions = &event.spec.questions;
        if questions.is_empty() {
            return Vec::new();
        }
        let id_of = |line: usize| {
            let index = usize::from(self.lines[line].ticket_type);
            event.ticket_types.get(index).map_or("", |t| t.id.as_str())
        };
        let of_order = questions.iter().filter(|question| {
            let asked = (0..self.lines.len()).any(|line| question.is_for(id_of(line)));
            !question.per_ticket && asked
        });
        let mut all: Vec<Asked> =
            of_order.map(|question| Asked { question, ticket: None }).collect();
        let mut number: u16 = 0;
        for (at, line) in self.lines.iter().enumerate() {
            for _ in 0..line.quantity {
                number = number.saturating_add(1);
                let asked = questions.iter().filter(|q| q.per_ticket && q.is_for(id_of(at)));
                all.extend(asked.map(|question| Asked { question, ticket: Some(number) }));
            }
        }
        all
    }

    /// Its answer to a question.
    pub fn answer(&self, question: &str, ticket: Option<u16>) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.question == question && answer.ticket == ticket)
    }

    /// The first question that must be answered before it is paid, and is not.
    pub fn unanswered<'a>(&self, event: &'a Event) -> Option<Asked<'a>> {
        self.asked(event).into_iter().find(|asked| {
            let answer = self.answer(&asked.question.id, asked.ticket);
            let fits = |value: &str| asked.question.check_answer(value).is_ok();
            asked.question.required && !answer.is_some_and(|answer| fits(&answer.value))
        })
    }

    /// All that is wrong with these answers; with `complete` also which are missing.
    pub fn check_answers(
        &self,
        event: &Event,
        wishes: &[AnswerWish],
        complete: bool,
    ) -> Vec<FlawedAnswer> {
        let asked = self.asked(event);
        let mut flaws = Vec::new();
        let mut add = |question: &str, ticket: Option<u16>, flaw: AnswerFlaw| {
            flaws.push(FlawedAnswer { question: question.into(), ticket, flaw });
        };
        let same =
            |a: &AnswerWish, b: &AnswerWish| a.question == b.question && a.ticket == b.ticket;
        for (n, wish) in wishes.iter().enumerate() {
            let this =
                asked.iter().find(|a| a.question.id == wish.question && a.ticket == wish.ticket);
            let flaw = match this {
                None if event.spec.question(&wish.question).is_none() => {
                    Some(AnswerFlaw::UnknownQuestion)
                }
                None => Some(AnswerFlaw::NotAsked),
                Some(_) if wishes[..n].iter().any(|earlier| same(earlier, wish)) => {
                    Some(AnswerFlaw::Twice)
                }
                Some(_) if wish.is_empty() => None,
                Some(asked) => asked.question.check_answer(&wish.value).err(),
            };
            if let Some(flaw) = flaw {
                add(&wish.question, wish.ticket, flaw);
            }
        }
        for asked in asked.iter().filter(|asked| complete && asked.question.required) {
            let (id, ticket) = (asked.question.id.as_str(), asked.ticket);
            let given = wishes.iter().filter(|wish| !wish.is_empty());
            if !given.into_iter().any(|wish| wish.question == id && wish.ticket == ticket) {
                add(id, ticket, AnswerFlaw::Missing);
            }
        }
        flaws
    }
}

impl AnswerWish {
    /// Whether it is no answer.
    pub fn is_empty(&self) -> bool {
        self.value.trim().is_empty()
    }
}

/// Takes the answers to all that is asked: an answer that is not among them is taken back. Answers to what is
/// not asked any more stay. `staff` may answer at any time, and leave out what buyers must answer.
pub(crate) fn answer(
    state: &State,
    order: &Order,
    wishes: &[AnswerWish],
    staff: bool,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    if order.is_erased() {
        return Err(Refusal::BuyerErased);
    }
    let event = state.events.get(&order.event).ok_or(Refusal::UnknownEvent)?;
    let paid = match order.state {
        OrderState::Held => {
            check_held(order, now)?;
            false
        }
        OrderState::Paying => false,
        OrderState::Committed | OrderState::Paid | OrderState::Refunding => true,
        OrderState::Released => {
            check_held(order, now)?;
            false
        }
        other => return Err(Refusal::Canceled(other)),
    };
    let fixed_ms = event.spec.names_fixed_ms();
    if paid && !staff && now >= fixed_ms {
        return Err(Refusal::AnswersFixed(fixed_ms));
    }
    // Who has paid has answered what had to be answered, and does not take it back.
    let flawed = order.check_answers(event, wishes, paid && !staff);
    if let Some(first) = flawed.into_iter().next() {
        return Err(Refusal::AnswerInvalid(first));
    }
    let asked = order.asked(event);
    let is_asked =
        |a: &&Answer| asked.iter().any(|q| q.question.id == a.question && q.ticket == a.ticket);
    let mut answers: Vec<Answer> = Vec::new();
    for Asked { question, ticket } in &asked {
        let given = |wish: &&AnswerWish| wish.question == question.id && wish.ticket == *ticket;
        if let Some(wish) = wishes.iter().find(given).filter(|wish| !wish.is_empty()) {
            answers.push(Answer {
                question: question.id.clone(),
                text: question.text.clone(),
                ticket: *ticket,
                value: wish.value.clone(),
            });
        }
    }
    answers.extend(order.answers.iter().filter(|answer| !is_asked(answer)).cloned());
    let bytes = |a: &Answer| a.question.len() + a.text.len() + a.value.len();
    if answers.iter().map(bytes).sum::<usize>() > MOST_ANSWER_BYTES {
        let most = MOST_ANSWER_BYTES / 1024;
        return Err(Refusal::Invalid(format!(
            "the answers of one order are longer than {most} kB together; make them shorter"
        )));
    }
    if answers == order.answers {
        // The same command once more, or a form that was sent as it was.
        return Draft::default().reply_order(order);
    }

    // The point of no return.
    let mut draft = Draft::default();
    let (order_id, event) = (order.id, order.event);
    draft.changes.push(Change::AnswersPut { order: order_id, event, answers });
    draft.reply_order(order)
}

/// Refuses as long as something that must be answered is not.
pub(crate) fn check_answered(state: &State, order: &Order) -> Result<(), Refusal> {
    let event = state.events.get(&order.event).ok_or(Refusal::UnknownEvent)?;
    match order.unanswered(event) {
        Some(asked) if !on(Mutant::AnswersNotAsked) => Err(Refusal::AnswersMissing {
            question: asked.question.id.clone(),
            text: asked.question.text.clone(),
            ticket: asked.ticket,
        }),
        _ => Ok(()),
    }
}
