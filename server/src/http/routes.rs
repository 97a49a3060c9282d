//! The list of all routes. The router is built from it, and a test reads it: a route cannot be added
//! without saying who may use it, nor without the test asking as everybody else.

use super::api::{
    at_door, check_ins, described as says, door, erasures, event_sale, mails, organiser, sales,
    webhooks,
};
use super::integrations::{sandbox_bank, stripe_webhook};
use super::office::{
    account, answers as office_answers, door as office_door, event_log, events, export, guests,
    home, keys, order as office_order, order_forms, orders, people, sale, sell, shop, sign_in,
    webhooks as office_webhooks, welcome,
};
use super::openapi::Operation;
use super::shop::{
    about, answers, calendar, event, front, lost, names, order, order_form, order_mail, pay,
    ticket, tickets_pdf,
};
use super::site::Site;
use super::{api, assets, door as door_page, legacy, openapi, ops, problems};
use crate::access::Right;
use crate::config::Config;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

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
    /// Who is signed in, whatever their role.
    SignedIn,
    /// Who has a link of the office that was not used yet, `{token}` of the path.
    OneTimeLink,
    /// Who has the link of a gate that works, `{token}` of the path.
    GateLink,
    /// The payment provider, who signs what it sends.
    Provider,
    /// Nobody: it answers that it is not set up.
    Nobody,
}

/// A route, for one method.
#[derive(Clone, Debug)]
pub struct Described {
    /// The method. `GET` answers `HEAD` as well.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// The query parameters that it takes. The API refuses others.
    pub query: Vec<&'static str>,
    /// What it does; of routes of the API alone, which all have it.
    pub operation: Option<Operation>,
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
        self.list.push(Described { method, path, access, query: vec![], operation: None });
        self
    }

    /// The query parameters of the page that was added last. Those of the API stand in what it says.
    fn takes(&mut self, query: &[&'static str]) -> &mut Routes {
        self.list.last_mut().expect("a route was added").query = query.to_vec();
        self
    }

    /// What the route of the API says of itself that was added last, with the parameters of its query.
    fn says(&mut self, operation: Operation) -> &mut Routes {
        let last = self.list.last_mut().expect("a route was added");
        last.query = operation.query_names();
        last.operation = Some(operation);
        self
    }

    /// All that is in it. A route of the API without a description is a mistake in this file.
    fn all_described(self) -> Routes {
        for Described { method, path, operation, .. } in &self.list {
            let of_api = path.starts_with(API);
            assert!(operation.is_some() == of_api, "{method} {path}: see `api/described.rs`");
        }
        self
    }
}

/// How the path of each route of the API begins.
const API: &str = "/api/";

/// The routes of a kind of server: its router without its state, and the list with an index.
pub struct Table {
    pub(super) router: Router<Arc<Site>>,
    list: Vec<Described>,
    /// Where the routes of a path stand in the list.
    of_path: BTreeMap<&'static str, Vec<usize>>,
}

impl Table {
    fn of(kind: Kind) -> Table {
        let Routes { router, list } = list(kind).all_described();
        let mut of_path: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for (at, route) in list.iter().enumerate() {
            of_path.entry(route.path).or_default().push(at);
        }
        Table { router, list, of_path }
    }

    /// All of them.
    pub fn all(&self) -> &[Described] {
        &self.list
    }

    /// Those of a path with its parameters in braces, one for each method.
    pub(super) fn of_path(&self, path: &str) -> impl Iterator<Item = &Described> {
        self.of_path.get(path).into_iter().flatten().map(|at| &self.list[*at])
    }

    /// That of a path and a method; `HEAD` is not among them.
    pub(super) fn one(&self, path: &str, method: &Method) -> Option<&Described> {
        self.of_path(path).find(|route| route.method == *method)
    }
}

/// What of a server's settings decides which routes it has.
#[derive(Clone, Copy)]
struct Kind {
    /// It serves with the sandbox, and no money moves.
    sandbox: bool,
    /// Whoever knows a name may read the list of the old routes.
    demo: bool,
    /// The provider's messages can be checked.
    hears_provider: bool,
}

