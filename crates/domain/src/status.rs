//! What WAHA says about a session.

/// WAHA's word for the state of a session. Words newer than this code are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// Not in WAHA's memory; it may still be paired.
    Stopped,
    /// Connecting, or reconnecting after a drop.
    Starting,
    /// Waiting for a phone to scan the QR code.
    ScanQrCode,
    /// WhatsApp wants a passkey before it pairs (WAHA 2026.7.1 and later, GOWS only).
    PasskeyRequired,
    /// WhatsApp wants the passkey's code confirmed.
    PasskeyConfirmationRequired,
    /// Paired and usable.
    Working,
    /// The QR codes ran out, the phone logged out, or the engine gave up.
    Failed,
    /// A word this code does not know: treated as live and pending.
    Other(Box<str>),
}

impl SessionStatus {
    /// Those whose words are known.
    pub const KNOWN: [Self; 7] = [
        Self::Stopped,
        Self::Starting,
        Self::ScanQrCode,
        Self::PasskeyRequired,
        Self::PasskeyConfirmationRequired,
        Self::Working,
        Self::Failed,
    ];

    /// The word, as WAHA writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::ScanQrCode => "SCAN_QR_CODE",
            Self::PasskeyRequired => "PASSKEY_REQUIRED",
            Self::PasskeyConfirmationRequired => "PASSKEY_CONFIRMATION_REQUIRED",
            Self::Working => "WORKING",
            Self::Failed => "FAILED",
            Self::Other(word) => word,
        }
    }

    /// Whether a session that stays like this is lost to its user: STOPPED and FAILED. Unknown words are live.
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl From<&str> for SessionStatus {
    fn from(word: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| known.as_str() == word);
        // No word of WAHA's is this long: a bound on what is kept.
        known.unwrap_or_else(|| Self::Other(word.chars().take(64).collect()))
    }
}

impl std::fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_passes_through_and_counts_as_live() {
        let status = SessionStatus::from("HIBERNATING");
        assert_eq!((status.as_str(), status.is_down()), ("HIBERNATING", false));
    }
}
