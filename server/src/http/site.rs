//! What the handlers share: the parts of the server, and what only HTTP needs.

use super::legacy::Reservations;
use super::openapi;
use super::routes::{Table, routes};
use super::shown::PageCache;
use crate::app::App;
use std::ops::Deref;
use std::sync::Arc;

/// The state of the router.
pub struct Site {
    app: Arc<App>,
    /// What is served.
    pub routes: &'static Table,
    /// The description of the API, as a document and as a page.
    pub openapi: openapi::Served,
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
        let openapi = openapi::Served::default();
        Arc::new(Site { app, routes, openapi, shown, reservations })
    }
}

impl Deref for Site {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}
