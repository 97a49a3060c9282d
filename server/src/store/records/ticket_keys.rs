//! With which keys tickets are signed.

use super::{Tables, page, record};
use crate::store::Fault;

record! {
    /// A key. A ticket names the key that signed it by its id, which is never given to another one.
    pub struct TicketKey: "ticket_keys", key 1 {
        /// 0 to 255, as codes have it.
        pub id: u32,
        /// The private key; absent: it is derived from the secret of the database, as that of the first key is.
        pub seed: Option<Vec<u8>>,
        /// Since when it signs, in milliseconds since 1970.
        pub since_ms: i64,
        /// Since when nothing that it signed counts.
        pub revoked_ms: Option<i64>,
    }
}

/// All of them.
pub fn all(from: &mut dyn Tables) -> Result<Vec<TicketKey>, Fault> {
    page(from, None, 1_000)
}
