//! Text that others wrote, made safe before it is logged, repeated or shown in a terminal.

/// How many bytes of it are kept.
const KEPT: usize = 64;

/// The beginning of a text, for a log.
pub fn cut(text: &str) -> &str {
    begin(text, KEPT)
}

/// The first bytes of a text, at most so many.
pub fn begin(text: &str, most: usize) -> &str {
    let at = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..at.unwrap_or(0)]
}

/// The last bytes of a text, at most so many.
pub fn end(text: &str, most: usize) -> &str {
    let at = (text.len().saturating_sub(most)..text.len()).find(|at| text.is_char_boundary(*at));
    &text[at.unwrap_or(text.len())..]
}

/// Bytes as RFC 4648, section 4, writes them.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// `1 place`, `2 places`: so many of what has this name.
pub fn counted(n: impl Into<u64>, what: &str) -> String {
    let n = n.into();
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A text for a terminal: on one line, and without what changes how a terminal shows what follows.
pub fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || c == '\u{feff}'
    };
    text.chars().map(|c| if c == '\n' { ' ' } else { c }).filter(|c| !steers(*c)).collect()
}

/// The text with its first letter in upper case.
pub fn capital(text: &str) -> String {
    // The name of a field is written as it is.
    let first = text.split(' ').next().unwrap_or_default();
    if first.contains('_') || first.ends_with(':') {
        return text.into();
    }
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

/// What a client sent is repeated to it in short only.
pub fn shorten(text: &str) -> String {
    let short = cut(text);
    if short.len() < text.len() { format!("{short}…") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered() {
        let text = "sold out\u{1b}]0;owned\u{7}\nnext\r\u{9b}31m \u{202e}é\u{200b}\u{feff}!";
        assert_eq!(plain(text), "sold out]0;owned next31m é!");
    }

    #[test]
    fn one_is_no_more_than_one() {
        let all = [counted(0u32, "place"), counted(1u64, "place"), counted(2u8, "valid ticket")];
        assert_eq!(all, ["0 places", "1 place", "2 valid tickets"]);
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(cut("pi_1"), "pi_1");
        assert_eq!(cut(&"é".repeat(40)), "é".repeat(32));
        assert_eq!(cut(&("x".to_owned() + &"é".repeat(40))).len(), 63);
        assert_eq!((begin("éé", 3), end("éé", 3), end("éé", 9), end("", 3)), ("é", "é", "éé", ""));
        assert_eq!((begin("éé", 0), end("éé", 1)), ("", ""));
    }
}
