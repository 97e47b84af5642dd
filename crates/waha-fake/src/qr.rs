//! QR codes to scan: their text, their picture, and how long they live.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use qrcodegen::{QrCode, QrCodeEcc};
use rand::Rng;

/// How many QR codes WhatsApp gives before the session fails.
pub(crate) const CODES: u32 = 6;

/// Pixels a module.
const SCALE: i32 = 4;
/// Modules of white around, without which no phone reads it.
const QUIET: i32 = 4;

/// How long the QR code of this number (from 0) lives: the first 60 s, the others 20 s (NOWEB, measured).
pub(crate) const fn life(number: u32) -> Duration {
    Duration::from_secs(if number == 0 { 60 } else { 20 })
}

/// A new QR text: `2@ref,noise key,identity key,adv secret`.
pub(crate) fn text() -> String {
    let mut rng = rand::rng();
    let mut key = || {
        let mut bytes = [0_u8; 32];
        rng.fill(&mut bytes);
        BASE64_STANDARD.encode(bytes)
    };
    format!("2@{},{},{},{}", key(), key(), key(), key())
}

/// The picture of a text.
pub(crate) fn png(text: &str) -> Vec<u8> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).expect("a QR text of four keys is short");
    let side = (code.size() + 2 * QUIET) * SCALE;
    let pixels: Vec<u8> = (0..side * side)
        .map(|at| (at % side / SCALE - QUIET, at / side / SCALE - QUIET))
        .map(|(x, y)| if code.get_module(x, y) { 0 } else { 255 })
        .collect();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, side.unsigned_abs(), side.unsigned_abs());
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a Vec takes all bytes");
    writer.write_image_data(&pixels).expect("as many pixels as announced");
    writer.finish().expect("a Vec takes all bytes");
    png
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_reads_the_text_back_from_the_picture() {
        let text = text();

        let mut reader = png::Decoder::new(std::io::Cursor::new(png(&text))).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (info.width as usize, info.height as usize);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);

        let (_, read) = image.detect_grids()[0].decode().unwrap();
        assert_eq!(read, text);
        assert_eq!(width, 260, "WAHA's is 260 x 260");
    }

    #[test]
    fn the_text_is_as_long_as_a_real_one() {
        assert!((180..=240).contains(&text().len()));
    }
}
