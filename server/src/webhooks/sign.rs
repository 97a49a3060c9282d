//! Signatures of messages, as Standard Webhooks 1.0 describes them
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use crate::text::base64;
use boxoffice::TimeMs;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A secret as people get it.
pub fn shown(secret: &[u8; 32]) -> String {
    format!("whsec_{}", base64(secret))
}

/// The id of a message as the header `webhook-id` has it.
pub fn id(message: u128) -> String {
    format!("msg_{message:032x}")
}

/// The header `webhook-timestamp`: whole seconds since 1970.
pub fn timestamp(now: TimeMs) -> String {
    now.div_euclid(1_000).to_string()
}

/// The header `webhook-signature`: one signature for each secret, with a space between.
pub fn signatures(secrets: &[[u8; 32]], id: &str, timestamp: &str, body: &str) -> String {
    let signature = |secret: &[u8; 32]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key length will do");
        for part in [id, ".", timestamp, ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", base64(&mac.finalize().into_bytes()))
    };
    secrets.iter().map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calculated with Python's `hmac` and `base64`.
    #[test]
    fn a_message_is_signed_with_each_secret() {
        let (old, new) = ([7; 32], [9; 32]);
        assert_eq!(shown(&old), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let both = signatures(&[new, old], "msg_1", "1614265330", "{\"a\":1}");
        let one = signatures(&[old], "msg_1", "1614265330", "{\"a\":1}");
        assert_eq!(one, "v1,msJ2Az1Qy8kMjwuvkeK90JarUwpqFGH0hHfkaJBv2gg=");
        assert_eq!(both.split(' ').nth(1), Some(one.as_str()));
        assert_eq!(both.split(' ').count(), 2);
    }

    #[test]
    fn a_timestamp_is_in_whole_seconds() {
        assert_eq!(timestamp(1_614_265_330_999), "1614265330");
    }
}
