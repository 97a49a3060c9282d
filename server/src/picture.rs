//! Pictures that organisers send: read, made smaller, and written anew. So whatever a file carries besides the
//! picture (the place where it was taken, or bytes that attack a browser) stays behind.
//!
//! Bounded are the bytes that are taken, the pixels of the picture, and the memory for reading it.

use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    imageops::FilterType,
};
use std::io::Cursor;

/// So large a file is taken, in bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// So wide or high a picture may be, and so many pixels it may have.
const MOST_SIDE: u32 = 8_000;
const MOST_PIXELS: u64 = 24_000_000;
/// So much memory reading it may take, in bytes.
const MOST_MEMORY: u64 = 160 << 20;
/// How good JPEG files are, of 100.
const QUALITY: u8 = 82;

/// What a picture is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// On the page of an event.
    Event,
    /// The logo of the shop.
    Logo,
}

impl Use {
    /// The size into which it is made to fit.
    fn bounds(self) -> (u32, u32) {
        match self {
            Use::Event => (1_600, 1_200),
            Use::Logo => (640, 240),
        }
    }
}

/// A picture as it is sent to browsers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// Its media type.
    pub media_type: &'static str,
    /// How wide it is.
    pub width: u32,
    /// How high it is.
    pub height: u32,
    /// Its file.
    pub bytes: Vec<u8>,
}

/// Why a file is no picture for us: a sentence for who has sent it.
pub type Refused = &'static str;

const NO_PICTURE: Refused =
    "This file is no picture that can be read. Send a PNG, JPEG or WebP file.";
const TOO_LARGE: Refused = "The picture has too many pixels. Make it smaller: at most 8000 wide and high, and 24 million in all.";
const TOO_MANY_BYTES: Refused = "The file is larger than 8 MB. Make the picture smaller.";

/// Reads a picture, makes it fit, and writes it anew.
pub fn make(file: &[u8], for_what: Use) -> Result<Made, Refused> {
    if file.len() > MOST_BYTES {
        return Err(TOO_MANY_BYTES);
    }
    let mut reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| NO_PICTURE)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(NO_PICTURE);
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(NO_PICTURE);
    }
    let pixels = u64::from(width) * u64::from(height);
    if width > MOST_SIDE || height > MOST_SIDE || pixels > MOST_PIXELS {
        return Err(TOO_LARGE);
    }
    // Before it is read: then nothing was allocated for it yet.
    if decoder.total_bytes() > MOST_MEMORY {
        return Err(TOO_LARGE);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    let (most_wide, most_high) = for_what.bounds();
    if picture.width() > most_wide || picture.height() > most_high {
        picture = picture.resize(most_wide, most_high, FilterType::CatmullRom);
    }
    write(&picture, for_what).ok_or(NO_PICTURE)
}

fn refused(error: image::ImageError) -> Refused {
    match error {
        image::ImageError::Limits(_) => TOO_LARGE,
        _ => NO_PICTURE,
    }
}

/// A photograph as JPEG, and what can be seen through as PNG.
fn write(picture: &DynamicImage, for_what: Use) -> Option<Made> {
    let (width, height) = (picture.width(), picture.height());
    let mut bytes = Vec::new();
    let transparent = picture.color().has_alpha() && {
        let picture = picture.to_rgba8();
        picture.pixels().any(|pixel| pixel.0[3] != 255)
    };
    let media_type = if transparent || for_what == Use::Logo {
        let pixels = picture.to_rgba8();
        let encoder = PngEncoder::new(&mut bytes);
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgba8).ok()?;
        "image/png"
    } else {
        let pixels = picture.to_rgb8();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8).ok()?;
        "image/jpeg"
    };
    Some(Made { media_type, width, height, bytes })
}

#[cfg(test)]
mod tests;
