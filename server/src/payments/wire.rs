//! One exchange with the provider, as bytes go over the wire: what is sent, what comes back, and
//! the two ways in which nothing comes back. Who carries it knows no call by name.

use bytes::Bytes;
use std::pin::Pin;

/// What is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path below the base address, with its query: `/v1/payment_intents/pi_1?expand[]=…`.
    pub path: String,
    /// The fields of the form, in order; empty for a `GET`.
    pub form: Vec<(String, String)>,
    /// The `Idempotency-Key`; only a `POST` has one.
    pub key: Option<String>,
}

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct WireResponse {
    /// The HTTP status.
    pub status: u16,
    /// `Request-Id`: what to name when asking the provider about it.
    pub request_id: Option<String>,
    /// `Stripe-Should-Retry`, if it was sent
    /// (<https://docs.stripe.com/error-low-level#should-retry>).
    pub should_retry: Option<bool>,
    /// `Retry-After`, in milliseconds, if it was sent.
    pub retry_after_ms: Option<i64>,
    /// The body; what is promised to be JSON may be anything.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// There was no connection: nothing was sent, nothing happened.
    NotSent(String),
    /// It was sent, or may have been: it may have happened.
    Unknown(String),
}

/// An exchange that is under way.
pub type Exchange<'a> = Pin<Box<dyn Future<Output = Result<WireResponse, Lost>> + Send + 'a>>;

/// Carries requests to the provider and its answers back.
pub trait Wire: Send + Sync {
    /// Sends one request and waits for its answer, for a bounded time.
    fn exchange(&self, request: WireRequest) -> Exchange<'_>;
}

impl<T: Wire + ?Sized> Wire for std::sync::Arc<T> {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        (**self).exchange(request)
    }
}
