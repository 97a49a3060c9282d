//! QR codes: as SVG for pages, and as PNG for mails, because mail programs show no SVG.

use fast_qr::qr::QRCodeError;
use fast_qr::{ECL, QRBuilder, QRCode};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::fmt::Write as _;
use std::io::Write;

/// How wide a module is, in pixels: no phone's camera needs more of a picture that is shown larger than it
/// is.
const MODULE: usize = 6;
/// The margin in modules, of each side (ISO/IEC 18004, 5.3.8: four).
const QUIET: usize = 4;

/// A QR code: a square of modules, dark or light.
pub struct Code(QRCode);

impl Code {
    /// The QR code of a text. At level M: a seventh of it may be unreadable, by a fold or a fingerprint
    /// (ISO/IEC 18004, 7.5.1). The error: the text is longer than a code takes.
    pub fn of(text: &str) -> Result<Code, QRCodeError> {
        QRBuilder::new(text).ecl(ECL::M).build().map(Code)
    }

    /// How many modules it has on a side, without its quiet zone.
    pub fn width(&self) -> usize {
        self.0.size
    }

    /// Whether the module in column `x` of row `y` is dark; both are less than the width.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        self.0[y][x].value()
    }

    /// Where the dark modules of row `y` begin, and how many stand side by side there.
    pub fn dark(&self, y: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut x = 0;
        std::iter::from_fn(move || {
            let begin = (x..self.width()).find(|x| self.is_dark(*x, y))?;
            x = (begin..self.width()).find(|x| !self.is_dark(*x, y)).unwrap_or(self.width());
            Some((begin, x - begin))
        })
    }
}

/// The QR code of a text as a picture inside a page, read out as this. Empty: the text is longer than a code
/// takes.
pub fn svg(text: &str, read_out: &str) -> String {
    let Ok(code) = Code::of(text) else { return String::new() };
    // One unit is one module. The picture is as wide as the page lets it be, and has a size of its own where it stands
    // without the page's style.
    let side = code.width() + 2 * QUIET;
    let wide = 4 * side;
    let mut svg = format!(
        r##"<svg role="img" aria-label="{read_out}" xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{wide}" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d=""##
    );
    for y in 0..code.width() {
        for (x, many) in code.dark(y) {
            let (x, y) = (x + QUIET, y + QUIET);
            _ = write!(svg, "M{x} {y}h{many}v1h-{many}z");
        }
    }
    svg + r#""/></svg>"#
}

/// The QR code of a text as a PNG of one bit a pixel, black on white, with its quiet zone. `None`: the text
/// is longer than a code takes.
pub fn png(text: &str) -> Option<Vec<u8>> {
    let code = Code::of(text).ok()?;
    let width = code.width();
    let side = (width + 2 * QUIET) * MODULE;
    let line = side.div_ceil(8);
    // Each line: its filter, then its pixels, 1 is white. The first line of a row of modules has no filter (0). The others
    // are the difference to the line above (2), and there is none.
    let mut lines = Vec::with_capacity(side * (line + 1));
    let same = [&[2][..], &vec![0; line]].concat();
    for y in 0..side / MODULE {
        lines.push(0);
        let first = lines.len();
        lines.resize(first + line, 0xff);
        let y = y.checked_sub(QUIET).filter(|y| *y < width);
        for (x, many) in y.into_iter().flat_map(|y| code.dark(y)) {
            for pixel in (x + QUIET) * MODULE..(x + QUIET + many) * MODULE {
                lines[first + pixel / 8] &= !(0x80 >> (pixel % 8));
            }
        }
        (1..MODULE).for_each(|_| lines.extend(&same));
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&lines).ok()?;
    Some(picture(u32::try_from(side).ok()?, &zlib.finish().ok()?))
}

