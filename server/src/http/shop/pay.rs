//! The payment page: the sandbox's cards, or Stripe's Payment Element. The card's number goes from
//! the browser to Stripe and never touches us; what we get is a token of it.
//!
//! Its address has a secret of its own, which can pay and nothing else, because others get to know
//! that address: Stripe, the buyer's bank, and Stripe's script, which runs in the page. So neither the
//! page nor its address may hold the order's own secret, and it shows no ticket, name or e-mail address.
//! A buyer who came from the order's page is led back there by a cookie that no script can read.

use crate::actor::Actor;
use crate::admission::client::Client;
use crate::app::App;
use crate::http::api;
use crate::http::cookies;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Frame, Moment, Page, attribute, page};
use crate::http::problem::Problem;
use crate::http::shop::answers;
use crate::http::shop::order::{
    OrderPage, Until, a_bank_may_have_paid, has_parameter, opened, order_page,
};
use crate::http::shop::own_orders::{self, what};
use crate::http::site::Site;
use crate::http::speaks::here;
use crate::http::view::{self, Action};
use crate::language::Words;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{Event, Order, OrderId, OrderState, Refusal};
use std::sync::Arc;

/// What the payment page may load, and no other page: Stripe's script and frames, and calls of that
/// script to Stripe (<https://docs.stripe.com/security/guide#content-security-policy>).
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
    script-src 'self' https://js.stripe.com https://*.js.stripe.com; \
    frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; \
    connect-src 'self' https://api.stripe.com; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The cookie with the order's own secret, for the way back from the payment page.
const COOKIE: &str = "nts_order";
/// How long the way back is remembered.
const COOKIE_S: i64 = 30 * 24 * 3_600;

/// The sandbox's cards.
#[derive(Template)]
#[template(path = "pay.html")]
struct SandboxPage {
    frame: Frame,
    path: String,
    event_name: String,
    starts: Moment,
    what: String,
    total: String,
    declined: Option<String>,
    until: Until,
}

/// Stripe's Payment Element, or what Stripe's script must do for the bank.
#[derive(Template)]
#[template(path = "pay_stripe.html")]
struct StripePage {
    frame: Frame,
    path: String,
    event_name: String,
    starts: Moment,
    what: String,
    total: String,
    declined: Option<String>,
    until: Option<Until>,
    key: String,
    amount: i64,
    currency: String,
    return_url: String,
    /// Of a payment for which the bank wants to hear from the buyer.
    client_secret: Option<String>,
    out_of_reach: bool,
    /// Whether a bank waits for the buyer, and another card may be tried instead.
    bank_asks: bool,
    may_try: bool,
}

/// Where the payment stands, for somebody who has not shown the order's own secret.
#[derive(Template)]
#[template(path = "pay_state.html")]
struct StatePage {
    frame: Frame,
    path: String,
    headline: Words,
    /// Whether it is paid, and this page can tell no more.
    paid: bool,
    event_name: String,
    message: Words,
    declined: Option<String>,
    refresh: Option<u64>,
    /// The bank's own page, if it waits for the buyer.
    action: Option<String>,
    can_pay: bool,
    free: bool,
    total: String,
}

impl StripePage {
    /// The words that `pay.js` writes, as JSON for an attribute.
    fn pay_words(&self) -> String {
        let lang = self.frame.lang;
        let unreachable = match self.bank_asks {
            // While a bank waits for the buyer, it may say yes without this page.
            true => lang.stripe_unreachable_bank_asks(),
            false => lang.stripe_unreachable(),
        };
        let (again, not_used) = (lang.load_page_again(), lang.card_not_used());
        attribute(
            &serde_json::json!({"again": again, "not_used": not_used, "unreachable": unreachable}),
        )
    }
}

/// The id of the order in the address, if the secret beside it pays the order.
fn payable(app: &App, id: &str, secret: &str) -> Result<OrderId, Problem> {
    let id = api::order_id(id)?;
    if app.secrets.pays(id, secret) { Ok(id) } else { Err(Problem::unknown_order()) }
}

/// Lets the browser find the way back from the payment page. Only for somebody who has shown the order's
/// own secret, or has just made the order: the cookie holds that secret.
pub(in crate::http) fn remember(app: &App, order: OrderId, mut response: Response) -> Response {
    let (id, secret) = (uuid::Uuid::from_u128(order.0), app.secrets.order(order));
    cookies::set(app, &mut response, (COOKIE, &secret, &format!("/pay/{id}")), COOKIE_S);
    response
}

