//! QR codes: as SVG for pages, and as PNG for mails, because mail programs show no SVG.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use qrcode::render::svg;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};
use std::io::Write;

/// How wide a module is, in pixels: no phone's camera needs more of a picture that is shown larger than it
/// is.
const MODULE: usize = 6;
/// The margin in modules, of each side (ISO/IEC 18004, 5.3.8: four).
const QUIET: usize = 4;

/// The QR code of a text. At level M: a seventh of it may be unreadable, by a fold or a fingerprint
/// (ISO/IEC 18004, 7.5.1). The error: the text is longer than a code takes.
pub fn code(text: &str) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(text, EcLevel::M)
}

/// The QR code of a text as a picture inside a page, read out as this. Empty: the text is longer than a code
/// takes.
pub fn svg(text: &str, read_out: &str) -> String {
    let Ok(code) = code(text) else { return String::new() };
    // The picture is as wide as the page lets it be; these are only its own units. Around it stays the quiet
    // zone of four modules that the standard wants (ISO/IEC 18004).
    let svg = code.render::<svg::Color>().module_dimensions(4, 4).quiet_zone(true).build();
    // Only the picture itself may stand inside a page.
    let picture = svg.find("<svg").map_or("", |at| &svg[at..]);
    picture.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{read_out}\""), 1)
}

/// The QR code of a text as a PNG of one bit a pixel, black on white, with its quiet zone. `None`: the text
/// is longer than a code takes.
pub fn png(text: &str) -> Option<Vec<u8>> {
    let code = code(text).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET) * MODULE;
    let dark = |x: usize, y: usize| {
        let module = |at: usize| (at / MODULE).checked_sub(QUIET).filter(|at| *at < width);
        let (Some(x), Some(y)) = (module(x), module(y)) else { return false };
        modules[y * width + x] == qrcode::Color::Dark
    };
    // Each line: how it is filtered (not at all), then its pixels, 1 is white.
    let mut lines = Vec::with_capacity(side * (side / 8 + 2));
    for y in 0..side {
        lines.push(0);
        lines.extend((0..side.div_ceil(8)).map(|byte| {
            let white = |bit: &usize| byte * 8 + bit >= side || !dark(byte * 8 + bit, y);
            (0..8).filter(white).fold(0u8, |bits, bit| bits | (0x80 >> bit))
        }));
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
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

    #[test]
    fn a_text_that_no_code_takes_has_no_picture() {
        assert_eq!(png(&"x".repeat(3_000)), None);
    }
}
