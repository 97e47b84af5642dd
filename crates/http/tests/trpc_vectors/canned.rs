//! The canned server that the recordings were made with, on our router.

use std::time::Duration;

use actix_web::rt::time::sleep;
use chrono::DateTime;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use serde::Serialize;
use serde_json::{Value as Json, json};
use switchboard_http::trpc::{
    Code, Date, DatePaths, Error, Event, Fields, Input, Issue, Output, Router, Schema, Transformer, Value, integer,
    string,
};

use crate::vector::Vector;

/// Who calls, by token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    Nobody,
    User,
    WithoutSession,
    Forbidden,
    /// The context could not be made, for want of a valid token.
    Refused,
    /// The context could not be made at all.
    Failed,
}

impl Caller {
    /// By the header, or what a subscription says in its place.
    pub(crate) fn of(authorization: Option<&str>, param: Option<&str>) -> Self {
        match authorization.map_or(param, |header| header.strip_prefix("Bearer ")) {
            Some("test-token") => Self::User,
            Some("nosession") => Self::WithoutSession,
            Some("forbidden") => Self::Forbidden,
            Some("ctxthrow") => Self::Refused,
            Some("ctxboom") => Self::Failed,
            _ => Self::Nobody,
        }
    }

    fn authorize(self) -> Result<(), Error> {
        match self {
            Self::User | Self::WithoutSession => Ok(()),
            Self::Nobody => Err(Error::of(Code::Unauthorized)),
            Self::Forbidden => Err(Error::new(Code::Forbidden, "You do not have access to this resource")),
            Self::Refused => Err(Error::new(Code::Unauthorized, "Invalid token")),
            Self::Failed => Err(Error::internal()),
        }
    }
}

/// The router with the options of that recording.
pub(crate) fn router(vector: &Vector) -> Router<Caller> {
    let transformer = if vector.superjson() { Transformer::Superjson } else { Transformer::Plain };
    procedures(vector.max_duration())
        .default_transformer(transformer)
        .keep_alive(vector.keep_alive())
        .max_batch_size(vector.max_batch_size().unwrap_or(Router::<Caller>::MAX_BATCH_SIZE))
}

/// The canned procedures; subscriptions are closed after `max_duration`.
pub(crate) fn procedures(max_duration: Option<Duration>) -> Router<Caller> {
    Router::new(|caller: &Caller, _| caller.authorize())
        .query("user.getWhatsAppSession", session)
        .mutation("user.initiateWhatsAppSession", async |_, (): ()| {
            Ok(json!({"sessionName": "user_1_main", "id": SESSION_ID}))
        })
        .query("user.getSessionStatus", answering(json!({"status": "WORKING"})))
        .query("user.getSessionQR", answering(json!({"qr": QR})))
        .mutation("user.restartSession", answering(json!({"success": true})))
        .mutation("user.logoutSession", answering(json!({"success": true})))
        .mutation("user.updateSessionPhone", async |_, _: UpdatePhone| Ok(json!({"success": true})))
        .query("user.getWhatsAppGroups", groups)
        .query("user.getWhatsAppContacts", contacts)
        .subscription("user.onSessionStatus", move |_, from: From| async move {
            let closed = async move {
                match max_duration {
                    Some(duration) => sleep(duration).await,
                    None => std::future::pending().await,
                }
            };
            Ok(follow(from).await?.take_until(Box::pin(closed)))
        })
        .query("user.echo", async |_, Echo(value)| Ok(echo(&value)))
        .query("user.topDate", async |_, (): ()| Ok(at(1_735_689_600_000)))
        .query("user.arrDates", async |_, (): ()| Ok(vec![at(0), at(1)]))
        .query("user.undefQuery", async |_, (): ()| Ok(()))
        .mutation("user.voidMutation", async |_, (): ()| Ok(()))
}

const SESSION_ID: &str = "clx0000000000sess0000000001";
const QR: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

struct Named {
    session_name: String,
}

impl Input for Named {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let session_name = fields.read("sessionName", string());
        Some(Self { session_name: session_name? })
    }
}

struct From {
    session_name: String,
    /// 0 from the start.
    last_event_id: u32,
}

impl Input for From {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let session_name = fields.read("sessionName", string());
        let last_event_id = fields.read("lastEventId", string().parsed(str::parse::<u32>).optional());
        Some(Self { session_name: session_name?, last_event_id: last_event_id?.unwrap_or(0) })
    }
}

struct UpdatePhone;

impl Input for UpdatePhone {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let id = fields.read("id", string());
        let phone_number = fields.read("phoneNumber", string());
        id.and(phone_number).map(|_| Self)
    }
}

