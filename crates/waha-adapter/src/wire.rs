//! WAHA's JSON, as far as it is used.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::loose::{Fits, Loose, Object};

/// A session to be created.
#[derive(Serialize)]
pub(crate) struct NewSession<'a> {
    pub(crate) name: &'a str,
    /// Must be said: the documentation's default is not what servers do.
    pub(crate) start: bool,
    pub(crate) config: NewConfig<'a>,
}

#[derive(Serialize)]
pub(crate) struct NewConfig<'a> {
    pub(crate) metadata: BTreeMap<&'static str, &'a str>,
    pub(crate) noweb: Noweb,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhooks: Option<[Webhook<'a>; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Noweb {
    pub(crate) mark_online: bool,
    pub(crate) store: NowebStore,
}

/// Cannot be changed once a phone is paired.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NowebStore {
    pub(crate) enabled: bool,
    pub(crate) full_sync: bool,
}

#[derive(Serialize)]
pub(crate) struct Webhook<'a> {
    pub(crate) url: &'a str,
    pub(crate) events: &'static [&'static str],
    pub(crate) hmac: Hmac<'a>,
}

#[derive(Serialize)]
pub(crate) struct Hmac<'a> {
    pub(crate) key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairingRequest<'a> {
    pub(crate) phone_number: &'a str,
}

/// A session.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Session {
    pub(crate) name: Loose<String>,
    pub(crate) status: Loose<String>,
    pub(crate) me: Loose<Me>,
    pub(crate) config: Loose<Config>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Me {
    pub(crate) id: Loose<Id>,
    pub(crate) lid: Loose<Id>,
    /// GOWS: the id with the device.
    pub(crate) jid: Loose<Id>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) metadata: Loose<Metadata>,
    pub(crate) webhooks: Loose<Vec<Loose<GivenWebhook>>>,
}

/// A webhook that a session has.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct GivenWebhook {
    pub(crate) url: Loose<String>,
    pub(crate) events: Loose<Vec<Loose<String>>>,
    pub(crate) hmac: Loose<GivenHmac>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct GivenHmac {
    pub(crate) key: Loose<SecretString>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) switchboard: Loose<String>,
    #[serde(rename = "switchboard.worker")]
    pub(crate) worker: Loose<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Qr {
    pub(crate) data: Loose<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Code {
    pub(crate) code: Loose<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Version {
    pub(crate) version: Loose<String>,
    pub(crate) engine: Loose<String>,
}

/// A session's configuration, to be put in the place of the one it has.
#[derive(Serialize)]
pub(crate) struct Update<'a> {
    pub(crate) config: &'a Map<String, Value>,
}

/// A session's configuration, as it is.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Configured {
    pub(crate) config: Option<Value>,
}

/// A group of any engine.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) id: Loose<Id>,
    #[serde(rename = "JID")]
    pub(crate) gows_id: Loose<Id>,
    pub(crate) subject: Loose<String>,
    pub(crate) name: Loose<String>,
    #[serde(rename = "groupMetadata")]
    pub(crate) metadata: Loose<GroupMetadata>,
    #[serde(rename = "Name")]
    pub(crate) gows_name: Loose<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct GroupMetadata {
    pub(crate) subject: Loose<String>,
}

/// A contact of any engine.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Contact {
    pub(crate) id: Loose<Id>,
    pub(crate) lid: Loose<Id>,
    pub(crate) phone_number: Loose<Id>,
    pub(crate) name: Loose<String>,
    pub(crate) pushname: Loose<String>,
    pub(crate) short_name: Loose<String>,
    pub(crate) verified_name: Loose<String>,
    #[serde(rename = "isMyContact")]
    pub(crate) is_mine: Loose<bool>,
    pub(crate) is_me: Loose<bool>,
    pub(crate) is_blocked: Loose<bool>,
}

/// A hidden id and the phone number's id of the same person.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Twin {
    pub(crate) lid: Loose<Id>,
    pub(crate) pn: Loose<Id>,
}

/// A webhook's body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    #[serde(rename = "event")]
    pub(crate) kind: Loose<String>,
    pub(crate) session: Loose<String>,
    pub(crate) timestamp: Loose<u64>,
    pub(crate) me: Loose<Me>,
    pub(crate) payload: Loose<Payload>,
}

/// What `session.status` and `group.v2.…` tell.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload {
    /// Of a session.
    pub(crate) status: Loose<String>,
    pub(crate) timestamp: Loose<u64>,
    pub(crate) group: Loose<Group>,
    /// What the participants did.
    #[serde(rename = "type")]
    pub(crate) kind: Loose<String>,
    pub(crate) participants: Loose<Vec<Loose<Participant>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Participant {
    pub(crate) id: Loose<Id>,
    /// The id by phone number, if `id` is a hidden one.
    pub(crate) pn: Loose<Id>,
}

/// An id: a text, or WEBJS's object, of which `_serialized` came and went in 2026.
pub(crate) struct Id(pub(crate) String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct IdParts {
    #[serde(rename = "_serialized")]
    serialized: Loose<String>,
    user: Loose<String>,
    server: Loose<String>,
}

impl Object for Session {}
impl Object for Me {}
impl Object for Config {}
impl Object for GivenHmac {}
impl Object for GivenWebhook {}
impl Object for Metadata {}
impl Object for Group {}
impl Object for GroupMetadata {}
impl Object for Payload {}
impl Object for Participant {}

impl Fits<'_> for SecretString {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl<'de> Fits<'de> for Id {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    fn from_object<A: serde::de::MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        let parts = IdParts::deserialize(serde::de::value::MapAccessDeserializer::new(object))?;
        Ok(match (parts.serialized.0, parts.user.0, parts.server.0) {
            (Some(id), _, _) => Some(Self(id)),
            (None, Some(user), Some(server)) => Some(Self(format!("{user}@{server}"))),
            _ => None,
        })
    }
}
