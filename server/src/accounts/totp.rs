//! Codes of an authenticator (RFC 6238: SHA-1, six digits, thirty seconds), as every such program makes them.

use boxoffice::TimeMs;
use ring::hmac;
use subtle::ConstantTimeEq;

/// How long a code is shown.
const STEP_MS: i64 = 30_000;
/// So many steps before and after this one count: clocks differ, and people type.
const SKEW: i64 = 1;
/// How long a secret is, in bytes.
pub const SECRET_BYTES: usize = 20;

/// The code of a time step.
pub fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0xf);
    let bits = u32::from_be_bytes(tag[at..at + 4].try_into().expect("4 bytes")) & 0x7fff_ffff;
    format!("{:06}", bits % 1_000_000)
}

/// The time step whose code was typed, if it comes after the one that was used last.
pub fn step_of(secret: &[u8], typed: &str, now: TimeMs, used: i64) -> Option<i64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let here = now.div_euclid(STEP_MS);
    let mut found = None;
    // All are looked at, however early one fits.
    for step in here - SKEW..=here + SKEW {
        let is: bool = code(secret, step).as_bytes().ct_eq(typed.as_bytes()).into();
        if is && step > used {
            found = Some(step);
        }
    }
    found
}

/// A secret as people type it (RFC 4648, base 32 without padding), in groups of four.
pub fn written(secret: &[u8]) -> String {
    let letters: Vec<char> = base32(secret).chars().collect();
    let groups = letters.chunks(4).map(|four| four.iter().collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}

/// The address that an authenticator reads from the picture.
pub fn address(secret: &[u8], shop: &str, email: &str) -> String {
    let escape = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~@".contains(&b);
        let each = text.bytes().map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        });
        each.collect::<String>()
    };
    let (shop, secret) = (escape(shop), base32(secret));
    format!("otpauth://totp/{shop}:{}?secret={secret}&issuer={shop}", escape(email))
}

fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    for five in bytes.chunks(5) {
        let mut bits = [0u8; 8];
        bits[3..3 + five.len()].copy_from_slice(five);
        let bits = u64::from_be_bytes(bits);
        let letters = (five.len() * 8).div_ceil(5);
        for at in 0..letters {
            out.push(char::from(LETTERS[(bits >> (35 - 5 * at) & 31) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, of which six digits are the last six of eight.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, seconds / 30), expected);
            let step = step_of(secret, expected, seconds * 1_000, 0);
            assert_eq!(step, Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_counts_once_and_for_a_minute_and_a_half() {
        let secret = b"12345678901234567890";
        let (now, step) = (1_111_111_109_000, 1_111_111_109 / 30);
        let of = |typed: &str, at: i64, used| step_of(secret, typed, at, used);
        assert_eq!(of("081 804", now, 0), Some(step));
        assert_eq!(of("081804", now - STEP_MS, 0), Some(step));
        assert_eq!(of("081804", now + STEP_MS, 0), Some(step));
        assert_eq!(of("081804", now + 2 * STEP_MS, 0), None, "too late");
        assert_eq!(of("081804", now - 2 * STEP_MS, 0), None, "too early");
        assert_eq!(of("081804", now, step), None, "it was used");
        assert_eq!(of("081804", now, step + 1), None, "a later one was used");
        for odd in ["", "81804", "0081804", "081805", "０８１８０４"] {
            assert_eq!(of(odd, now, 0), None, "{odd}");
        }
    }

    /// RFC 4648, section 10.
    #[test]
    fn a_secret_is_written_as_authenticators_read_it() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        assert_eq!(written(b"foobar"), "MZXW 6YTB OI");
        let address = address(b"foobar", "A shop & more", "a@example.org");
        let expected = "otpauth://totp/A%20shop%20%26%20more:a@example.org\
                        ?secret=MZXW6YTBOI&issuer=A%20shop%20%26%20more";
        assert_eq!(address, expected);
    }
}