struct List<const LIMIT: u64> {
    session_name: String,
    limit: u64,
    cursor: u64,
    search: Option<String>,
}

impl<const LIMIT: u64> Input for List<LIMIT> {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let session_name = fields.read("sessionName", string());
        let limit = fields.read("limit", integer().min(1).default(LIMIT));
        let cursor = fields.read("cursor", integer().default_if_null(0));
        let search = fields.read("search", string().optional());
        Some(Self { session_name: session_name?, limit: limit?, cursor: cursor?, search: search? })
    }
}

struct Echo(Value);

impl Input for Echo {
    fn parse(_: &mut Fields) -> Option<Self> {
        None
    }

    fn parse_value(value: Value) -> Result<Self, Vec<Issue>> {
        Ok(Self(value))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connected {
    id: &'static str,
    session_name: &'static str,
    phone_number: &'static str,
    status: &'static str,
    user_id: &'static str,
    created_at: Date,
    updated_at: Date,
    #[serde(rename = "WhatsAppGroups")]
    groups: Vec<Linked>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linked {
    id: &'static str,
    group_id: &'static str,
    group_name: &'static str,
    created_at: Date,
    campaigns: Vec<Campaign>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Campaign {
    id: &'static str,
    status: &'static str,
    start_date: Date,
}

impl Output for Connected {
    fn dates(&self, at: &mut DatePaths) {
        at.date("createdAt");
        at.date("updatedAt");
        at.each("WhatsAppGroups", &self.groups, Output::dates);
    }
}

impl Output for Linked {
    fn dates(&self, at: &mut DatePaths) {
        at.date("createdAt");
        at.each("campaigns", &self.campaigns, |_, at| at.date("startDate"));
    }
}

async fn session(caller: Caller, (): ()) -> Result<Option<Connected>, Error> {
    if matches!(caller, Caller::WithoutSession) {
        return Ok(None);
    }
    let campaign = |id, status, start| Campaign { id, status, start_date: at(start) };
    Ok(Some(Connected {
        id: SESSION_ID,
        session_name: "user_1_main",
        phone_number: "919876543210",
        status: "WORKING",
        user_id: "user_1",
        created_at: at(1_735_787_045_678),
        updated_at: at(1_749_283_750_000),
        groups: vec![
            Linked {
                id: "grp1",
                group_id: "120363000000000001@g.us",
                group_name: "Família & Amigos ✨",
                created_at: at(1_738_368_000_000),
                campaigns: vec![
                    campaign("c1", "SCHEDULED", 1_751_371_200_000),
                    campaign("c2", "COMPLETED", 1_740_832_200_123),
                ],
            },
            Linked {
                id: "grp2",
                group_id: "120363000000000002@g.us",
                group_name: "Empty \"quotes\" \\ back",
                created_at: at(1_738_454_400_000),
                campaigns: vec![],
            },
        ],
    }))
}

#[derive(Serialize)]
struct Seen {
    status: &'static str,
    at: Date,
}

impl Output for Seen {
    fn dates(&self, at: &mut DatePaths) {
        at.date("at");
    }
}

/// What the session names `errmid`, `forever`, `mix`, `ping` and `untracked` are followed by, and all others.
async fn follow(from: From) -> Result<BoxStream<'static, Event<Seen>>, Error> {
    let From { session_name, last_event_id } = from;
    guard(&session_name).await?;
    // Statuses come a second apart.
    let event = |id: u32, status, second: i64| {
        let at = at(1_735_689_600_000 + 1000 * second);
        Event::Tracked { id: id.to_string(), data: Seen { status, at } }
    };
    let events = match session_name.as_str() {
        "errmid" => {
            let failed = Event::Failed(Error::new(Code::NotFound, "Session not found"));
            vec![event(1, "STARTING", 0), failed]
        }
        "mix" | "untracked" => vec![event(1, "STARTING", 0), event(2, "WORKING", 1), Event::Return],
        "ping" => {
            let late = sleep(Duration::from_millis(130)).map(move |()| event(1, "WORKING", 1));
            return Ok(stream::once(late).chain(stream::iter([Event::Return])).boxed());
        }
        "forever" => {
            let next = move |last: u32| async move {
                if last > last_event_id {
                    sleep(Duration::from_millis(60)).await;
                }
                let data = Seen { status: "WORKING", at: Date(DateTime::UNIX_EPOCH) };
                Some((Event::Tracked { id: (last + 1).to_string(), data }, last + 1))
            };
            return Ok(stream::unfold(last_event_id, move |last| Box::pin(next(last))).boxed());
        }
        _ => {
            let statuses = (1..).zip(0..).zip(["STARTING", "SCAN_QR_CODE", "WORKING"]);
            let unseen = statuses.filter(|((id, _), _)| *id > last_event_id);
            let events = unseen.map(|((id, second), status)| event(id, status, second));
            events.chain([Event::Return]).collect()
        }
    };
    Ok(stream::iter(events).boxed())
}

async fn groups(_: Caller, list: List<10>) -> Result<Json, Error> {
    let groups = (0..25).map(|i| {
        let alpha = if i % 5 == 0 { " Alpha" } else { "" };
        let name = format!("Group {i}{alpha}");
        let item = json!({"groupId": format!("1203630000000000{i:02}@g.us"), "groupName": name});
        (name, item)
    });
    page(list, groups).await
}

async fn contacts(_: Caller, list: List<50>) -> Result<Json, Error> {
    let contacts = (0..120).map(|i| {
        let name = format!("Contact {i}");
        let number = format!("919876500{i:03}");
        let item = json!({
            "groupId": format!("{number}@c.us"),
            "groupName": name,
            "number": number,
            "isContact": i % 2 == 0,
        });
        (name, item)
    });
    page(list, contacts).await
}

async fn page<const LIMIT: u64>(
    list: List<LIMIT>,
    entries: impl Iterator<Item = (String, Json)>,
) -> Result<Json, Error> {
    guard(&list.session_name).await?;
    let search = list.search.unwrap_or_default().to_lowercase();
    let matches: Vec<_> =
        entries.filter(|(name, _)| name.to_lowercase().contains(&search)).map(|(_, item)| item).collect();
    let start = usize::try_from(list.cursor).map_or(matches.len(), |it| it.min(matches.len()));
    let limit = usize::try_from(list.limit).expect("a usize has 64 bits");
    let end = start.saturating_add(limit).min(matches.len());
    let mut page = json!({"items": matches[start..end]});
    if end < matches.len() {
        page["nextCursor"] = end.into();
    }
    Ok(page)
}

/// A handler that answers the same whatever session it is asked for, if that exists.
fn answering(answer: Json) -> impl Fn(Caller, Named) -> futures_util::future::BoxFuture<'static, Result<Json, Error>> {
    move |_, input| {
        let answer = answer.clone();
        Box::pin(async move { guard(&input.session_name).await.map(|()| answer) })
    }
}

/// What the session names `missing`, `err-…`, `nomsg-…` and `slow…` do.
async fn guard(name: &str) -> Result<(), Error> {
    if name == "missing" {
        return Err(Error::new(Code::NotFound, "Session not found"));
    }
    assert_ne!(name, "err-THROW", "boom: database exploded");
    if let Some(key) = name.strip_prefix("err-") {
        return Err(Error::new(code(key), format!("Test error {key}")));
    }
    if let Some(key) = name.strip_prefix("nomsg-") {
        return Err(Error::of(code(key)));
    }
    if let Some(millis) = name.strip_prefix("slow").and_then(|millis| millis.parse::<u16>().ok()) {
        sleep(Duration::from_millis(millis.into())).await;
    }
    Ok(())
}

fn code(key: &str) -> Code {
    const CODES: [Code; 21] = [
        Code::ParseError,
        Code::BadRequest,
        Code::Unauthorized,
        Code::PaymentRequired,
        Code::Forbidden,
        Code::NotFound,
        Code::MethodNotSupported,
        Code::Timeout,
        Code::Conflict,
        Code::PreconditionFailed,
        Code::PayloadTooLarge,
        Code::UnsupportedMediaType,
        Code::UnprocessableContent,
        Code::PreconditionRequired,
        Code::TooManyRequests,
        Code::ClientClosedRequest,
        Code::InternalServerError,
        Code::NotImplemented,
        Code::BadGateway,
        Code::ServiceUnavailable,
        Code::GatewayTimeout,
    ];
    *CODES.iter().find(|code| code.key() == key).unwrap_or(&Code::BadRequest)
}

fn echo(value: &Value) -> Json {
    match value {
        Value::Undefined => json!({"got": "__undefined__", "type": "undefined"}),
        value => {
            let got = plain(value);
            let kind = match value {
                Value::Boolean(_) => "boolean",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                _ => "object",
            };
            json!({"got": got, "type": kind})
        }
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Undefined | Value::Null | Value::Date => Json::Null,
        Value::Boolean(boolean) => json!(boolean),
        #[expect(clippy::cast_possible_truncation, reason = "JavaScript writes whole numbers so")]
        Value::Number(number) if number.fract() == 0.0 => json!(*number as i64),
        Value::Number(number) => json!(number),
        Value::String(text) => json!(text),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
    }
}

fn at(millis: i64) -> Date {
    Date(DateTime::from_timestamp_millis(millis).expect("a recorded date exists"))
}
