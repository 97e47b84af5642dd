//! The `config` of a session: what WAHA keeps of it, and what it complains about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use url::Url;

/// What WAHA keeps of a config; unknown fields are dropped (WAHA 2025.12.3, recorded).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    noweb: Option<Noweb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gows: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webjs: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhooks: Option<Vec<Webhook>>,
}

impl Config {
    /// Whether contacts and LIDs are kept, which NOWEB does only on demand.
    pub(crate) fn noweb_store(&self) -> bool {
        let store = self.noweb.as_ref().and_then(|noweb| noweb.store.as_ref());
        store.and_then(|store| store.enabled).unwrap_or(false)
    }

    pub(crate) fn webhooks(&self) -> &[Webhook] {
        self.webhooks.as_deref().unwrap_or_default()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Noweb {
    #[serde(skip_serializing_if = "Option::is_none")]
    mark_online: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Store>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_sync: Option<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    pub(crate) url: String,
    events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hmac: Option<Hmac>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retries: Option<Retries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) custom_headers: Option<Vec<Header>>,
}

impl Webhook {
    /// `*` is every event the fake has (and not `engine.event`, which it has not).
    pub(crate) fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|wanted| wanted == "*" || wanted == event)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hmac {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retries {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_seconds: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<Number>,
}

/// How the wait between two tries grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policy {
    Linear,
    Exponential,
    #[default]
    Constant,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Reads the `config` of a body.
///
/// # Errors
/// WAHA's complaints, in its words and order where recorded (2025.12.3).
pub(crate) fn parse(body: &Value) -> Result<Config, Vec<String>> {
    let config = match body.get("config") {
        None | Some(Value::Null) => return Ok(Config::default()),
        Some(config) => config,
    };
    let mut complaints = Vec::new();
    if !config.is_object() {
        return Err(vec!["nested property config must be either object or array".to_owned()]);
    }
    if set(&config["metadata"]).is_some_and(|metadata| !metadata.is_object()) {
        complaints.push("config.metadata must be an object".to_owned());
    }
    for (path, value) in [
        ("markOnline", &config["noweb"]["markOnline"]),
        ("store.enabled", &config["noweb"]["store"]["enabled"]),
        ("store.fullSync", &config["noweb"]["store"]["fullSync"]),
    ] {
        if set(value).is_some_and(|value| !value.is_boolean()) {
            complaints.push(format!("config.noweb.{path} must be a boolean value"));
        }
    }
    match set(&config["webhooks"]) {
        None => {}
        Some(Value::Array(webhooks)) => {
            for (index, webhook) in webhooks.iter().enumerate() {
                complain_of_webhook(&format!("config.webhooks.{index}"), webhook, &mut complaints);
            }
        }
        Some(_) => complaints.push("config.webhooks must be an array".to_owned()),
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    serde_json::from_value(config.clone()).map_err(|error| vec![format!("config {error}")])
}

const EVENTS: &str = "session.status, message, message.reaction, message.any, message.ack, message.ack.group, \
    message.waiting, message.revoked, message.edited, state.change, group.join, group.leave, group.v2.join, \
    group.v2.leave, group.v2.update, group.v2.participants, presence.update, poll.vote, poll.vote.failed, \
    chat.archive, call.received, call.accepted, call.rejected, label.upsert, label.deleted, label.chat.added, \
    label.chat.deleted, event.response, event.response.failed, engine.event, *";

fn complain_of_webhook(path: &str, webhook: &Value, complaints: &mut Vec<String>) {
    let url = webhook["url"].as_str().and_then(|url| Url::parse(url).ok());
    if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        complaints.push(format!("{path}.url must be a URL address"));
    }
    let events = webhook["events"].as_array();
    if events.is_none() {
        complaints.push(format!("{path}.events must be an array"));
    }
    let known = |event: &Value| event.as_str().is_some_and(|event| EVENTS.split(", ").any(|known| known == event));
    if !events.is_some_and(|events| events.iter().all(known)) {
        complaints.push(format!("{path}.each value in events must be one of the following values: {EVENTS}"));
    }
    let retries = &webhook["retries"];
    for name in ["delaySeconds", "attempts"] {
        if set(&retries[name]).is_some_and(|number| !number.is_number()) {
            complaints.push(format!("{path}.retries.{name} must be a number conforming to the specified constraints"));
        }
    }
    let policy = set(&retries["policy"]);
    if policy.is_some_and(|policy| !["linear", "exponential", "constant"].map(Value::from).contains(policy)) {
        complaints
            .push(format!("{path}.retries.policy must be one of the following values: linear, exponential, constant"));
    }
}

fn set(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !value.is_null())
}

/// What WAHA says of a session name; `None` is fine and lets WAHA make one up.
pub(crate) fn complain_of_name(name: Option<&Value>, complaints: &mut Vec<String>) {
    let Some(name) = name.and_then(set) else {
        return;
    };
    let text = name.as_str();
    let allowed = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !text.is_some_and(allowed) {
        complaints.push(
            "Session name can only contain alphanumeric characters, hyphens, and underscores (a-z, A-Z, 0-9, -, _) or be empty"
                .to_owned(),
        );
    }
    if text.is_none_or(|text| text.chars().count() > 54) {
        complaints.push("name must be shorter than or equal to 54 characters".to_owned());
    }
    if text.is_none() {
        complaints.push("name must be a string".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bad_webhook_gets_all_complaints_in_the_recorded_order() {
        let body = json!({"config": {"webhooks": [{"url": "not a url", "events": "x"}]}});

        let complaints = parse(&body).unwrap_err();

        assert_eq!(complaints[0], "config.webhooks.0.url must be a URL address");
        assert_eq!(complaints[1], "config.webhooks.0.events must be an array");
        assert!(complaints[2].starts_with("config.webhooks.0.each value in events must be one of"));
    }

    #[test]
    fn unknown_fields_are_dropped_and_known_ones_kept() {
        let config = json!({"metadata": {"user.id": "42"}, "noweb": {"markOnline": false, "store": {"enabled": true, "fullSync": false}}});
        let mut with_nonsense = config.clone();
        with_nonsense["nonsense"] = json!(2);

        let parsed = parse(&json!({ "config": with_nonsense })).unwrap();

        assert!(parsed.noweb_store());
        assert_eq!(serde_json::to_value(&parsed).unwrap(), config);
    }

    #[test]
    fn a_number_for_a_name_gets_three_complaints() {
        let mut complaints = Vec::new();

        complain_of_name(Some(&json!(5)), &mut complaints);

        assert_eq!(complaints.len(), 3);
        assert_eq!(complaints[2], "name must be a string");
    }
}