/// Whether this browser was shown the order's page before, and goes to a page now. A script that asks
/// (Stripe's, say) is not led to the order's page, whose address it could read.
fn remembers(app: &App, order: OrderId, headers: &HeaderMap) -> bool {
    cookies::navigates(headers)
        && (cookies::values(headers, COOKIE).any(|secret| app.secrets.opens(order, secret))
            || own_orders::known(app, headers).contains(&order))
}

/// The order as it is now. The browser may just be back from the bank: then it is read what that says.
async fn current(app: &App, id: OrderId) -> Result<(Arc<Order>, Arc<Event>), Problem> {
    let mut order = app.sales.find(id).await?;
    if a_bank_may_have_paid(&order) {
        app.sales.refresh(&order).await;
        order = app.sales.find(id).await?;
    }
    let event = app.sales.event_of(&order).await?;
    Ok((order, event))
}

/// Whether the address has `?another`: the buyer wants to give another card although a bank still
/// waits for them.
fn asks_for_another(query: Option<&str>) -> bool {
    has_parameter(query, "another")
}

/// `GET /pay/{id}/{secret}`. Where nothing is to be paid now, or a bank's own page waits for the buyer, it
/// says so.
pub async fn show(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Page {
    let id = payable(&app, &id, &secret)?;
    // Read anew: if the bank has said yes meanwhile, no other card is wanted.
    let (order, event) = current(&app, id).await?;
    let another = asks_for_another(query.as_deref());
    let client_secret = match view::action(&order) {
        Some(Action::Secret(secret)) if !another => Some(secret.to_owned()),
        _ => None,
    };
    if let Some(questions) = answers::first(&app, &order, &event, remembers(&app, id, &headers)) {
        return Ok(questions);
    }
    let shown = order_page(&app, &order, &event);
    let elsewhere = view::bank_asks(&order) && !another;
    if client_secret.is_none()
        && (elsewhere
            || !shown.can_pay
            || shown.free
            || shown.until.is_none()
            || shown.answers.missing)
    {
        return Ok(leave(&app, &order, &event, &headers));
    }
    let OrderPage { event_name, total, declined, until, can_pay, .. } = shown;
    let (frame, path) = (Frame::of(&app), app.links.pay_path(id));
    let starts = Moment::short(frame.lang, event.spec.starts_ms, &event.spec.zone).capital();
    let what = what(&order, &event);
    if app.sandbox.is_some() {
        let Some(until) = until else { return Ok(leave(&app, &order, &event, &headers)) };
        let page =
            page(&SandboxPage { frame, path, event_name, starts, what, total, declined, until });
        return Ok(page);
    }
    let mut response = page(&StripePage {
        frame,
        path,
        event_name,
        starts,
        what,
        total,
        declined,
        until,
        key: app.config.stripe_publishable_key.to_string(),
        amount: order.total().minor,
        currency: order.currency.code().to_ascii_lowercase(),
        return_url: app.links.pay_url(id),
        client_secret,
        out_of_reach: app.sales.provider_is_out_of_reach(),
        bank_asks: view::bank_asks(&order),
        may_try: can_pay,
    });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Wallets open windows of their own, which must be able to tell this page what came of them.
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin-allow-popups"));
    Ok(response)
}

/// `GET /pay/{id}/{secret}/order`: from the payment page to the order's, for who came from there;
/// for others, where the payment stands.
pub async fn back(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Page {
    let id = payable(&app, &id, &secret)?;
    let (order, event) = current(&app, id).await?;
    Ok(leave(&app, &order, &event, &headers))
}

fn leave(app: &App, order: &Order, event: &Event, headers: &HeaderMap) -> Response {
    if remembers(app, order.id, headers) {
        return Redirect::to(&app.links.order_path(order.id)).into_response();
    }
    let shown = order_page(app, order, event);
    let frame = Frame::of(app);
    let (lang, paid) = (frame.lang, order.state == OrderState::Paid);
    let unanswered = shown.answers.missing;
    let message = match order.state {
        OrderState::Paid => lang.paid_elsewhere(),
        _ if unanswered => lang.questions_on_order_page(),
        _ => view::message(app, order, lang),
    };
    let OrderPage { headline, event_name, declined, refresh, action, can_pay, free, total, .. } =
        shown;
    let can_pay = can_pay && !unanswered;
    let headline = if paid { lang.paid() } else { headline };
    let path = app.links.pay_path(order.id);
    // Stripe's script asks for the bank on the payment page; other banks have pages of their own.
    let action = match view::action(order) {
        Some(Action::Secret(_)) => Some(path.clone()),
        _ => action,
    };
    page(&StatePage {
        frame,
        path,
        headline,
        paid,
        event_name,
        message,
        declined,
        refresh,
        action,
        can_pay,
        free,
        total,
    })
}

/// `POST /pay/{id}/{secret}`
pub async fn pay(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    let sent = sent?;
    let id = payable(&app, &id, &secret)?;
    let taken = take(&app, client, id, &sent, &app.links.way_back(id)).await;
    taken.map_err(|no| no.back_to(app.links.pay_path(id), here().back_to_payment()))
}

/// `GET /orders/{id}/{secret}/pay`: from the order's page to the payment page.
pub async fn lead(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    if let Some(questions) = answers::first(&app, &order, &event, true) {
        return Ok(questions);
    }
    let query = if asks_for_another(query.as_deref()) { "?another" } else { "" };
    let path = format!("{}{query}", app.links.pay_path(id));
    Ok(remember(&app, id, Redirect::to(&path).into_response()))
}

/// `POST /orders/{id}/{secret}/pay`
pub async fn pay_opened(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    let sent = sent?;
    let id = opened(&app, &id, &secret)?;
    let home = app.links.order_path(id);
    let taken = take(&app, client, id, &sent, &home).await;
    let taken = taken.map_err(|no| no.back_to(home, here().back_to_order()))?;
    Ok(remember(&app, id, taken))
}

/// Takes what a payment page sent, and leads to what is next.
async fn take(app: &App, client: Client, id: OrderId, sent: &Sent, home: &str) -> Page {
    let form = Form::read(&sent.headers, &sent.body)?;
    take_token(app, client, id, form.get("token"), home).await
}

/// The tickets of an order for which nothing is to be paid.
pub(super) async fn take_free(app: &App, client: Client, id: OrderId, home: &str) -> Page {
    take_token(app, client, id, "", home).await
}

async fn take_token(app: &App, client: Client, id: OrderId, token: &str, home: &str) -> Page {
    match app.sales.pay(Actor::Buyer, client, id, token.into(), None).await {
        Ok((order, _)) => Ok(go_on(app, &order, home)),
        // A double click, a second tab, the back button: the order's page tells what is true.
        Err(CommandError::Refused(
            Refusal::PaymentUnderWay
            | Refusal::AlreadyPaid
            | Refusal::HoldExpired
            | Refusal::PaymentExpired
            | Refusal::TooManyAttempts { .. }
            | Refusal::AnswersMissing { .. }
            | Refusal::Canceled(_),
        )) => Ok(Redirect::to(home).into_response()),
        Err(no) => Err(Problem::from(no).into()),
    }
}

/// Where a buyer goes who has just tried to pay: to the bank if that asks, else to `home`.
pub(in crate::http) fn go_on(app: &App, order: &Order, home: &str) -> Response {
    match view::action(order) {
        // A form may lead to pages of ours only (form-action): to another address leads the link
        // on the order's page.
        Some(Action::Redirect(url)) if url.starts_with('/') => Redirect::to(url).into_response(),
        Some(Action::Secret(_)) if order.state == OrderState::Paying => {
            Redirect::to(&app.links.pay_path(order.id)).into_response()
        }
        _ => Redirect::to(home).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Lang;

    /// The sandbox has another payment page, so the language of the tests is tried here.
    #[test]
    fn no_text_of_the_page_with_stripes_form_escapes_the_catalogue() {
        let lang = Lang::Pseudo;
        for (n, asks) in [(0, false), (1, true), (2, true), (3, false)] {
            let clock = Moment::end(lang, 900_000, 0, "Europe/London");
            let until = Until {
                label: lang.reserved_until(clock.has_day()),
                rfc: String::new(),
                clock,
                now: String::new(),
            };
            let shown = StripePage {
                frame: Frame {
                    lang,
                    test_mode: Some(lang.stripe_test_mode()),
                    languages: vec![],
                    shop: Default::default(),
                },
                path: "/pay/x/y".into(),
                event_name: "Rock".into(),
                starts: Moment::short(lang, 0, "Europe/London"),
                what: "2 × Adult".into(),
                total: lang.money(boxoffice::Money {
                    minor: 5_000,
                    currency: boxoffice::Currency::parse("GBP").expect("a currency"),
                }),
                declined: (n == 0).then(|| lang.decline_reason("Your card has expired.").into()),
                until: (n < 3).then_some(until),
                key: "pk_test".into(),
                amount: 5_000,
                currency: "gbp".into(),
                return_url: "https://tickets.example.org/pay/x/y".into(),
                client_secret: asks.then(|| "pi_secret".into()),
                out_of_reach: n == 3,
                bank_asks: asks,
                may_try: n == 2,
            };
            let html = shown.render().expect("a page");
            assert_eq!(nts_testkit::unmarked(&html, &["Rock", "Adult", "×"]), [""; 0], "{html}");
            let words = html.contains("the page of your order says how it stands");
            assert_eq!(words, asks, "{html}");
        }
    }
}
