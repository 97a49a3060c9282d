//! QR codes as pictures in a page.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// The QR code of a text as an inline picture, read out as this. At level M: a seventh of
/// it may be unreadable, by a fold or a fingerprint (ISO/IEC 18004, 7.5.1).
pub(in crate::http) fn picture(text: &str, read_out: &str) -> String {
    let Ok(qr) = QrCode::with_error_correction_level(text, EcLevel::M) else {
        return String::new();
    };
    // The picture is as wide as the page lets it be; these are only its own units. Around it stays the quiet
    // zone of four modules that the standard wants (ISO/IEC 18004).
    let svg = qr.render::<svg::Color>().module_dimensions(4, 4).quiet_zone(true).build();
    // Only the picture itself may stand inside a page.
    let picture = svg.find("<svg").map_or("", |at| &svg[at..]);
    picture.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{read_out}\""), 1)
}
