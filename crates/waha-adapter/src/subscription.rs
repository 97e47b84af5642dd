//! Where the sessions of a worker report, and what: in a session that is created, and in one that WAHA has already.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use switchboard_domain::WorkerName;
use url::Url;

use crate::client::append;
use crate::config::WebhookConfig;
use crate::wire;

/// What we want to hear of. Of groups, events are data: NOWEB sends one of each group whenever groups are read.
const EVENTS: &[&str] =
    &["session.status", "group.v2.join", "group.v2.update", "group.v2.participants", "group.v2.leave"];

/// WAHA's word for all of them.
const ALL_EVENTS: &str = "*";

/// What the sessions of one worker are told about reporting to us.
pub(crate) struct Subscription {
    /// What all addresses of ours begin with.
    base: Url,
    worker: WorkerName,
    url: Url,
    secret: SecretString,
    previous_secret: Option<SecretString>,
}

/// A session's configuration, which holds secrets.
pub(crate) struct SessionConfig(pub(crate) Map<String, Value>);

impl Subscription {
    pub(crate) fn new(worker: &WorkerName, webhook: WebhookConfig) -> Self {
        let WebhookConfig { url: base, secret, previous_secret } = webhook;
        let mut url = base.clone();
        append(&mut url, [&worker.as_str()]);
        Self { base, worker: worker.clone(), url, secret, previous_secret }
    }

    /// As a new session is given it.
    pub(crate) fn wire(&self) -> wire::Webhook<'_> {
        let hmac = wire::Hmac { key: self.secret.expose_secret() };
        wire::Webhook { url: self.url.as_str(), events: EVENTS, hmac }
    }

    /// Whether one of these webhooks of a session is as it should be. It may do more.
    pub(crate) fn is_among(&self, webhooks: &[wire::GivenWebhook]) -> bool {
        webhooks.iter().any(|given| {
            let url = given.url.as_deref().and_then(|url| url.parse::<Url>().ok());
            let key = given.hmac.as_ref().and_then(|hmac| hmac.key.as_ref());
            url.as_ref() == Some(&self.url)
                && has_all_events(given.events.iter().flatten().filter_map(|event| event.as_deref()))
                && key.is_some_and(|key| key.expose_secret() == self.secret.expose_secret())
        })
    }

    /// Puts our webhook into a session's configuration in the place of any that was ours, and leaves everything else as it
    /// is. Returns whether anything had to be changed; `None` if this is no configuration of WAHA's.
    pub(crate) fn renew(&self, config: &mut SessionConfig) -> Option<bool> {
        let mut webhooks = match config.0.get("webhooks").unwrap_or(&Value::Null) {
            Value::Null => Vec::new(),
            Value::Array(webhooks) => webhooks.clone(),
            _ => return None,
        };
        // What somebody added to ours, like headers, stays with it.
        let place = webhooks.iter().position(|webhook| self.is_ours(webhook));
        let old = place.map_or(Value::Null, |place| webhooks[place].clone());
        let new = self.renewed(&old);
        let count = webhooks.len();
        webhooks.retain(|webhook| !self.is_ours(webhook));
        // Nothing before the first of ours was taken away.
        webhooks.insert(place.unwrap_or(webhooks.len()), new.clone());
        let is_changed = new != old || webhooks.len() != count;
        config.0.insert("webhooks".to_owned(), webhooks.into());
        Some(is_changed)
    }

    fn renewed(&self, old: &Value) -> Value {
        let mut webhook = old.as_object().cloned().unwrap_or_default();
        webhook.insert("url".to_owned(), self.url.as_str().into());
        webhook.insert("hmac".to_owned(), json!({ "key": self.secret.expose_secret() }));
        let events = webhook.get("events").and_then(Value::as_array).into_iter().flatten();
        if !has_all_events(events.filter_map(Value::as_str)) {
            webhook.insert("events".to_owned(), EVENTS.into());
        }
        webhook.into()
    }

    /// Whether a webhook reports to us or did: below our address, or, when that was another, to the same worker's name and
    /// with a secret of ours.
    fn is_ours(&self, webhook: &Value) -> bool {
        let Some(url) = webhook["url"].as_str().and_then(|url| url.parse::<Url>().ok()) else { return false };
        let key = webhook["hmac"]["key"].as_str();
        let secrets = [Some(&self.secret), self.previous_secret.as_ref()];
        is_below(&url, &self.base)
            || (url.path_segments().and_then(|mut path| path.next_back()) == Some(self.worker.as_str())
                && secrets.into_iter().flatten().any(|secret| key == Some(secret.expose_secret())))
    }
}

/// Whether an address is the other one and one more segment.
fn is_below(url: &Url, base: &Url) -> bool {
    let path = |url: &Url| {
        let mut path: Vec<_> = url.path_segments().into_iter().flatten().map(str::to_owned).collect();
        path.pop_if(|last| last.is_empty());
        path
    };
    let (mut path, base_path) = (path(url), path(base));
    path.pop().is_some() && path == base_path && url.origin() == base.origin()
}

