//! Bodies: read up to a limit, decoded without repeating them.

use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::loose::ObjectOrNull;

/// The whole body, if it is no larger than `limit` after decompression.
pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Failure::cut())? {
        if body.len() + chunk.len() > limit {
            return Err(Failure::broken(format!("the body is larger than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads JSON. serde's own words are not used: they quote the body.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let text = str::from_utf8(body).map_err(|_| Failure::broken("the body is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "the JSON ends early",
            serde_json::error::Category::Data => "the JSON is not what was asked for",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "the body is not JSON",
        };
        Failure::broken(format!("{problem}, at byte {} of line {}", error.column(), error.line()))
    })
}

/// Reads JSON that has to be an object: serde would take an array of a struct's fields too.
pub(crate) fn decode_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    decode::<ObjectOrNull<T>>(body)?.0.ok_or_else(|| Failure::broken("the JSON is null"))
}

#[cfg(test)]
mod tests {
    use switchboard_domain::ports::GatewayError;

    use super::*;
    use crate::wire;

    #[test]
    fn no_cause_repeats_the_body() {
        for body in [
            &b"\"canary\""[..],
            b"[\"canary\"]",
            b"canary",
            b"{\"canary\"",
            b"{\"status\":\"canary\",\"status\":\"canary\"}",
            b"\"canary\xff\"",
            b"null",
            b"",
        ] {
            let error = decode_object::<wire::Session>(body).err().map(GatewayError::from);
            assert!(matches!(&error, Some(GatewayError::Broken(cause)) if !cause.contains("canary")), "{error:?}");
        }
    }
}
