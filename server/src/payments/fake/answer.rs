//! What the fake answers: a status, a body, and the headers that a client may heed.
//!
//! Errors have Stripe's types and codes (<https://docs.stripe.com/api/errors>,
//! <https://docs.stripe.com/error-codes>); the sentences are our own.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// An answer on its way out.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// Whether the body is a page that a proxy made, and nothing of Stripe's.
    pub html: bool,
    pub request_id: String,
    /// The request that this repeats the answer of, if it was remembered under a key.
    pub original: Option<String>,
    /// `Stripe-Should-Retry` (<https://docs.stripe.com/error-low-level#should-retry>).
    pub should_retry: Option<bool>,
}

impl Answer {
    pub fn new(status: u16, body: String, request_id: String) -> Answer {
        Answer {
            status,
            body: body.into(),
            html: false,
            request_id,
            original: None,
            should_retry: None,
        }
    }

    pub fn fault(fault: &Fault, request_id: String) -> Answer {
        let should_retry = matches!(fault.status, 409 | 429).then_some(true);
        Answer { should_retry, ..Answer::new(fault.status, fault.json(), request_id) }
    }

    /// The page of a proxy that stands between us and Stripe, or of a hotel's network.
    pub fn html(status: u16, request_id: String) -> Answer {
        let body = format!(
            "<!doctype html>\n<html><head><title>{status}</title></head>\
             <body><h1>{status}</h1><p>The proxy has something to say.</p></body></html>\n"
        );
        Answer { html: true, ..Answer::new(status, body, request_id) }
    }

    /// The same with null, or nothing, wherever Stripe's schema allows it and no information that we
    /// have written ourselves is lost.
    pub fn with_nulls(self) -> Answer {
        let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) else { return self };
        nulls(&mut body);
        Answer { body: body.to_string().into(), ..self }
    }

    /// The same with half of its body, as a success: what a broken proxy makes of it.
    pub fn garbled(self) -> Answer {
        let body = self.body.slice(..self.body.len() / 2);
        Answer { status: 200, body, ..self }
    }
}

/// A request that ends in an error.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub status: u16,
    error: Box<ErrorObject>,
}

#[derive(Clone, Debug, Serialize)]
struct ErrorObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'static str>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<Value>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a ErrorObject,
}

impl Fault {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: String) -> Fault {
        let error = Box::new(ErrorObject {
            charge: None,
            code,
            decline_code: None,
            message,
            param: None,
            payment_intent: None,
            kind,
        });
        Fault { status, error }
    }

    /// 400 `invalid_request_error`, with one of <https://docs.stripe.com/error-codes>.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Fault {
        Fault::new(400, "invalid_request_error", Some(code), message.into())
    }

    /// The same where Stripe has no code for it.
    pub fn plain(message: impl Into<String>) -> Fault {
        Fault::new(400, "invalid_request_error", None, message.into())
    }

    /// Another status than 400.
    pub fn with_status(self, status: u16) -> Fault {
        Fault { status, ..self }
    }

    /// The parameter at fault.
    pub fn about(mut self, param: impl Into<String>) -> Fault {
        self.error.param = Some(param.into());
        self
    }

    /// The PaymentIntent as it stands.
    pub fn showing(mut self, intent: Value) -> Fault {
        self.error.payment_intent = Some(intent);
        self
    }

    /// 404 `resource_missing`.
    pub fn missing(what: &str, id: &str, param: &str) -> Fault {
        let id: String = id.chars().take(64).collect();
        Fault::invalid("resource_missing", format!("There is no {what} “{id}”."))
            .with_status(404)
            .about(param)
    }

    /// 402 `card_declined` (<https://docs.stripe.com/declines/codes>).
    pub fn declined(message: &str, decline_code: &'static str, charge: Option<String>) -> Fault {
        let mut fault = Fault::new(402, "card_error", Some("card_declined"), message.into());
        fault.error.decline_code = Some(decline_code);
        fault.error.charge = charge;
        fault
    }

    /// 400 `idempotency_error`: a key of another call.
    pub fn key_reuse(message: String) -> Fault {
        Fault::new(400, "idempotency_error", None, message)
    }

    /// 409: the first call under this key has not ended
    /// (<https://docs.stripe.com/error-codes#idempotency-key-in-use>).
    pub fn key_in_use() -> Fault {
        let message = "The first request under this Idempotency-Key has not ended yet.";
        Fault::invalid("idempotency_key_in_use", message).with_status(409)
    }

    /// 429 (<https://docs.stripe.com/rate-limits>).
    pub fn too_many() -> Fault {
        Fault::invalid("rate_limit", "Too many requests came too quickly.").with_status(429)
    }

    /// 429: the object is being changed by somebody else
    /// (<https://docs.stripe.com/rate-limits#object-lock-timeouts>).
    pub fn locked() -> Fault {
        let message =
            "This object cannot be accessed right now because another request is using it.";
        Fault::invalid("lock_timeout", message).with_status(429)
    }

    /// 403: a restricted key without the permission for this
    /// (<https://docs.stripe.com/keys#limit-access>).
    pub fn forbidden() -> Fault {
        let message = "The key has not the permission that this endpoint requires.";
        Fault::plain(message).with_status(403)
    }

    /// 424 (<https://docs.stripe.com/api/errors>).
    pub fn dependency() -> Fault {
        let message = "The request could not be completed for a failure outside of Stripe.".into();
        Fault::new(424, "api_error", None, message)
    }

    /// 500.
    pub fn internal() -> Fault {
        let message = "Something went wrong on our side.".into();
        Fault::new(500, "api_error", None, message)
    }

    /// The body of the answer.
    pub fn json(&self) -> String {
        json(&ErrorBody { error: &self.error })
    }

    /// What the error says, as it is kept in `last_payment_error`.
    pub fn value(&self) -> Value {
        value(&*self.error)
    }
}

/// Takes out of an answer what Stripe's schema does not promise.
fn nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(nulls),
        Value::Object(fields) => {
            let kind = fields.get("object").and_then(Value::as_str).unwrap_or_default();
            let empty = |fields: &serde_json::Map<String, Value>| {
                fields.get("metadata").and_then(Value::as_object).is_some_and(|m| m.is_empty())
            };
            match kind {
                "refund" => {
                    if empty(fields) {
                        fields.insert("metadata".into(), Value::Null);
                    }
                    let failed = fields.get("status").and_then(Value::as_str) == Some("failed");
                    let status = if failed { "failed".into() } else { Value::Null };
                    fields.insert("status".into(), status);
                    for name in ["balance_transaction", "charge", "payment_intent"] {
                        fields.insert(name.into(), Value::Null);
                    }
                }
                "payment_intent" => {
                    for name in ["client_secret", "description", "cancellation_reason"] {
                        fields.insert(name.into(), Value::Null);
                    }
                }
                "dispute" => _ = fields.insert("payment_intent".into(), Value::Null),
                _ => {}
            }
            for name in ["error", "last_payment_error"] {
                if let Some(Value::Object(error)) = fields.get_mut(name) {
                    error.remove("message");
                    error.insert("code".into(), Value::Null);
                }
            }
            fields.values_mut().for_each(nulls);
        }
        _ => {}
    }
}

/// An object of ours as JSON text.
pub(super) fn json(object: &impl Serialize) -> String {
    serde_json::to_string(object).expect("text keys and plain values become JSON")
}

/// An object of ours as a JSON value.
pub(super) fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("text keys and plain values become JSON")
}
