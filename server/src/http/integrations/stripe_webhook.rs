//! `POST /stripe/webhook`: news from Stripe. A notification only says which payment to read
//! ([`crate::settlement::Notices`]); nothing else of what was sent is believed. Where no secret is set
//! anybody could send one, so none is taken.

#[cfg(test)]
mod fuzz;

use crate::app::App;
use crate::http::extract::{Sent, open_limit, receive};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::settlement::Notice;
use crate::text::cut;
use crate::writer::CommandError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{OrderId, TimeMs};
use hmac::{Hmac, KeyInit, Mac};
use nts_api::ProblemCode;
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far the time of a signature may be from ours
/// (<https://docs.stripe.com/webhooks#replay-attacks>).
const TOLERANCE_S: i64 = 300;

/// An event, as far as it is looked at.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

/// A PaymentIntent, or a charge, a refund or a dispute of one.
#[derive(Deserialize)]
struct Object {
    object: String,
    id: Option<String>,
    payment_intent: Option<String>,
    metadata: Option<BTreeMap<String, serde_json::Value>>,
}

/// `POST /stripe/webhook` where no secret is set. Nothing of the request is read.
pub async fn not_set_up() -> Problem {
    Problem::no_webhooks()
}

/// A notification, not checked yet.
pub struct Notification(Sent);

impl FromRequest<Arc<Site>> for Notification {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<Site>) -> Result<Notification, Problem> {
        let small = open_limit(app);
        let most = request.body().size_hint().upper();
        if most.is_some_and(|most| most <= small as u64) {
            return receive(request, app, small).await.map(Notification);
        }
        let _permit =
            app.admission.slots.large_webhooks.try_acquire().map_err(|_| CommandError::Busy)?;
        let limit = app.config.body_bytes as usize;
        receive(request, app, limit).await.map(Notification)
    }
}

/// `POST /stripe/webhook`
pub async fn hear(
    State(app): State<Arc<Site>>,
    Notification(Sent { headers, body }): Notification,
) -> Result<(StatusCode, &'static str), Problem> {
    let secret = &app.config.stripe_webhook_secret;
    let signature = headers.get("stripe-signature").and_then(|v| v.to_str().ok());
    let genuine = signature.is_some_and(|s| genuine(secret, s, &body, app.clock.now_ms()));
    if !genuine && !on(Mutant::SignatureNotChecked) {
        return Err(Problem::new(
            ProblemCode::BadSignature,
            "The Stripe-Signature header does not fit the body, the secret of this webhook \
             endpoint and the time. Nothing was done.",
        ));
    }
    let event: Event = serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed("The event cannot be read", &error))?;
    tracing::debug!(kind = cut(&event.kind), "webhook");
    let object = event.data.object;
    let intent = if object.object == "payment_intent" { object.id } else { object.payment_intent };
    let order =
        object.metadata.as_ref().and_then(|m| m.get("nts_order")).and_then(|id| id.as_str());
    let order = order.and_then(|id| uuid::Uuid::try_parse(id).ok()).map(|id| OrderId(id.as_u128()));
    if on(Mutant::WebhookBelieved) && event.kind == "payment_intent.succeeded" {
        believe(&app, order).await;
    }
    if let Some(intent) = intent.filter(|id| names_payment(id)) {
        app.settlement.notices.add(Notice { intent, order });
    }
    Ok((StatusCode::OK, "heard\n"))
}

/// Whether this has the shape of a payment's id.
fn names_payment(id: &str) -> bool {
    let word = |rest: &str| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    id.len() <= 255 && id.strip_prefix("pi_").is_some_and(|rest| !rest.is_empty() && word(rest))
}

/// A deliberate break: what was said is taken for what is so.
async fn believe(app: &App, hint: Option<OrderId>) {
    let Some(id) = hint else { return };
    let Ok(Some(order)) = app.sales.stored(id).await else { return };
    let Some(intent) = order.payment.as_ref().and_then(|p| p.believed(&order)) else { return };
    let known = boxoffice::SeenVersion::of(&order);
    _ = app.sales.submit(boxoffice::Command::Reconcile { order: id, intent, known }, None).await;
}

/// Whether Stripe signed this body with this secret, lately
/// (<https://docs.stripe.com/webhooks#verify-manually>).
fn genuine(secret: &str, header: &str, body: &[u8], now: TimeMs) -> bool {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let Some(time) = parts().find_map(|(name, value)| (name == "t").then_some(value)) else {
        return false;
    };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    if (now / 1000).abs_diff(seconds) > TOLERANCE_S as u64 && !on(Mutant::OldSignature) {
        return false;
    }
    let signatures = parts().filter(|(name, _)| *name == "v1").filter_map(|(_, v)| unhex(v));
    signatures.into_iter().any(|signature| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        // Takes as long for a near miss as for a far one.
        mac.verify_slice(&signature).is_ok()
    })
}

/// The bytes of a signature as Stripe writes it: 64 digits in lower case, and in no other form.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 32 && odd.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test`.
    const V1: &str = "v1=7de5e6bbc99c65ef0ddccacd4308ba03a5a12eb8859a0db070c5ca731c4fdc19";

    #[test]
    fn only_a_payment_has_the_name_of_one() {
        let long = format!("pi_{}", "a".repeat(252));
        for name in ["pi_1", "pi_3NxY_2z", &long] {
            assert!(names_payment(name), "{name}");
        }
        for name in ["", "pi_", "ch_1", "pi_1/cancel", "pi_é", "xpi_1", &format!("{long}a")] {
            assert!(!names_payment(name), "{name}");
        }
    }

    #[test]
    fn only_what_stripe_signed_lately_is_genuine() {
        let check = |header: &str, body: &str, now_s: i64| {
            genuine("whsec_test", header, body.as_bytes(), now_s * 1000)
        };
        let (t, body) = (1_800_000_000, r#"{"a":1}"#);
        assert!(check(&format!("t={t},{V1}"), body, t));
        assert!(check(&format!("t={t}, v1={}, {V1}, v0=1", "0".repeat(64)), body, t + 299));
        assert!(
            check(&format!("t={t},{V1}"), body, t + 300)
                && check(&format!("t={t},{V1}"), body, t - 300)
        );
        assert!(!check(&format!("t={t},{V1}00"), body, t), "more than a signature");
        assert!(!check(&format!("t={t},{}", &V1[..65]), body, t), "less than one");
        assert!(!check(&format!("t={t},{V1}"), body, t + 301), "too old");
        assert!(!check(&format!("t={t},{V1}"), body, t - 301), "from the future");
        assert!(!check(&format!("t={t},{V1}"), r#"{"a":2}"#, t), "another body");
        assert!(!check(&format!("t={},{V1}", t + 1), body, t), "another time");
        assert!(!check(&format!("t={t},v1={}", "0".repeat(64)), body, t));
        assert!(!check(&format!("t={t},v0={}", &V1[3..]), body, t), "an older scheme");
        for header in ["", "t=", "t=a,v1=b", "v1=", &format!("t={t}"), &format!("t={t},v1=é")] {
            assert!(!check(header, body, t), "{header}");
        }
        let other = genuine("whsec_other", &format!("t={t},{V1}"), body.as_bytes(), t * 1000);
        assert!(!other, "another secret");
    }
}
