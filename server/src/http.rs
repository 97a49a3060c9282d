//! HTTP: what comes in becomes a command or a question; what goes out is the answer.
//!
//! Pages ([`shop`], [`legacy`]) and the JSON API ([`api`]) are adapters of the same use cases
//! ([`crate::sales`], [`crate::organiser`]). Nothing here reads or writes a store, or calls a provider.

pub mod api;
pub mod assets;
mod auth;
pub mod connection;
mod cookies;
mod cors;
mod cross_site;
pub mod door;
pub mod extract;
#[cfg(test)]
mod fuzz;
mod idempotency;
pub mod integrations;
pub mod legacy;
mod middleware;
mod multipart;
pub mod office;
pub mod openapi;
pub mod ops;
pub mod page;
pub mod problem;
mod problems;
mod query;
pub mod routes;
pub mod shop;
pub mod shown;
pub mod site;
mod speaks;
mod staff;
mod tidy;
pub mod view;

use crate::app::App;
use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use middleware::around;
use nts_api::ProblemCode;
use problem::Problem;
use site::Site;
use std::sync::Arc;

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    router_with(app, Router::new())
}

/// All routes and some more, treated alike: benchmarks compare with a route of their own.
pub fn router_with(app: Arc<App>, more: Router<Arc<Site>>) -> Router {
    let site = Site::new(app);
    let router = site.routes.router.clone();
    router
        .merge(more)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&site), around))
        .with_state(site)
}

async fn not_found(request: Request) -> Response {
    let p = Problem::no_page();
    page::problem_for(request.uri().path(), request.headers(), p)
}

async fn wrong_method(request: Request) -> Response {
    let p = Problem::new(ProblemCode::WrongMethod, speaks::here().not_for_this_method());
    page::problem_for(request.uri().path(), request.headers(), p)
}
