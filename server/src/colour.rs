//! The colour of a shop: where it can be read it replaces the accent of the pages, and else it is made darker,
//! or on dark ground lighter, until it can be.
//!
//! What can be read is a contrast of 4.5:1 (WCAG 2.2, 1.4.3), against every ground on which the pages put it,
//! and of the text of buttons against it.

/// A colour of the screen: red, green, blue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour([u8; 3]);

/// The grounds of `assets/nts.css` on which the accent stands: paper, card and tint; a test compares.
const LIGHT: [Colour; 3] =
    [Colour([0xfb, 0xfa, 0xf7]), Colour([0xff, 0xff, 0xff]), Colour([0xf1, 0xec, 0xf6])];
const DARK: [Colour; 3] =
    [Colour([0x16, 0x15, 0x1a]), Colour([0x1f, 0x1d, 0x25]), Colour([0x2a, 0x24, 0x33])];
/// What stands on the accent.
const ON_LIGHT: Colour = Colour([0xff, 0xff, 0xff]);
const ON_DARK: Colour = Colour([0x16, 0x15, 0x1a]);
/// What can be read.
const LEAST: f64 = 4.5;

impl Colour {
    /// Reads `#5a2a83`, also without its mark.
    pub fn parse(text: &str) -> Option<Colour> {
        let text = text.trim();
        let hex = text.strip_prefix('#').unwrap_or(text);
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
        Some(Colour([part(0)?, part(2)?, part(4)?]))
    }

    /// `5a2a83`
    pub fn hex(self) -> String {
        let [r, g, b] = self.0;
        format!("{r:02x}{g:02x}{b:02x}")
    }

    /// How bright it is, from 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let part = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b] = self.0.map(part);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// The contrast of two colours, from 1 to 21.
    fn contrast(self, other: Colour) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// So many parts of 255 of the way to another colour.
    fn towards(self, other: Colour, parts: u8) -> Colour {
        let parts = u32::from(parts);
        let mix = |from: u8, to: u8| {
            ((u32::from(from) * (255 - parts) + u32::from(to) * parts + 127) / 255) as u8
        };
        let ([r, g, b], [x, y, z]) = (self.0, other.0);
        Colour([mix(r, x), mix(g, y), mix(b, z)])
    }

    /// The nearest colour on the way to `end` that can be read on all of the grounds, and on which `on` can be
    /// read.
    fn readable(self, grounds: &[Colour], on: Colour, end: Colour) -> Colour {
        let reads = |colour: &Colour| {
            grounds.iter().chain([&on]).all(|ground| colour.contrast(*ground) >= LEAST)
        };
        (0..=255).map(|parts| self.towards(end, parts)).find(reads).unwrap_or(end)
    }

    /// As it stands on light pages.
    pub fn on_light(self) -> Colour {
        self.readable(&LIGHT, ON_LIGHT, Colour([0, 0, 0]))
    }

    /// As it stands on dark pages.
    pub fn on_dark(self) -> Colour {
        self.readable(&DARK, ON_DARK, Colour([255, 255, 255]))
    }

    /// What a style sheet says so that it is the accent. Paper stays black.
    pub fn style(self) -> String {
        let rule = |accent: Colour, on: Colour| {
            format!(":root {{ --accent: #{}; --on-accent: #{}; }}", accent.hex(), on.hex())
        };
        format!(
            "@media screen {{ {} }}\n@media screen and (prefers-color-scheme: dark) {{ {} }}\n",
            rule(self.on_light(), ON_LIGHT),
            rule(self.on_dark(), ON_DARK)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).expect("a colour")
    }

    #[test]
    fn whatever_the_colour_it_can_be_read() {
        let steps = [0u8, 51, 102, 153, 204, 255];
        for r in steps {
            for (g, b) in steps.into_iter().flat_map(|g| steps.map(|b| (g, b))) {
                let colour = Colour([r, g, b]);
                for ground in LIGHT.into_iter().chain([ON_LIGHT]) {
                    assert!(colour.on_light().contrast(ground) >= LEAST, "{colour:?}");
                }
                for ground in DARK.into_iter().chain([ON_DARK]) {
                    assert!(colour.on_dark().contrast(ground) >= LEAST, "{colour:?}");
                }
            }
        }
    }

    #[test]
    fn what_can_be_read_stays_as_it_is() {
        assert_eq!(colour("#5a2a83").on_light().hex(), "5a2a83");
        assert_eq!(colour("cfa8f5").on_dark().hex(), "cfa8f5");
        assert_ne!(colour("#ffff00").on_light().hex(), "ffff00");
        assert_eq!(colour("#000000").on_light().hex(), "000000");
    }

    #[test]
    fn the_contrast_is_that_of_the_guidelines() {
        let (black, white) = (colour("000000"), colour("ffffff"));
        assert!((black.contrast(white) - 21.0).abs() < 1e-9);
        // Known from the guidelines' examples: #767676 on white is the lightest grey that passes.
        assert!(colour("767676").contrast(white) >= LEAST);
        assert!(colour("777777").contrast(white) < LEAST);
    }

    #[test]
    fn a_colour_has_six_digits() {
        for no in ["", "#fff", "#12345g", "1234567", "red", "#é1234"] {
            assert_eq!(Colour::parse(no), None, "{no}");
        }
        assert_eq!(Colour::parse(" #ABCDEF "), Colour::parse("abcdef"));
    }

    #[test]
    fn the_grounds_are_those_of_the_style_sheet() {
        let css = include_str!("../assets/nts.css");
        let grounds = |from: &str| -> Vec<Colour> {
            let (_, rest) = css.split_once(from).expect("the colours");
            let rest = rest.split('}').next().expect("their end");
            let of = |name: &str| {
                let (_, value) = rest.split_once(&format!("--{name}: ")).expect(name);
                colour(value.split(';').next().expect("a value"))
            };
            ["paper", "card", "tint"].map(of).to_vec()
        };
        assert_eq!(grounds("color-scheme: light dark;"), LIGHT);
        assert_eq!(grounds("@media (prefers-color-scheme: dark) {"), DARK);
    }
}
