//! What the handlers share: the parts of the server, and what only HTTP needs.

use super::legacy::Reservations;
use super::shop::calendar::Sequences;
use super::shown::PageCache;
use crate::app::App;
use std::ops::Deref;
use std::sync::Arc;

/// The state of the router.
pub struct Site {
    app: Arc<App>,
    /// Pages of events that many ask for.
    pub shown: PageCache,
    /// What was reserved by name over the old routes.
    pub reservations: Reservations,
    /// What calendars were told of events.
    pub sequences: Sequences,
}

impl Site {
    /// Nothing is cached or reserved yet.
    pub fn new(app: Arc<App>) -> Arc<Site> {
        let (shown, reservations) = (PageCache::default(), Reservations::default());
        Arc::new(Site { app, shown, reservations, sequences: Sequences::default() })
    }
}

impl Deref for Site {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}
