//! Webhooks on their way: signed, sent, and sent again.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use reqwest::{RequestBuilder, Response, header::RETRY_AFTER};
use serde_json::Number;
use sha2::Sha512;

use crate::{
    config::{Policy, Retries, Webhook},
    ids,
    server::Server,
};

impl Server {
    /// Sends a body until a 2xx, or until the retries are used up. Each event on its own: a later one may arrive first.
    pub(crate) async fn deliver(&self, hook: &Webhook, body: &[u8], timestamp: i64) {
        let Some(client) = self.client() else { return };
        let request_id = ids::request_id();
        let retries = hook.retries.clone().unwrap_or_default();
        for attempt in 0..=attempts(&retries) {
            let request = request(client, hook, body, timestamp, &request_id);
            let asked = {
                let _permit = self.deliveries.acquire().await;
                match request.send().await {
                    Ok(response) if response.status().is_success() => return,
                    Ok(response) => retry_after(&response),
                    Err(error) => {
                        tracing::debug!(%error, attempt, "a webhook was not taken");
                        None
                    }
                }
            };
            self.clock.sleep(asked.unwrap_or_else(|| pause(&retries, attempt))).await;
        }
    }

    /// WAHA sets no timeout and checks no certificate (2025.12.2, read). The client is made for the first webhook.
    fn client(&self) -> Option<&reqwest::Client> {
        let made = || {
            let builder = reqwest::Client::builder()
                .user_agent(format!("WAHA/{}", self.options.version))
                .no_proxy()
                .danger_accept_invalid_certs(true);
            builder.build().inspect_err(|error| tracing::warn!(%error, "no webhooks")).ok()
        };
        self.client.get_or_init(made).as_ref()
    }
}

fn request(client: &reqwest::Client, hook: &Webhook, body: &[u8], timestamp: i64, request_id: &str) -> RequestBuilder {
    let mut request = client
        .post(&hook.url)
        .header("Accept", "application/json, text/plain, */*")
        .header("Content-Type", "application/json");
    for header in hook.custom_headers.iter().flatten() {
        request = request.header(&header.name, &header.value);
    }
    request = request.header("X-Webhook-Request-Id", request_id).header("X-Webhook-Timestamp", timestamp.to_string());
    if let Some(key) = hook.hmac.as_ref().and_then(|hmac| hmac.key.as_ref()) {
        request = request.header("X-Webhook-Hmac", signature(key, body)).header("X-Webhook-Hmac-Algorithm", "sha512");
    }
    request.body(body.to_vec())
}

/// Lower-case hex of HMAC-SHA512 over the raw body.
fn signature(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// How many retries follow the first try: 15 unless configured.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn attempts(retries: &Retries) -> u32 {
    retries.attempts.as_ref().and_then(Number::as_f64).unwrap_or(15.0).clamp(0.0, 1000.0) as u32
}

/// The wait after the try of this number (from 0): 2 s each time unless configured.
fn pause(retries: &Retries, attempt: u32) -> Duration {
    let delay = retries.delay_seconds.as_ref().and_then(Number::as_f64).unwrap_or(2.0).clamp(0.0, 3600.0);
    let tries = f64::from(attempt + 1);
    let seconds = match retries.policy.unwrap_or_default() {
        Policy::Constant => delay,
        Policy::Linear => delay * tries,
        Policy::Exponential => delay * tries.exp2() * (1.0 + rand::rng().random_range(0.0..0.2)),
    };
    Duration::from_secs_f64(seconds.min(86_400.0))
}

fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_wahas_documentation() {
        let signed = signature("my-secret-key", br#"{"event":"message","session":"default","engine":"WEBJS"}"#);

        assert!(signed.starts_with("208f8a55") && signed.ends_with("fa89"), "{signed}");
    }

    #[test]
    fn retries_are_constant_unless_told_otherwise() {
        let seconds = |policy, attempt| {
            let retries = Retries { policy, delay_seconds: Some(3.into()), attempts: None };
            pause(&retries, attempt).as_secs_f64()
        };

        assert!((pause(&Retries::default(), 9).as_secs_f64() - 2.0).abs() < 0.01);
        assert!((seconds(Some(Policy::Linear), 3) - 12.0).abs() < 0.01);
        assert!((24.0..29.0).contains(&seconds(Some(Policy::Exponential), 2)));
        assert_eq!(attempts(&Retries::default()), 15);
    }
}
