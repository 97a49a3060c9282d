//! Text that others wrote, cut before it is logged or repeated.

/// How many bytes of it are kept.
const KEPT: usize = 64;

/// The beginning of a text.
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(KEPT)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(cut("pi_1"), "pi_1");
        assert_eq!(cut(&"é".repeat(40)), "é".repeat(32));
        assert_eq!(cut(&("x".to_owned() + &"é".repeat(40))).len(), 63);
    }
}
