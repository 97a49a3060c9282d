//! Lists that are read page by page: how many members a page has, where the next one begins, and how both are told.

use crate::app::App;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::ids::digest;
use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The most members of a page.
const MOST: u32 = 500;

/// A page of a list, as a request asks for it.
pub(in crate::http) struct Page<'r> {
    app: &'r App,
    uri: &'r Uri,
    query: &'r Query,
    /// So many members at most.
    pub limit: u32,
}

impl<'r> Page<'r> {
    /// What this request asks for. A page has `usual` members if it does not say how many.
    pub fn of(
        app: &'r App,
        uri: &'r Uri,
        query: &'r Query,
        usual: u32,
    ) -> Result<Page<'r>, Problem> {
        let limit = query.number("limit", 1..=MOST)?.unwrap_or(usual);
        Ok(Page { app, uri, query, limit })
    }

    /// Which list it is: its address, and all that chooses its members.
    fn list(&self) -> u128 {
        let mut filters = self.query.others(&["after", "limit"]);
        filters.sort_unstable();
        let parts = filters.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let parts: Vec<&[u8]> = [self.uri.path().as_bytes()].into_iter().chain(parts).collect();
        digest(&parts)
    }

    /// Where it begins, as [`Page::cursor`] was told; `None`: it is the first one.
    pub fn begins(&self) -> Result<Option<String>, Problem> {
        let Some(after) = self.query.get("after") else { return Ok(None) };
        self.app.secrets.opened(self.list(), after).map(Some).ok_or_else(|| {
            Problem::invalid(
                "after in the query is no next of this list. Take it as the page before told it, with the same \
                 filters, or leave it out to begin anew. Nothing was done.",
            )
        })
    }

    /// What a client gets for a place in the list. It cannot read it, make one, or use it for another list.
    pub fn cursor(&self, place: &str) -> String {
        self.app.secrets.sealed(self.list(), place)
    }

    /// The answer with this body, whose `next` is this cursor. The header says the address of the next page (RFC 8288).
    pub fn answer(&self, next: Option<&str>, body: &impl Serialize) -> Response {
        let mut answer = Json(body).into_response();
        if let Some(next) = next {
            let mut address = form_urlencoded::Serializer::new(String::new());
            address.extend_pairs(self.query.others(&["after"])).append_pair("after", next);
            let (base, path) = (self.app.links.base(), self.uri.path());
            let link = format!("<{base}{path}?{}>; rel=\"next\"", address.finish());
            if let Ok(link) = HeaderValue::try_from(link) {
                answer.headers_mut().insert(header::LINK, link);
            }
        }
        answer
    }
}
