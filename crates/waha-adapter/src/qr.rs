//! QR codes as WAHA sends them.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use switchboard_domain::QrCode;

use crate::failure::Failure;
use crate::{body, wire};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The image, which should come in base64 in JSON, and from odd versions and proxies comes as it is.
pub(crate) fn decode(answer: &[u8]) -> Result<QrCode, Failure> {
    if answer.starts_with(PNG) {
        return Ok(QrCode { png_base64: STANDARD.encode(answer) });
    }
    let wire: wire::Qr = body::decode_object(answer)?;
    let text = wire.data.0.ok_or_else(|| Failure::broken("there is no QR code in it"))?;
    let base64 = text.strip_prefix("data:image/png;base64,").unwrap_or(&text);
    let png = LENIENT.decode(base64).map_err(|_| Failure::broken("the QR code is not base64"))?;
    if png.starts_with(PNG) {
        Ok(QrCode { png_base64: STANDARD.encode(png) })
    } else {
        Err(Failure::broken("the QR code is not a PNG"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_send_a_png_becomes_plain_base64_of_it() {
        let image = [PNG, b"pixels"].concat();
        let plain = STANDARD.encode(&image);
        for answer in [
            image,
            format!(r#"{{"mimetype":"image/png","data":"{plain}"}}"#).into_bytes(),
            format!(r#"{{"data":"data:image/png;base64,{}"}}"#, plain.trim_end_matches('=')).into_bytes(),
        ] {
            assert!(decode(&answer).is_ok_and(|qr| qr.png_base64 == plain));
        }
    }

    #[test]
    fn what_is_no_png_is_no_qr_code() {
        let jpeg = format!(r#"{{"data":"{}"}}"#, STANDARD.encode(b"\xff\xd8\xff\xe0"));
        for answer in [jpeg.as_str(), r#"{"data":"***"}"#, r#"{"data":null}"#, "{}", "", "[]", r#"{"value":"2@x,y"}"#] {
            assert!(decode(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
