//! The tickets in an answer of the API.

use serde_json::Value;

/// The tickets of an order as the API tells them, without the host in their addresses: a server that was
/// started again, or another one on the same database, listens elsewhere.
pub fn tickets(order: &Value) -> Value {
    let mut tickets = order["tickets"].clone();
    for ticket in tickets.as_array_mut().into_iter().flatten() {
        if let Some((_, code)) = ticket["url"].as_str().and_then(|url| url.split_once("/T/")) {
            ticket["url"] = code.into();
        }
    }
    tickets
}