/// A square grey PNG of one bit a pixel (W3C, PNG Specification, third edition, 5 and 11).
fn picture(side: u32, data: &[u8]) -> Vec<u8> {
    // Width, height, bit depth, grey, and the only methods that there are; not interlaced.
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", &*header), (b"IDAT", data), (b"IEND", b"")] {
        let length = u32::try_from(data.len()).expect("a picture of a code is small");
        let chunk = [kind, data].concat();
        out.extend(length.to_be_bytes());
        out.extend(&chunk);
        out.extend(crc32fast::hash(&chunk).to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    /// The pixels of a picture as it was made here, each line one string.
    fn pixels(png: &[u8]) -> Vec<String> {
        let side = u32::from_be_bytes(png[16..20].try_into().expect("four bytes")) as usize;
        let length = u32::from_be_bytes(png[33..37].try_into().expect("four bytes")) as usize;
        let mut lines = Vec::new();
        ZlibDecoder::new(&png[41..41 + length]).read_to_end(&mut lines).expect("zlib");
        let line = side.div_ceil(8) + 1;
        assert_eq!(lines.len(), line * side);
        for at in (line..lines.len()).step_by(line) {
            match lines[at] {
                0 => {}
                2 => (at + 1..at + line)
                    .for_each(|at| lines[at] = lines[at].wrapping_add(lines[at - line])),
                other => panic!("filter {other}"),
            }
        }
        let bits = |line: &[u8]| {
            let bits: String = line[1..].iter().map(|byte| format!("{byte:08b}")).collect();
            bits[..side].to_owned()
        };
        lines.chunks(line).map(bits).collect()
    }

    #[test]
    fn a_picture_has_its_quiet_zone_and_square_modules() {
        let png = png("HTTPS://TICKETS.EXAMPLE.ORG/T/ABCDEFGH234567").expect("it fits");
        let (lines, quiet) = (pixels(&png), QUIET * MODULE);
        assert!(
            lines
                .iter()
                .take(quiet)
                .chain(lines.iter().rev().take(quiet))
                .all(|line| !line.contains('0'))
        );
        let white = "1".repeat(quiet);
        assert!(lines.iter().all(|line| line.starts_with(&white) && line.ends_with(&white)));
        // The finder pattern: seven dark modules, then a light one.
        let finder = format!("{white}{}{}", "0".repeat(7 * MODULE), "1".repeat(MODULE));
        assert!(lines[quiet].starts_with(&finder) && lines[quiet] == lines[quiet + MODULE - 1]);
        assert_ne!(lines[quiet], lines[quiet + MODULE]);
    }

    /// What can be saved and shown by itself is well-formed, and shows the same modules as the other picture.
    #[test]
    fn the_picture_of_a_page_shows_the_same() {
        let text = "HTTPS://TICKETS.EXAMPLE.ORG/T/ABCDEFGH234567";
        let (svg, code) = (svg(text, "QR code of a ticket"), Code::of(text).expect("it fits"));
        for part in
            ["<svg role=\"img\" ", "xmlns=\"http://www.w3.org/2000/svg\"", "width=\"", "</svg>"]
        {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        let path = svg.rsplit("d=\"").next().and_then(|rest| rest.split('"').next());
        let mut dark = vec![false; code.width() * code.width()];
        for run in path.expect("a path").split_terminator('z') {
            let mut numbers = run.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
            let mut next =
                || numbers.next().and_then(|n| n.parse::<usize>().ok()).expect("a number");
            let (x, y, many) = (next() - QUIET, next() - QUIET, next());
            dark[y * code.width() + x..][..many].fill(true);
        }
        let of = |at: usize| code.is_dark(at % code.width(), at / code.width());
        assert!(dark.iter().enumerate().all(|(at, dark)| *dark == of(at)));
    }

    #[test]
    fn a_text_that_no_code_takes_has_no_picture() {
        assert_eq!(svg(&"x".repeat(3_000), ""), "");
        assert_eq!(png(&"x".repeat(3_000)), None);
    }
}
