//! Pictures as they are sent, and as they are shown.

use super::*;
use crate::fuzz::{check, slips, spoil};
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;
use proptest::sample::select;

fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn photo(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 120])).into()
}

#[test]
fn pictures_of_three_kinds_are_read_and_written_anew() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let made = make(&file(&photo(64, 48), format), Use::Event).unwrap();
        assert_eq!((made.media_type, made.width, made.height), ("image/jpeg", 64, 48));
        let read = image::load_from_memory(&made.bytes).unwrap().to_rgb8();
        let far = read.get_pixel(40, 20).0[2].abs_diff(120);
        assert!(far < 12, "{format:?}: {far}");
    }
}

#[test]
fn a_large_picture_is_made_to_fit_and_a_small_one_stays() {
    let large = file(&photo(4_000, 1_000), ImageFormat::Jpeg);
    let made = make(&large, Use::Event).unwrap();
    assert_eq!((made.width, made.height), (1_600, 400));
    assert!(made.bytes.len() < large.len());
    let logo = make(&large, Use::Logo).unwrap();
    assert_eq!((logo.media_type, logo.width, logo.height), ("image/png", 640, 160));
}

#[test]
fn what_can_be_seen_through_stays_so() {
    let clear: DynamicImage = RgbaImage::from_pixel(9, 9, Rgba([1, 2, 3, 0])).into();
    assert_eq!(make(&file(&clear, ImageFormat::Png), Use::Event).unwrap().media_type, "image/png");
    let full: DynamicImage = RgbaImage::from_pixel(9, 9, Rgba([1, 2, 3, 255])).into();
    assert_eq!(make(&file(&full, ImageFormat::Png), Use::Event).unwrap().media_type, "image/jpeg");
}

#[test]
fn what_is_no_picture_or_too_large_is_refused() {
    for no in [
        &b""[..],
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
    ] {
        assert_eq!(make(no, Use::Event), Err(NO_PICTURE));
    }
    assert_eq!(make(&vec![0; MOST_BYTES + 1], Use::Event), Err(TOO_MANY_BYTES));
    // A few bytes that claim to be a picture of 60,000 by 60,000.
    let mut claims = file(&photo(1, 1), ImageFormat::Png);
    claims[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = crc32fast::hash(&claims[12..29]);
    claims[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(make(&claims, Use::Event), Err(TOO_LARGE));
    let long = file(&photo(8_001, 1), ImageFormat::Png);
    assert_eq!(make(&long, Use::Event), Err(TOO_LARGE));
}

#[test]
fn what_a_file_carries_besides_stays_behind() {
    let mut jpeg = file(&photo(20, 20), ImageFormat::Jpeg);
    // A comment behind the first marker (JPEG, B.2.4.5).
    let comment = [&[0xff, 0xfe, 0, 14][..], b"51.5N 0.1W!!"].concat();
    jpeg.splice(2..2, comment);
    let made = make(&jpeg, Use::Event).unwrap();
    assert!(!made.bytes.windows(5).any(|bytes| bytes == b"51.5N"));
}

#[test]
fn a_spoilt_picture_is_refused_or_read_and_never_more() {
    let formats = select(vec![ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP]);
    check(200, &(formats, slips(1, 4)), |(format, slips)| {
        let spoilt = spoil(&file(&photo(16, 12), format), &slips);
        if let Ok(made) = make(&spoilt, Use::Event) {
            prop_assert!(made.width <= 1_600 && made.height <= 1_200 && !made.bytes.is_empty());
        }
        Ok(())
    });
}
