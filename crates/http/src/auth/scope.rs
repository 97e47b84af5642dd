//! What a scope allows, and how a token says it.

use switchboard_domain::Scope;

use crate::trpc::{Call, Code, Error, Kind};

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

/// No scope that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownScope;

/// Whether it is enough for that call.
pub fn allows(scope: Scope, call: &Call<'_>) -> bool {
    match scope {
        Scope::Full => true,
        Scope::Read => call.kind == Kind::Query && call.path != "user.getSessionQR",
        Scope::Connect => CONNECTING.contains(&call.path),
    }
}

/// Whether that call may be made.
///
/// # Errors
/// [`Code::Forbidden`] if the scope is too narrow for it.
pub(crate) fn authorize(scope: Scope, call: &Call<'_>) -> Result<(), Error> {
    if allows(scope, call) {
        return Ok(());
    }
    let message = format!("This needs more than the scope {scope}");
    Err(Error::new(Code::Forbidden, message).with_reason("scope"))
}

/// What a token's `scope` claim says (RFC 8693, 4.2): of our words the narrowest, since one that limits was meant to;
/// everything without any. Words of others are none of our business.
///
/// # Errors
/// [`UnknownScope`] if a word of ours is none that we know.
pub(super) fn of_claim(claim: &str) -> Result<Scope, UnknownScope> {
    let ours = claim.split_whitespace().filter_map(|word| {
        let (prefix, rest) = word.split_at_checked(PREFIX.len())?;
        // Ours even if misspelt: then it is refused.
        prefix.eq_ignore_ascii_case(PREFIX).then(|| {
            let scope = if prefix == PREFIX { rest.parse().ok() } else { None };
            scope.ok_or(UnknownScope)
        })
    });
    let narrowest = ours.reduce(|a: Result<Scope, _>, b| Ok(a?.min(b?)));
    narrowest.unwrap_or(Ok(Scope::Full))
}

/// The claim that says it; a token without one is good for everything.
pub(super) fn claim(scope: Scope) -> Option<String> {
    (scope != Scope::Full).then(|| format!("{PREFIX}{scope}"))
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
            assert_eq!(of_claim(claim), Ok(scope), "{claim}");
        }
        for claim in [
            "switchboard:",
            "switchboard:admin",
            "switchboard:full switchboard:Read",
            "Switchboard:connect",
            "openid SWITCHBOARD:x",
        ] {
            assert_eq!(of_claim(claim), Err(UnknownScope), "{claim}");
        }
    }

    #[test]
    fn what_a_scope_claims_it_is_read_as() {
        for scope in [Scope::Connect, Scope::Read, Scope::Full] {
            assert_eq!(of_claim(&claim(scope).unwrap_or_default()), Ok(scope));
        }
    }

    #[test]
    fn connecting_is_five_procedures_and_none_of_the_api_beside() {
        let allowed = |path, kind| allows(Scope::Connect, &Call { path, kind });
        assert!(allowed("user.onSessionStatus", Kind::Subscription));
        assert!(allowed("user.requestPairingCode", Kind::Mutation));
        let api = router();
        let calls: Vec<_> =
            api.procedures().filter(|call| allows(Scope::Connect, call)).map(|call| call.path).collect();
        for path in ["user.getSessionQR", "user.getSessionStatus", "user.initiateWhatsAppSession"] {
            assert!(calls.contains(&path), "{path}");
        }
        assert!(calls.iter().all(|path| CONNECTING.contains(path)), "{calls:?}");
        assert!(api.procedures().all(|call| allows(Scope::Full, &call)));
    }

    #[test]
    fn reading_neither_changes_anything_nor_shows_what_connects() {
        let allowed = |path, kind| allows(Scope::Read, &Call { path, kind });
        assert!(allowed("user.getWhatsAppGroups", Kind::Query));
        assert!(allowed("user.getSessionStatus", Kind::Query));
        assert!(!allowed("user.getSessionQR", Kind::Query));
        assert!(!allowed("user.onSessionStatus", Kind::Subscription), "it carries QR codes");
        assert!(!allowed("user.logoutSession", Kind::Mutation));
    }
}
