//! Who asks.

mod token;

use actix_web::HttpRequest;
use actix_web::http::header;
use switchboard_domain::UserId;

pub use token::{Secret, ShortSecret, TokenKey, TokenRefused};

/// A signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub user: UserId,
}

/// The principal of a request: who its bearer token names.
///
/// # Errors
/// [`TokenRefused`] if there is no token, or none that is good.
pub(crate) fn principal(request: &HttpRequest, key: &TokenKey) -> Result<Principal, TokenRefused> {
    let header = request.headers().get(header::AUTHORIZATION).ok_or(TokenRefused)?;
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(TokenRefused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenRefused);
    }
    let user = key.verify(token.trim())?;
    Ok(Principal { user })
}
