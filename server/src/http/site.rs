//! What the handlers share: the parts of the server, and what only HTTP needs.

use super::legacy::Reservations;
use super::routes::{Described, routes};
use super::shown::PageCache;
use crate::app::App;
use std::ops::Deref;
use std::sync::Arc;

/// The state of the router.
pub struct Site {
    app: Arc<App>,
    /// What is served.
    pub routes: Vec<Described>,
    /// Pages of events that many ask for.
    pub shown: PageCache,
    /// What was reserved by name over the old routes.
    pub reservations: Reservations,
}

impl Site {
    /// Nothing is cached or reserved yet.
    pub fn new(app: Arc<App>) -> Arc<Site> {
        let (shown, reservations) = (PageCache::default(), Reservations::default());
        let routes = routes(&app.config, app.sandbox.is_some());
        Arc::new(Site { app, routes, shown, reservations })
    }
}

impl Deref for Site {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}