/// All routes of a server with these settings. `sandbox`: it serves with the sandbox, and no money moves. They are
/// built once in a process.
pub fn routes(config: &Config, sandbox: bool) -> &'static Table {
    static TABLES: [OnceLock<Table>; 8] = [const { OnceLock::new() }; 8];
    let hears_provider = !config.stripe_webhook_secret.is_empty();
    let kind = Kind { sandbox, demo: config.demo(), hears_provider };
    let number =
        usize::from(sandbox) | usize::from(kind.demo) << 1 | usize::from(hears_provider) << 2;
    TABLES[number].get_or_init(|| Table::of(kind))
}

fn list(kind: Kind) -> Routes {
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
        .get("/orders/{id}/{secret}/answers", OrderPath, answers::show)
        .post("/orders/{id}/{secret}/answers", OrderPath, answers::save)
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
        .get("/openapi.json", Anyone, openapi::serve)
        .get("/docs/api", Anyone, openapi::page)
        .get("/api/v1/events", Anyone, api::events)
        .says(says::events())
        .get("/api/v1/events/{event}", Anyone, api::event)
        .says(says::event())
        .add(Method::PUT, "/api/v1/events/{event}", Staff(ChangeEvents), organiser::put_event)
        .says(says::put_event())
        .add(Method::PATCH, "/api/v1/events/{event}", Staff(ChangeEvents), organiser::patch_event)
        .says(says::patch_event())
        .add(Method::DELETE, "/api/v1/events/{event}", Staff(ChangeEvents), organiser::delete_event)
        .says(says::delete_event())
        .post("/api/v1/events/{event}/pause", Staff(ChangeEvents), event_sale::pause)
        .says(says::pause())
        .post("/api/v1/events/{event}/resume", Staff(ChangeEvents), event_sale::resume)
        .says(says::resume())
        .post("/api/v1/events/{event}/cancel", Staff(Refund), event_sale::cancel)
        .says(says::cancel_event())
        .get("/api/v1/events/{event}/cancellation", Staff(SeeEvents), event_sale::cancellation)
        .says(says::cancellation())
        .get("/api/v1/events/{event}/live", Anyone, api::live)
        .says(says::live())
        .post("/api/v1/events/{event}/orders", Anyone, api::hold)
        .says(says::hold())
        .get("/api/v1/events/{event}/orders", Staff(SeeOrders), organiser::orders)
        .says(says::orders())
        .get("/api/v1/orders", Staff(SeeOrders), organiser::all_orders)
        .says(says::all_orders())
        .post("/api/v1/events/{event}/sales", Staff(SellTickets), sales::sell)
        .says(says::sell())
        .post("/api/v1/events/{event}/check-ins", Staff(CheckIn), check_ins::check_in)
        .says(says::check_in())
        .get("/api/v1/events/{event}/check-ins", Staff(CheckIn), check_ins::overview)
        .says(says::overview())
        .add(
            Method::DELETE,
            "/api/v1/events/{event}/check-ins/{device}/{nonce}",
            Staff(CheckIn),
            check_ins::undo,
        )
        .says(says::undo())
        .get("/api/v1/events/{event}/door", Staff(CheckIn), check_ins::door)
        .says(says::door())
        .add(Method::PUT, "/api/v1/events/{event}/door", Staff(ChangeEvents), check_ins::put_door)
        .says(says::put_door())
        .post("/api/v1/events/{event}/door/devices", Staff(CheckIn), at_door::heard)
        .says(says::heard())
        .get("/api/v1/events/{event}/door/devices", Staff(ChangeEvents), at_door::devices)
        .says(says::devices())
        .get("/api/v1/events/{event}/door/links", Staff(ChangeEvents), at_door::links)
        .says(says::links())
        .post("/api/v1/events/{event}/door/links", Staff(ChangeEvents), at_door::make_link)
        .says(says::make_link())
        .add(
            Method::DELETE,
            "/api/v1/events/{event}/door/links/{link}",
            Staff(ChangeEvents),
            at_door::end_link,
        )
        .says(says::end_link())
        .get("/api/v1/events/{event}/door/list", Staff(CheckIn), at_door::list)
        .says(says::list())
        .get("/api/v1/events/{event}/door/tickets", Staff(CheckIn), at_door::find)
        .says(says::find())
        .get("/api/v1/events/{event}/door/arrivals", Staff(SeeEvents), at_door::arrivals)
        .says(says::arrivals())
        .post("/api/v1/events/{event}/guests", Staff(SellTickets), sales::import_guests)
        .says(says::import_guests())
        .get("/api/v1/orders/{id}", OrderOrStaff(SeeOrders), api::order)
        .says(says::order())
        .post("/api/v1/orders/{id}/pay", OrderOrStaff(ChangeOrders), api::pay)
        .says(says::pay())
        .post("/api/v1/orders/{id}/cancel", OrderOrStaff(ChangeOrders), api::cancel)
        .says(says::cancel())
        .post("/api/v1/orders/{id}/mails", OrderOrStaff(ChangeOrders), mails::send_again)
        .says(says::send_again())
        .add(Method::PUT, "/api/v1/orders/{id}/email", OrderOrStaff(ChangeOrders), mails::put_email)
        .says(says::put_email())
        .add(
            Method::PUT,
            "/api/v1/orders/{id}/answers",
            OrderOrStaff(ChangeOrders),
            sales::put_answers,
        )
        .says(says::put_answers())
        .add(
            Method::PUT,
            "/api/v1/orders/{id}/metadata",
            OrderOrStaff(ChangeOrders),
            sales::put_metadata,
        )
        .says(says::put_metadata())
        .add(Method::PUT, "/api/v1/orders/{id}/name", Staff(ChangeOrders), sales::put_name)
        .says(says::put_name())
        .post("/api/v1/orders/{id}/refunds", Staff(Refund), organiser::refund)
        .says(says::refund())
        .post("/api/v1/orders/{id}/tickets/{number}", OrderOrStaff(ChangeOrders), api::name_ticket)
        .says(says::name_ticket())
        .get("/api/v1/tickets/{code}", Staff(CheckIn), door::ticket)
        .says(says::ticket())
        .get("/api/v1/door/keys", Staff(CheckIn), door::keys)
        .says(says::keys())
        .post("/api/v1/door/keys", Staff(ManageShop), door::new_key)
        .says(says::new_key())
        .add(Method::DELETE, "/api/v1/door/keys/{key}", Staff(ManageShop), door::revoke_key)
        .says(says::revoke_key())
        .post("/api/v1/erasures", Staff(EraseBuyers), erasures::erase)
        .says(says::erase())
        .get("/api/v1/webhooks", Staff(ManageShop), webhooks::list)
        .says(says::list_webhooks())
        .post("/api/v1/webhooks", Staff(ManageShop), webhooks::make)
        .says(says::make_webhook())
        .get("/api/v1/webhooks/{webhook}", Staff(ManageShop), webhooks::show)
        .says(says::webhook())
        .add(Method::PATCH, "/api/v1/webhooks/{webhook}", Staff(ManageShop), webhooks::change)
        .says(says::change_webhook())
        .add(Method::DELETE, "/api/v1/webhooks/{webhook}", Staff(ManageShop), webhooks::remove)
        .says(says::remove_webhook())
        .post("/api/v1/webhooks/{webhook}/test", Staff(ManageShop), webhooks::test)
        .says(says::test_webhook())
        .post("/api/v1/webhooks/{webhook}/secret", Staff(ManageShop), webhooks::renew_secret)
        .says(says::renew_secret())
        .get("/api/v1/webhooks/{webhook}/deliveries", Staff(ManageShop), webhooks::deliveries)
        .says(says::deliveries())
        .post(
            "/api/v1/webhooks/{webhook}/deliveries/{delivery}/replay",
            Staff(ManageShop),
            webhooks::replay,
        )
        .says(says::replay())
        .get("/door/worker.js", Anyone, assets::door_worker)
        .get("/door/{event}/link/{token}", GateLink, door_page::open_link)
        .get("/door/{event}", Office(CheckIn), door_page::show)
        .takes(&["gate", "q"])
        .post("/door/{event}/leave", Office(CheckIn), door_page::leave)
        .post("/door/{event}/devices", Office(CheckIn), at_door::heard)
        .get("/door/{event}/list", Office(CheckIn), at_door::list)
        .takes(&["since", "page"])
        .post("/door/{event}", Office(CheckIn), door_page::scan)
        .post("/door/{event}/undo", Office(CheckIn), door_page::undo)
        .post("/door/{event}/check-ins", Office(CheckIn), check_ins::check_in)
        .add(
            Method::DELETE,
            "/door/{event}/check-ins/{device}/{nonce}",
            Office(CheckIn),
            check_ins::undo,
        )
        .get("/office", Office(SeeEvents), home::home)
        .get("/office/sign-in", Anyone, sign_in::show)
        .post("/office/sign-in", Anyone, sign_in::sign_in)
        .get("/office/code/{token}", OneTimeLink, sign_in::show_code)
        .post("/office/code/{token}", OneTimeLink, sign_in::code)
        .post("/office/sign-in/link", Anyone, sign_in::send_link)
        .get("/office/link/{token}", OneTimeLink, sign_in::show_link)
        .post("/office/link/{token}", OneTimeLink, sign_in::open_link)
        .get("/office/confirm", SignedIn, sign_in::show_confirm)
        .post("/office/confirm", SignedIn, sign_in::confirm)
        .post("/office/sign-out", SignedIn, sign_in::sign_out)
        .get("/office/welcome/{token}", OneTimeLink, welcome::show)
        .post("/office/welcome/{token}", OneTimeLink, welcome::accept)
        .get("/office/events/{event}", Office(SeeEvents), sale::show)
        .get("/office/events/{event}/live", Office(SeeEvents), sale::live)
        .get("/office/orders", Office(SeeOrders), orders::all)
        .get("/office/events/{event}/orders", Office(SeeOrders), orders::of_event)
        .get("/office/orders/{id}", Office(SeeOrders), office_order::show)
        .get("/office/orders/{id}/refund", Office(Refund), order_forms::refund_form)
        .post("/office/orders/{id}/refund", Office(Refund), order_forms::refund)
        .get("/office/orders/{id}/cancel", Office(ChangeOrders), order_forms::cancel_form)
        .post("/office/orders/{id}/cancel", Office(ChangeOrders), order_forms::cancel)
        .get("/office/orders/{id}/resend", Office(ChangeOrders), order_forms::resend_form)
        .post("/office/orders/{id}/resend", Office(ChangeOrders), order_forms::resend)
        .get("/office/orders/{id}/address", Office(ChangeOrders), order_forms::address_form)
        .post("/office/orders/{id}/address", Office(ChangeOrders), order_forms::address)
        .get("/office/orders/{id}/tickets/{number}", Office(ChangeOrders), order_forms::guest_form)
        .post("/office/orders/{id}/tickets/{number}", Office(ChangeOrders), order_forms::guest)
        .get("/office/orders/{id}/name", Office(ChangeOrders), order_forms::name_form)
        .post("/office/orders/{id}/name", Office(ChangeOrders), order_forms::name)
        .get("/office/orders/{id}/answers", Office(ChangeOrders), office_answers::show)
        .post("/office/orders/{id}/answers", Office(ChangeOrders), office_answers::save)
        .get("/office/events/{event}/sell", Office(SellTickets), sell::sell_form)
        .post("/office/events/{event}/sell", Office(SellTickets), sell::sell)
        .get("/office/events/{event}/give", Office(SellTickets), sell::give_form)
        .post("/office/events/{event}/give", Office(SellTickets), sell::give)
        .get("/office/events/{event}/guests", Office(SellTickets), guests::show)
        .post("/office/events/{event}/guests", Office(SellTickets), guests::take)
        .get("/office/events/{event}/door", Office(SeeEvents), office_door::show)
        .post("/office/events/{event}/door", Office(ChangeEvents), office_door::change)
        .post("/office/events/{event}/door/links", Office(ChangeEvents), office_door::make_link)
        .get("/office/events/{event}/door/links/{link}", Office(ChangeEvents), office_door::link)
        .post(
            "/office/events/{event}/door/links/{link}/end",
            Office(ChangeEvents),
            office_door::end_link,
        )
        .get("/office/events/{event}/log", Office(SeeOrders), event_log::show)
        .get("/office/events/{event}/accounts", Office(SeeOrders), export::accounts)
        .get("/office/events/{event}/export", Office(SeeOrders), export::show)
        .get("/office/events/{event}/export/{file}", Office(SeeOrders), export::file)
        .get("/api/v1/events/{event}/export/{file}", Staff(SeeOrders), export::file_for_programs)
        .says(says::export())
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
        .get("/office/webhooks", Office(ManageShop), office_webhooks::list)
        .post("/office/webhooks", Office(ManageShop), office_webhooks::make)
        .get("/office/webhooks/{webhook}", Office(ManageShop), office_webhooks::show)
        .post("/office/webhooks/{webhook}", Office(ManageShop), office_webhooks::change)
        .get("/office/shop", Office(ManageShop), shop::show)
        .takes(&["done"])
        .post("/office/shop", Office(ManageShop), shop::change)
        .post("/office/shop/logo", Office(ManageShop), shop::logo)
        .get("/office/events/{event}/cancel", Office(ChangeEvents), events::ask_cancel)
        .post("/office/events/{event}/cancel", Office(Refund), events::cancel)
        .get("/office/account", SignedIn, account::show)
        .post("/office/account/password", SignedIn, account::password)
        .get("/office/account/authenticator", SignedIn, account::authenticator)
        .post("/office/account/authenticator", SignedIn, account::set_authenticator)
        .post("/office/account/authenticator/remove", SignedIn, account::remove_authenticator)
        .post("/office/account/recovery-codes", SignedIn, account::renew_codes)
        .post("/office/account/sessions", SignedIn, account::end_sessions)
        .get("/office/people", Office(ManageAccess), people::show)
        .post("/office/people/invitations", Office(ManageAccess), people::invite)
        .get("/office/people/invitations/{invitation}", Office(ManageAccess), people::invitation)
        .post("/office/people/invitations/{invitation}", Office(ManageAccess), people::uninvite)
        .post("/office/people/{person}/role", Office(ManageAccess), people::give_role)
        .post("/office/people/{person}/role/take", Office(ManageAccess), people::take_role)
        .post("/office/people/{person}/remove", Office(ManageAccess), people::remove)
        .get("/office/keys", Office(ManageAccess), keys::show)
        .post("/office/keys", Office(ManageAccess), keys::make)
        .post("/office/keys/{office_key}/end", Office(ManageAccess), keys::end)
        .get("/healthz", Anyone, ops::healthz)
        .get("/readyz", Anyone, ops::readyz)
        .get("/metrics", Anyone, ops::metrics);
    // A name is no credential where money is taken.
    let charges = if kind.sandbox { AnyoneInTheDemo } else { OrderForm };
    let list = if kind.demo { AnyoneInTheDemo } else { Staff(SeeOrders) };
    routes
        .post("/nts/v1/reserve", Anyone, legacy::reserve)
        .post("/nts/v1/charge", charges, legacy::charge)
        .get("/nts/v1/list-guests", list, legacy::list_guests)
        .takes(&["after"]);
    if kind.sandbox {
        routes
            .get("/orders/{id}/{secret}/mails/{n}", OrderPath, order_mail::show)
            .get("/sandbox/authenticate/{intent}", Payment, sandbox_bank::show)
            .post("/sandbox/authenticate/{intent}", Payment, sandbox_bank::answer)
            .post("/nts/v1/debug/reset", AnyoneInTheDemo, legacy::reset);
    } else if kind.hears_provider {
        routes.post("/stripe/webhook", Provider, stripe_webhook::hear);
    } else {
        routes.post("/stripe/webhook", Nobody, stripe_webhook::not_set_up);
    }
    routes
}