fn has_all_events<'a>(events: impl Iterator<Item = &'a str>) -> bool {
    let events: Vec<_> = events.collect();
    events.contains(&ALL_EVENTS) || EVENTS.iter().all(|event| events.contains(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::ShownSession;

    fn subscription() -> Subscription {
        let webhook = WebhookConfig {
            url: "https://us.example/hooks/".parse().unwrap(),
            secret: SecretString::from("new"),
            previous_secret: Some(SecretString::from("old")),
        };
        Subscription::new(&"w1".parse().unwrap(), webhook)
    }

    fn renewed(webhooks: &Value) -> (Option<bool>, Value) {
        let Value::Object(config) = json!({ "webhooks": webhooks }) else { unreachable!() };
        let mut config = SessionConfig(config);
        let is_changed = subscription().renew(&mut config);
        (is_changed, config.0["webhooks"].clone())
    }

    fn ours() -> Value {
        json!({ "url": "https://us.example/hooks/w1", "events": EVENTS, "hmac": { "key": "new" } })
    }

    #[test]
    fn what_was_ours_is_replaced_wherever_it_stood() {
        for old in [
            json!({ "url": "https://us.example/hooks/w1", "events": EVENTS, "hmac": { "key": "old" } }),
            json!({ "url": "https://us.example/hooks/w1", "events": ["session.status"], "hmac": { "key": "new" } }),
            json!({ "url": "https://us.example:443/hooks/w1/", "events": EVENTS }),
            json!({ "url": "https://us.example/hooks/w0", "events": "x", "hmac": null }),
            json!({ "url": "http://before.example:8080/elsewhere/w1", "events": EVENTS, "hmac": { "key": "old" } }),
        ] {
            assert_eq!(renewed(&json!([old])), (Some(true), json!([ours()])), "{old}");
        }
        assert_eq!(renewed(&Value::Null), (Some(true), json!([ours()])));
        assert_eq!(renewed(&json!([ours(), ours()])), (Some(true), json!([ours()])), "one is enough");
    }

    #[test]
    fn what_is_somebody_elses_stays_as_it_is() {
        for foreign in [
            json!({ "url": "https://us.example/other", "events": ["message"], "hmac": { "key": "new" } }),
            json!({ "url": "https://us.example/hooks/deeper/w1", "events": ["message"] }),
            json!({ "url": "https://us.example.evil/hooks/w1", "events": ["message"], "hmac": { "key": "theirs" } }),
            json!({ "url": "http://us.example/hooks/w1", "events": ["message"] }),
            json!({ "url": 7, "unknown": [1.5] }),
            json!("text"),
            Value::Null,
        ] {
            assert_eq!(renewed(&json!([foreign, ours()])), (Some(false), json!([foreign, ours()])));
            assert_eq!(renewed(&json!([ours(), foreign])), (Some(false), json!([ours(), foreign])));
            assert_eq!(renewed(&json!([foreign])), (Some(true), json!([foreign, ours()])));
        }
    }

    #[test]
    fn what_was_added_to_ours_stays_with_it() {
        let with = |key: &str| {
            json!({
                "url": "https://us.example/hooks/w1", "events": ["*"], "hmac": { "key": key },
                "retries": { "policy": "constant", "delaySeconds": 1, "attempts": 3 },
                "customHeaders": [{ "name": "X-Tenant", "value": "t-42" }],
            })
        };
        assert_eq!(renewed(&json!([with("old")])), (Some(true), json!([with("new")])));
        assert_eq!(renewed(&json!([with("new")])), (Some(false), json!([with("new")])));
    }

    #[test]
    fn what_is_no_list_of_webhooks_is_left_alone() {
        assert_eq!(renewed(&json!({ "url": "x" })).0, None);
    }

    /// Whether a session with that configuration is known to report otherwise than it should.
    fn is_outdated(config: &Value) -> bool {
        let json = json!({ "name": "x", "status": "WORKING", "config": config });
        let wire = serde_json::from_value(json).unwrap();
        ShownSession::new("x".parse().unwrap(), wire).beside(Some(&subscription())).is_webhook_outdated
    }

    #[test]
    fn a_session_is_up_to_date_if_one_webhook_has_our_address_all_our_events_and_our_key() {
        let foreign = json!({ "url": "http://127.0.0.1:3998/hook", "events": ["*"], "hmac": { "key": "new" } });
        let mut all = ours();
        all["events"] = json!(["*"]);
        all["retries"] = json!({ "attempts": 3 });
        for webhooks in [json!([ours()]), json!([foreign, null, 7, ours()]), json!([all])] {
            assert!(!is_outdated(&json!({ "webhooks": webhooks })), "{webhooks}");
        }
        for (field, value) in [
            ("url", json!("https://us.example/hooks/w2")),
            ("url", json!("not a url")),
            ("url", json!(7)),
            ("events", json!(EVENTS[1..])),
            ("events", json!("*")),
            ("events", Value::Null),
            ("hmac", json!({ "key": "old" })),
            ("hmac", json!({ "key": null })),
            ("hmac", json!({})),
            ("hmac", Value::Null),
        ] {
            let mut webhook = ours();
            webhook[field] = value;
            assert!(is_outdated(&json!({ "webhooks": [webhook] })), "{webhook}");
            assert!(is_outdated(&json!({ "webhooks": [webhook, foreign] })), "{webhook}");
        }
        for config in [json!({}), json!({ "webhooks": null }), json!({ "webhooks": [] }), json!({ "webhooks": {} })] {
            assert!(is_outdated(&config), "{config}");
        }
    }

    #[test]
    fn of_a_session_that_does_not_show_its_configuration_nothing_is_known() {
        for config in [Value::Null, json!([]), json!("x"), json!(7)] {
            assert!(!is_outdated(&config), "{config}");
        }
    }
}
