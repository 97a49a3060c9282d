//! The composition: the parts of a server, and nothing else. What is done with them is in [`crate::sales`],
//! [`crate::organiser`] and [`crate::settlement`].

use crate::accounts::Accounts;
use crate::admission::Admission;
use crate::catalogue::Catalogue;
use crate::clock::DatabaseClock;
use crate::codes::Codes;
use crate::config::Config;
use crate::door::Door;
use crate::ids::{Ids, Secrets};
use crate::links::Links;
use crate::mail::compose::Composer;
use crate::mailing::Mailing;
use crate::metrics::Metrics;
use crate::organiser::Organiser;
use crate::organiser::export::Exports;
use crate::organiser::search::Search;
use crate::organiser::watching::Watching;
use crate::payments::fake::FakeStripe;
use crate::pdf::Printer;
use crate::sales::Sales;
use crate::settlement::Settlement;
use crate::shop::Shop;
use crate::stop::Stop;
use crate::tickets::Tickets;
use crate::webhooks::Webhooks;
use std::sync::Arc;

/// The parts of a server.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The time of the database.
    pub clock: Arc<DatabaseClock>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Makes what only we can make.
    pub secrets: Secrets,
    /// The codes of tickets.
    pub codes: Arc<Codes>,
    /// The addresses of orders' pages.
    pub links: Arc<Links>,
    /// Mails, for those who ask for them.
    pub mailing: Arc<Mailing>,
    /// Who may use the office.
    pub accounts: Arc<Accounts>,
    /// The digest of the organiser's key.
    pub organiser_key: u128,
    /// Which requests may enter: overload, connections, and what each client may do.
    pub admission: Arc<Admission>,
    /// What is for sale.
    pub catalogue: Arc<Catalogue>,
    /// What buyers do.
    pub sales: Arc<Sales>,
    /// What organisers do.
    pub organiser: Arc<Organiser>,
    /// How sales go.
    pub watching: Arc<Watching>,
    /// Orders by names, addresses, codes and ids.
    pub search: Arc<Search>,
    /// Exports and accounts of events.
    pub exports: Arc<Exports>,
    /// What pages show of the shop.
    pub shop: Arc<Shop>,
    /// Tickets by their codes.
    pub tickets: Arc<Tickets>,
    /// Who comes in and goes out.
    pub door: Arc<Door>,
    /// Programs that are told what happens.
    pub webhooks: Arc<Webhooks>,
    /// Makes mails.
    pub composer: Arc<Composer>,
    /// Makes PDF files, one at a time.
    pub printer: Arc<Printer>,
    /// Settles payments.
    pub settlement: Arc<Settlement>,
    /// The provider itself while no Stripe key is set.
    pub sandbox: Option<Arc<FakeStripe>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Raised when the server is asked to stop: then it is no longer ready, and goes on.
    pub draining: Stop,
    /// Raised when it stops.
    pub stop: Arc<Stop>,
}
