//! Questions that an event asks between the hold and the payment.
//!
//! A question keeps its id as long as it is asked. An answer keeps the text that it was an answer to
//! ([`crate::Answer::text`]), so a question may be changed or left out at any time and no answer is lost.

use super::check::Flaws;
use crate::EventSpec;
use crate::text::{check_paragraphs, check_text};
use alloc::{format, string::String, vec::Vec};

/// The most questions of an event.
pub const MOST_QUESTIONS: usize = 50;
/// The most choices of a question.
pub const MOST_CHOICES: usize = 100;
/// The most characters of an answer in one line, and of a choice.
pub const MOST_LINE: usize = 200;
/// The most characters of an answer in several lines.
pub const MOST_LINES_OF_TEXT: usize = 2_000;
/// The two answers to a question of the kind [`QuestionKind::YesNo`], as they are stored.
pub const YES_NO: [&str; 2] = ["yes", "no"];

/// What an organiser says of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuestionSpec {
    /// Its id within the event, 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    pub id: String,
    /// What buyers read, 1 to 300 characters.
    pub text: String,
    /// How it is answered.
    pub kind: QuestionKind,
    /// Whether nobody pays without an answer to it.
    pub required: bool,
    /// Whether it is asked for each ticket, and not once for the order.
    pub per_ticket: bool,
    /// The ids of the ticket types with which it is asked; empty: with all.
    pub ticket_types: Vec<String>,
}

/// How a question is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QuestionKind {
    /// With a text of one line.
    Line,
    /// With a text of several lines.
    Lines,
    /// With one of these.
    Choice(Vec<String>),
    /// With one of [`YES_NO`].
    YesNo,
}

/// What is wrong with an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AnswerFlaw {
    /// The event asks no question of this id.
    UnknownQuestion,
    /// It is not asked there: the question is for the order and not for a ticket or the other way round, there
    /// is no such ticket, or it is of another ticket type.
    NotAsked,
    /// It is answered twice.
    Twice,
    /// There is none, and there must be one.
    Missing,
    /// It has more characters than this.
    TooLong(usize),
    /// It is none of the choices.
    NotAChoice,
    /// A character that cannot be seen; the text says which.
    Unreadable(String),
}

impl QuestionSpec {
    /// Whether it is asked with tickets of this type.
    pub fn is_for(&self, ticket_type: &str) -> bool {
        self.ticket_types.is_empty() || self.ticket_types.iter().any(|id| id == ticket_type)
    }

    /// Checks an answer that is not empty.
    pub fn check_answer(&self, value: &str) -> Result<(), AnswerFlaw> {
        let long = |most| if value.chars().count() > most { Err(most) } else { Ok(()) };
        let readable = |checked: Result<(), String>| checked.map_err(AnswerFlaw::Unreadable);
        match &self.kind {
            QuestionKind::Line => {
                long(MOST_LINE).map_err(AnswerFlaw::TooLong)?;
                readable(check_text("the answer", value, 1, MOST_LINE))
            }
            QuestionKind::Lines => {
                long(MOST_LINES_OF_TEXT).map_err(AnswerFlaw::TooLong)?;
                readable(check_paragraphs("the answer", value, MOST_LINES_OF_TEXT))
            }
            QuestionKind::Choice(choices) if choices.iter().any(|one| one == value) => Ok(()),
            QuestionKind::YesNo if YES_NO.contains(&value) => Ok(()),
            QuestionKind::Choice(_) | QuestionKind::YesNo => Err(AnswerFlaw::NotAChoice),
        }
    }
}

impl EventSpec {
    /// The question of this id, if it is asked.
    pub fn question(&self, id: &str) -> Option<&QuestionSpec> {
        self.questions.iter().find(|question| question.id == id)
    }

    pub(super) fn check_questions(&self, flaws: &mut Flaws) {
        flaws.unless(
            self.questions.len() <= MOST_QUESTIONS,
            "questions",
            format!("an event asks at most {MOST_QUESTIONS} questions"),
        );
        for n in 0..self.questions.len().min(MOST_QUESTIONS) {
            self.check_question(n, flaws);
        }
    }

    fn check_question(&self, n: usize, flaws: &mut Flaws) {
        let question = &self.questions[n];
        let at = |field: &str| format!("questions[{n}].{field}");
        flaws.unless(
            is_question_id(&question.id),
            at("id"),
            "a question's id is 1 to 64 of a-z, 0-9, - and _",
        );
        flaws.unless(
            !self.questions[..n].iter().any(|other| other.id == question.id),
            at("id"),
            format!("two questions have the id “{}”; each needs one of its own", question.id),
        );
        flaws.check(at("text"), check_text("a question's text", &question.text, 1, 300));
        if let QuestionKind::Choice(choices) = &question.kind {
            flaws.unless(
                (1..=MOST_CHOICES).contains(&choices.len()),
                at("choices"),
                format!("question “{}”: it needs 1 to {MOST_CHOICES} choices", question.id),
            );
            for (k, choice) in choices.iter().take(MOST_CHOICES).enumerate() {
                let at = format!("questions[{n}].choices[{k}]");
                flaws.check(at.clone(), check_text("a choice", choice, 1, MOST_LINE));
                flaws.unless(
                    !choices[..k].contains(choice),
                    at,
                    format!("question “{}” has the choice “{choice}” twice", question.id),
                );
            }
        }
        for (k, id) in question.ticket_types.iter().take(100).enumerate() {
            flaws.unless(
                self.ticket_types.iter().any(|t| t.id == *id),
                format!("questions[{n}].ticket_types[{k}]"),
                format!("question “{}”: no ticket type has the id “{id}”", question.id),
            );
        }
        flaws.unless(
            question.ticket_types.len() <= 100,
            at("ticket_types"),
            format!("question “{}”: at most 100 ticket types can be named", question.id),
        );
    }
}

fn is_question_id(id: &str) -> bool {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=64).contains(&id.len()) && id.chars().all(part)
}
