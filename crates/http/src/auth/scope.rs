//! What a signed-in user may do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::trpc::{Call, Code, Error, Kind};

/// What a token is good for. The first is the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To connect one's WhatsApp account and see how that goes: for links that are sent to people, and therefore short-lived.
    Connect,
    /// To read, but not to connect, which a QR code is enough for.
    Read,
    /// Everything.
    Full,
}

/// No scope that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected full, read or connect")]
pub struct UnknownScope;

impl Scope {
    /// All of them, the narrowest first.
    pub(crate) const ALL: [Self; 3] = [Self::Connect, Self::Read, Self::Full];

    /// How long a token may be good for that can only connect.
    pub const CONNECT_TTL: Duration = Duration::from_mins(15);

    /// What our words in a token's claim begin with.
    const PREFIX: &str = "switchboard:";

    /// The procedures for somebody who has nothing but a link.
    const CONNECTING: [&str; 5] = [
        "user.initiateWhatsAppSession",
        "user.getSessionStatus",
        "user.getSessionQR",
        "user.onSessionStatus",
        "user.requestPairingCode",
    ];

    /// Whether it is enough for that call.
    pub fn allows(self, call: &Call<'_>) -> bool {
        match self {
            Self::Full => true,
            Self::Read => call.kind == Kind::Query && call.path != "user.getSessionQR",
            Self::Connect => Self::CONNECTING.contains(&call.path),
        }
    }

    /// Whether that call may be made.
    ///
    /// # Errors
    /// [`Code::Forbidden`] if this is too narrow for it.
    pub(crate) fn authorize(self, call: &Call<'_>) -> Result<(), Error> {
        if self.allows(call) {
            return Ok(());
        }
        let message = format!("This needs more than a token of the scope {self}");
        Err(Error::new(Code::Forbidden, message).with_reason("scope"))
    }

    /// What a token's `scope` claim says (RFC 8693, 4.2): of our words the narrowest, since one that limits was meant to;
    /// everything without any. Words of others are none of our business.
    ///
    /// # Errors
    /// [`UnknownScope`] if a word of ours is none that we know.
    pub(super) fn of_claim(claim: &str) -> Result<Self, UnknownScope> {
        let ours = claim.split_whitespace().filter_map(|word| {
            let (prefix, rest) = word.split_at_checked(Self::PREFIX.len())?;
            // Ours even if misspelt: then it is refused.
            prefix
                .eq_ignore_ascii_case(Self::PREFIX)
                .then(|| if prefix == Self::PREFIX { rest.parse() } else { Err(UnknownScope) })
        });
        let narrowest = ours.reduce(|a: Result<Self, _>, b| Ok(a?.min(b?)));
        narrowest.unwrap_or(Ok(Self::Full))
    }

    /// The claim that says it; a token without one is good for everything.
    pub(super) fn claim(self) -> Option<String> {
        (self != Self::Full).then(|| format!("{}{self}", Self::PREFIX))
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.to_string() == text).ok_or(UnknownScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Read => "read",
            Self::Full => "full",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trpc::user::router;

    #[test]
    fn a_claim_is_read_for_the_narrowest_of_our_words() {
        for (claim, scope) in [
            ("", Scope::Full),
            ("openid profile email", Scope::Full),
            ("switchboard switchboardx:read", Scope::Full),
            ("switchboard:full", Scope::Full),
            ("openid switchboard:read", Scope::Read),
            ("switchboard:connect", Scope::Connect),
            ("switchboard:full  switchboard:read", Scope::Read),
            ("switchboard:connect switchboard:full", Scope::Connect),
            ("switchboard:read\tswitchboard:connect", Scope::Connect),
        ] {
            assert_eq!(Scope::of_claim(claim), Ok(scope), "{claim}");
        }
        for claim in [
            "switchboard:",
            "switchboard:admin",
            "switchboard:full switchboard:Read",
            "Switchboard:connect",
            "openid SWITCHBOARD:x",
        ] {
            assert_eq!(Scope::of_claim(claim), Err(UnknownScope), "{claim}");
        }
    }

    #[test]
    fn what_a_scope_writes_it_reads() {
        for scope in [Scope::Connect, Scope::Read, Scope::Full] {
            assert_eq!(Scope::of_claim(&scope.claim().unwrap_or_default()), Ok(scope));
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert_eq!("Full".parse::<Scope>(), Err(UnknownScope));
    }

    #[test]
    fn connecting_is_five_procedures_and_none_of_the_api_beside() {
        let allowed = |path, kind| Scope::Connect.allows(&Call { path, kind });
        assert!(allowed("user.onSessionStatus", Kind::Subscription));
        assert!(allowed("user.requestPairingCode", Kind::Mutation));
        let api = router();
        let calls: Vec<_> = api.procedures().filter(|call| Scope::Connect.allows(call)).map(|call| call.path).collect();
        for path in ["user.getSessionQR", "user.getSessionStatus", "user.initiateWhatsAppSession"] {
            assert!(calls.contains(&path), "{path}");
        }
        assert!(calls.iter().all(|path| Scope::CONNECTING.contains(path)), "{calls:?}");
        assert!(api.procedures().all(|call| Scope::Full.allows(&call)));
    }

    #[test]
    fn reading_neither_changes_anything_nor_shows_what_connects() {
        let allowed = |path, kind| Scope::Read.allows(&Call { path, kind });
        assert!(allowed("user.getWhatsAppGroups", Kind::Query));
        assert!(allowed("user.getSessionStatus", Kind::Query));
        assert!(!allowed("user.getSessionQR", Kind::Query));
        assert!(!allowed("user.onSessionStatus", Kind::Subscription), "it carries QR codes");
        assert!(!allowed("user.logoutSession", Kind::Mutation));
    }
}
