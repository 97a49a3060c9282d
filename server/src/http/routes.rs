//! The list of all routes. The router is built from it, and a test reads it: a route cannot be added
//! without saying who may use it, nor without the test asking as everybody else.

use super::api::{door, erasures, event_sale, mails, organiser};
use super::integrations::{sandbox_bank, stripe_webhook};
use super::office::{events, home, shop};
use super::shop::{
    about, calendar, event, front, lost, names, order, order_form, order_mail, pay, ticket,
    tickets_pdf,
};
use super::site::Site;
use super::{api, assets, legacy, ops, problems};
use crate::access::Right;
use crate::config::Config;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use std::sync::Arc;

/// Who may use a route. What a handler asks for is its own business; here stands what it must ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Everybody. Nothing of a buyer is shown.
    Anyone,
    /// Everybody who knows a buyer's name, in the demo, where no money moves. Names may be shown.
    AnyoneInTheDemo,
    /// Who knows the payment's id, `{intent}` of the path, in the sandbox.
    Payment,
    /// Who has the order's own secret, `{secret}` of the path.
    OrderPath,
    /// Who has the secret that pays the order, `{secret}` of the path.
    PayPath,
    /// Who has the signed code of a ticket, `{code}` of the path. Nothing of its order is shown.
    TicketPath,
    /// Who has the order's own secret as the bearer token, or a key with this right for its event.
    OrderOrStaff(Right),
    /// Who sends the secret that pays the order, or its own, as the field `secret` of the form.
    OrderForm,
    /// Who has a key with this right, as the bearer token: programs of the organiser.
    Staff(Right),
    /// Who is signed in with this right, or has a key with it: pages of the office.
    Office(Right),
    /// The payment provider, who signs what it sends.
    Provider,
    /// Nobody: it answers that it is not set up.
    Nobody,
}

/// A route, for one method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// The method. `GET` answers `HEAD` as well.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// The query parameters that it takes. The API refuses others.
    pub query: &'static [&'static str],
}

/// The router as far as it is built, and what is in it.
struct Routes {
    router: Router<Arc<Site>>,
    list: Vec<Described>,
}

impl Routes {
    fn get<H, T>(&mut self, path: &'static str, access: Access, handler: H) -> &mut Routes
    where
        H: Handler<T, Arc<Site>>,
        T: 'static,
    {
        self.add(Method::GET, path, access, handler)
    }

    fn post<H, T>(&mut self, path: &'static str, access: Access, handler: H) -> &mut Routes
    where
        H: Handler<T, Arc<Site>>,
        T: 'static,
    {
        self.add(Method::POST, path, access, handler)
    }

    fn add<H, T>(
        &mut self,
        method: Method,
        path: &'static str,
        access: Access,
        handler: H,
    ) -> &mut Routes
    where
        H: Handler<T, Arc<Site>>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that axum knows");
        self.router = std::mem::take(&mut self.router).route(path, on(filter, handler));
        self.list.push(Described { method, path, access, query: &[] });
        self
    }

    /// The query parameters of the route that was added last.
    fn takes(&mut self, query: &'static [&'static str]) -> &mut Routes {
        self.list.last_mut().expect("a route was added").query = query;
        self
    }
}

/// All routes of a server with these settings. `sandbox`: it serves with the sandbox, and no money moves.
pub fn routes(config: &Config, sandbox: bool) -> Vec<Described> {
    build(config, sandbox).list
}

/// The router of a server with these settings.
pub(super) fn router(config: &Config, sandbox: bool) -> Router<Arc<Site>> {
    build(config, sandbox).router
}

