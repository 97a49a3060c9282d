//! The wire types of the JSON API: the body of every request and of every answer, and the one list
//! of problem codes.
//!
//! The server writes these types and its clients read them: the load generator, the simulation and
//! the tests. So a field or a code that one side does not know does not compile.
//!
//! There is no logic here, and no other crate of the workspace is used: `server/tests/arrows.rs`
//! holds both.
//!
//! Conventions:
//! - A type whose name ends in `Body` is the body of a request; unknown members are refused. All
//!   others are answers; a client should ignore members that it does not know.
//! - Members of answers are declared in the order in which they are sent: that of the alphabet, but
//!   for [`HeldOrder`]. The order has no meaning.
//! - Texts are borrowed from whatever they are written from or read from, where that is possible.
//! - Times are texts in RFC 3339, in UTC and in whole seconds or finer. Ids of events, pools and
//!   ticket types are chosen by the organiser; ids of orders and refunds are UUIDs.

mod door;
mod erasure;
mod event;
mod guests;
mod order;
mod problem;
mod request;
mod state;
mod ticket;
mod webhook;

pub use door::{
    Admission, Arrivals, CheckIn, CheckInBody, CheckInResults, CheckIns, CheckInsBody, Direction,
    Door, DoorDevice, DoorDeviceBody, DoorDevices, DoorList, Gate, GateCount, GateLink,
    GateLinkBody, GateLinks, LastPass, ListedTicket, NamedTicket, NamedTickets, Passed,
    RecordedScan, ScanResult, ScannedTicket, SeenScan, TicketName, UndoResult, UndoneScan,
};
pub use erasure::{Erasure, ErasureBody, OrderLeft};
pub use event::{
    Cancellation, Code, CodeBody, Event, EventBody, EventCounts, EventList, Money, Phase,
    PhaseBody, Pool, PoolBody, PutAnswer, Question, QuestionBody, TicketType, TicketTypeBody,
};
pub use guests::{GuestCount, GuestsAnswer, RowNote};
pub use order::{
    Action, Answer, Attempt, Buyer, Dispute, HeldLine, HeldOrder, Mail, MailList, Order, OrderLine,
    OrderList, Payment, Refund, RefundAnswer, Ticket, Vat,
};
pub use problem::{MoneyMoved, Problem, ProblemCode};
pub use request::{
    AnswerBody, AnswersBody, BuyerBody, BuyerNameBody, EmailBody, HoldLine, LineBody, MetadataBody,
    OrderBody, PayBody, RefundBody, SaleBody, SaleBuyerBody,
};
pub use state::{ActionKind, AttemptState, MailKind, MailState, OrderState, RefundState};
pub use ticket::{DoorKey, DoorKeys, FoundTicket, NameBody, TicketState};
pub use webhook::{
    DeliveryState, Webhook, WebhookBody, WebhookData, WebhookDeliveries, WebhookDelivery,
    WebhookList, WebhookMessage, WebhookRefund, WebhookTry,
};
