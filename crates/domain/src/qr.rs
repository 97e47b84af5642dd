//! What pairs a phone: a QR code or a pairing code.

use crate::parse::hidden;

/// A QR code as a PNG in base64. It is a login secret: it has no readable `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// The PNG, base64 without a data-URL prefix.
    pub png_base64: String,
}

/// The code that a user types on the phone instead of scanning, like `ABCD-EFGH`. A login secret too.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode(pub String);

hidden!(QrCode, PairingCode);
