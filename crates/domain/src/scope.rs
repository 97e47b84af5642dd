//! What a signed-in user may do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::ParseError;

/// What a token or a key is good for. The first is the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To connect one's WhatsApp account and see how that goes: for links that are sent to people, and therefore short-lived.
    Connect,
    /// To read, but not to connect, which a QR code is enough for.
    Read,
    /// Everything.
    Full,
}

impl Scope {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Connect, Self::Read, Self::Full];

    /// How long something may be good for that can only connect.
    pub const CONNECT_TTL: Duration = Duration::from_mins(15);

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Read => "read",
            Self::Full => "full",
        }
    }
}

impl FromStr for Scope {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(ParseError { expected: "full, read or connect" })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scope_writes_it_reads() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("Full".parse::<Scope>().is_err());
    }
}
