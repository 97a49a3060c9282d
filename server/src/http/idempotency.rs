//! Idempotency keys: which request an `Idempotency-Key` stands for.

use super::problem::Problem;
use crate::ids::digest;
use crate::store::RequestKey;
use crate::writer::IdempotencyKey;
use axum::http::HeaderMap;

/// The idempotency key of a request, bound to what it is sent to (`scope`) and to its body.
pub fn keyed(
    headers: &HeaderMap,
    scope: &[&[u8]],
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(Problem::invalid(
            "A request has one Idempotency-Key at most. Nothing was done.",
        ));
    }
    let bytes = key.as_bytes();
    if bytes.is_empty() || bytes.len() > 255 || !bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Err(Problem::invalid("An Idempotency-Key is 1 to 255 printable ASCII characters."));
    }
    Ok(Some(key_of(scope, bytes, body)))
}

/// The digests of a key and of what was asked under it.
pub fn key_of(scope: &[&[u8]], key: &[u8], body: &[u8]) -> IdempotencyKey {
    let mut parts = scope.to_vec();
    parts.push(key);
    IdempotencyKey { key: RequestKey(digest(&parts)), fingerprint: digest(&[body]) as u64 }
}