fn build(config: &Config, sandbox: bool) -> Routes {
    use Access::*;
    use Right::*;
    let mut routes = Routes { router: Router::new(), list: Vec::new() };
    routes
        .get("/", Anyone, front::front)
        .get("/events/{event}", Anyone, event::event)
        .post("/events/{event}/orders", Anyone, order_form::hold)
        .get("/tickets", Anyone, lost::show)
        .post("/tickets", Anyone, lost::send)
        .get("/orders/{id}/{secret}", OrderPath, order::order)
        .post("/orders/{id}/{secret}/mails", OrderPath, order_mail::send_again)
        .post("/orders/{id}/{secret}/email", OrderPath, order_mail::change_address)
        .get("/orders/{id}/{secret}/event.ics", OrderPath, calendar::calendar)
        .get("/orders/{id}/{secret}/tickets.pdf", OrderPath, tickets_pdf::tickets)
        .get("/orders/{id}/{secret}/pay", OrderPath, pay::lead)
        .post("/orders/{id}/{secret}/pay", OrderPath, pay::pay_opened)
        .post("/orders/{id}/{secret}/cancel", OrderPath, order::cancel)
        .post("/orders/{id}/{secret}/tickets/{number}", OrderPath, names::name)
        .get("/t/{code}", TicketPath, ticket::show)
        .get("/T/{code}", TicketPath, ticket::show)
        .get("/t/{code}/event.ics", TicketPath, ticket::calendar)
        .get("/pay/{id}/{secret}", PayPath, pay::show)
        .post("/pay/{id}/{secret}", PayPath, pay::pay)
        .get("/pay/{id}/{secret}/order", PayPath, pay::back)
        .get("/assets/{file}", Anyone, assets::asset)
        .get("/imprint", Anyone, about::imprint)
        .get("/terms", Anyone, about::terms)
        .takes(&["version"])
        .get("/privacy", Anyone, about::privacy)
        .get("/pictures/{picture}", Anyone, about::picture)
        .get("/problems/{code}", Anyone, problems::show)
        .get("/api/v1/events", Anyone, api::events)
        .takes(&["over"])
        .get("/api/v1/events/{event}", Anyone, api::event)
        .takes(&["code"])
        .add(Method::PUT, "/api/v1/events/{event}", Staff(ChangeEvents), organiser::put_event)
        .add(Method::DELETE, "/api/v1/events/{event}", Staff(ChangeEvents), organiser::delete_event)
        .post("/api/v1/events/{event}/pause", Staff(ChangeEvents), event_sale::pause)
        .post("/api/v1/events/{event}/resume", Staff(ChangeEvents), event_sale::resume)
        .post("/api/v1/events/{event}/cancel", Staff(Refund), event_sale::cancel)
        .get("/api/v1/events/{event}/cancellation", Staff(SeeEvents), event_sale::cancellation)
        .get("/api/v1/events/{event}/live", Anyone, api::live)
        .post("/api/v1/events/{event}/orders", Anyone, api::hold)
        .get("/api/v1/events/{event}/orders", Staff(SeeOrders), organiser::orders)
        .takes(&["after", "limit"])
        .get("/api/v1/orders/{id}", OrderOrStaff(SeeOrders), api::order)
        .post("/api/v1/orders/{id}/pay", OrderOrStaff(ChangeOrders), api::pay)
        .post("/api/v1/orders/{id}/cancel", OrderOrStaff(ChangeOrders), api::cancel)
        .post("/api/v1/orders/{id}/mails", OrderOrStaff(ChangeOrders), mails::send_again)
        .add(Method::PUT, "/api/v1/orders/{id}/email", OrderOrStaff(ChangeOrders), mails::put_email)
        .post("/api/v1/orders/{id}/refunds", Staff(Refund), organiser::refund)
        .post("/api/v1/orders/{id}/tickets/{number}", OrderOrStaff(ChangeOrders), api::name_ticket)
        .get("/api/v1/tickets/{code}", Staff(CheckIn), door::ticket)
        .takes(&["event"])
        .get("/api/v1/door/keys", Staff(CheckIn), door::keys)
        .post("/api/v1/door/keys", Staff(ManageShop), door::new_key)
        .add(Method::DELETE, "/api/v1/door/keys/{key}", Staff(ManageShop), door::revoke_key)
        .post("/api/v1/erasures", Staff(EraseBuyers), erasures::erase)
        .get("/office", Office(SeeEvents), home::home)
        .get("/office/events/new", Office(ChangeEvents), events::new)
        .takes(&["copy"])
        .post("/office/events/new", Office(ChangeEvents), events::make)
        .get("/office/events/{event}/edit", Office(ChangeEvents), events::edit)
        .takes(&["done"])
        .post("/office/events/{event}/edit", Office(ChangeEvents), events::change)
        .post("/office/events/{event}/sale", Office(ChangeEvents), events::sale)
        .post("/office/events/{event}/delete", Office(ChangeEvents), events::delete)
        .get("/office/events/{event}/picture", Office(ChangeEvents), shop::picture)
        .post("/office/events/{event}/picture", Office(ChangeEvents), shop::set_picture)
        .get("/office/shop", Office(ManageShop), shop::show)
        .takes(&["done"])
        .post("/office/shop", Office(ManageShop), shop::change)
        .post("/office/shop/logo", Office(ManageShop), shop::logo)
        .get("/office/events/{event}/cancel", Office(ChangeEvents), events::ask_cancel)
        .post("/office/events/{event}/cancel", Office(Refund), events::cancel)
        .get("/healthz", Anyone, ops::healthz)
        .get("/readyz", Anyone, ops::readyz)
        .get("/metrics", Anyone, ops::metrics);
    // A name is no credential where money is taken.
    let charges = if sandbox { AnyoneInTheDemo } else { OrderForm };
    let guests = if config.demo() { AnyoneInTheDemo } else { Staff(SeeOrders) };
    routes
        .post("/nts/v1/reserve", Anyone, legacy::reserve)
        .post("/nts/v1/charge", charges, legacy::charge)
        .get("/nts/v1/list-guests", guests, legacy::list_guests)
        .takes(&["after"]);
    if sandbox {
        routes
            .get("/orders/{id}/{secret}/mails/{n}", OrderPath, order_mail::show)
            .get("/sandbox/authenticate/{intent}", Payment, sandbox_bank::show)
            .post("/sandbox/authenticate/{intent}", Payment, sandbox_bank::answer)
            .post("/nts/v1/debug/reset", AnyoneInTheDemo, legacy::reset);
    } else if config.stripe_webhook_secret.is_empty() {
        routes.post("/stripe/webhook", Nobody, stripe_webhook::not_set_up);
    } else {
        routes.post("/stripe/webhook", Provider, stripe_webhook::hear);
    }
    routes
}
