//! The payment page: the sandbox's cards, or Stripe's Payment Element. The card's number goes from
//! the browser to Stripe and never touches us; what we get is a token of it.

use super::api::pay_and_wait;
use super::problem::Problem;
use super::shop::{Frame, OrderPage, Page, Until, opened, order_page, page};
use super::view::{self, Action};
use super::{Form, Sent, api};
use crate::app::App;
use crate::writer::NoReply;
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{Order, OrderState, Refusal};
use std::sync::Arc;

/// What the payment page may load, and no other page: Stripe's script and frames, and calls of that
/// script to Stripe (<https://docs.stripe.com/security/guide#content-security-policy>).
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
    script-src 'self' https://js.stripe.com https://*.js.stripe.com; \
    frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; \
    connect-src 'self' https://api.stripe.com; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The sandbox's cards.
#[derive(Template)]
#[template(path = "pay.html")]
struct SandboxPage {
    frame: Frame,
    path: String,
    event_name: String,
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

/// `GET /orders/{id}/{secret}/pay`. Where nothing is to be paid now, the order's page says why. With
/// `?another`, another card can be given although a bank still waits for the buyer.
pub async fn show(
    State(app): State<Arc<App>>,
    Path((id, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let mut order = api::find(&app, id).await?;
    let another = query.is_some_and(|query| query == "another");
    if another && view::bank_asks(&order) {
        // The bank may have said yes meanwhile: then no other card is wanted.
        crate::outbox::reconcile(&app, &order).await;
        order = api::find(&app, id).await?;
    }
    let event = app.event_of(&order).await.ok_or_else(Problem::unknown_event)?;
    let client_secret = match view::action(&order) {
        Some(Action::Secret(secret)) if !another => Some(secret.to_owned()),
        _ => None,
    };
    let shown = order_page(&app, &order, &event);
    if client_secret.is_none() && (!shown.can_pay || shown.free || shown.until.is_none()) {
        return Ok(Redirect::to(&shown.path).into_response());
    }
    let OrderPage { path, event_name, total, declined, until, can_pay, .. } = shown;
    let frame = Frame::of(&app);
    if app.sandbox.is_some() {
        let Some(until) = until else { return Ok(Redirect::to(&path).into_response()) };
        return Ok(page(&SandboxPage { frame, path, event_name, total, declined, until }));
    }
    let mut response = page(&StripePage {
        frame,
        path,
        event_name,
        total,
        declined,
        until,
        key: app.config.stripe_publishable_key.clone(),
        amount: order.total().minor,
        currency: order.currency.code().to_ascii_lowercase(),
        return_url: app.order_url(id),
        client_secret,
        out_of_reach: app.stripe.out_of_reach(),
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

/// `POST /orders/{id}/{secret}/pay`
pub async fn pay(
    State(app): State<Arc<App>>,
    Path((id, secret)): Path<(String, String)>,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let id = opened(&app, &id, &secret)?;
    let form = Form::read(&headers, &body)?;
    match pay_and_wait(&app, id, form.get("token").into(), None).await {
        Ok((order, _)) => Ok(go_on(&app, &order)),
        // A double click, a second tab, the back button: the order's page tells what is true.
        Err(NoReply::Refused(
            Refusal::PaymentUnderWay
            | Refusal::AlreadyPaid
            | Refusal::HoldExpired
            | Refusal::PaymentExpired
            | Refusal::TooManyAttempts { .. }
            | Refusal::Canceled(_),
        )) => Ok(Redirect::to(&app.order_path(id)).into_response()),
        Err(no) => Err(Problem::from(no).into()),
    }
}

/// Where a buyer goes who has just tried to pay.
pub fn go_on(app: &App, order: &Order) -> Response {
    let path = app.order_path(order.id);
    match view::action(order) {
        // A form may lead to pages of ours only (form-action): to another address leads the link
        // on the order's page.
        Some(Action::Redirect(url)) if url.starts_with('/') => Redirect::to(url).into_response(),
        Some(Action::Secret(_)) if order.state == OrderState::Paying => {
            Redirect::to(&format!("{path}/pay")).into_response()
        }
        _ => Redirect::to(&path).into_response(),
    }
}
