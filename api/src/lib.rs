//! The wire types of the JSON API: the body of every request and of every answer, and the one list
//! of problem codes.
//!
//! The server writes these types and its clients read them: the load generator, the simulation and
//! the tests. So a field or a code that one side does not know does not compile.
//!
//! There is no logic here, and no other crate of the workspace is used: `server/tests/arrows.rs`
//! holds both.

mod problem;

pub use problem::{MoneyMoved, Problem, ProblemCode};
