//! Who does what to the server, all at the same time.

use std::time::Duration;

use futures_util::future::{join_all, join5};
use serde_json::{Value, json};
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, Soak, USERS};
use crate::fleet::Newcomer;
use crate::http::{Connection, Request};
use crate::stage::{List, User};
use crate::streams;

/// Clients of users who are there all the time, and how often each asks.
const CLIENTS: usize = 16;
const PAUSE: Duration = Duration::from_millis(50);
/// Places for users who come, connect and go.
const COMING: usize = 3;
/// Places for streams that are opened and dropped.
const STREAMS: usize = 40;
/// Longer than any body may be.
const TOO_LONG: usize = 3 * 1024 * 1024;
/// The beginning of what a client says who wants it encrypted.
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
/// A body that is shorter than announced.
const HALF: &[u8] = b"POST /api/trpc/user.restartSession HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";

impl Soak {
    /// Everybody acts until the time is over.
    pub(super) async fn act(&self) {
        join5(
            join_all((0..CLIENTS).map(|_| self.client())),
            join_all((0..COMING).map(|_| self.newcomers())),
            join_all((0..STREAMS).map(|_| self.streams())),
            self.strangers(),
            self.waha(),
        )
        .await;
    }

    fn user(&self) -> &User {
        &self.stage.users[self.dice(USERS)]
    }

    /// Asks for this and that.
    async fn client(&self) {
        let mut connection = None;
        while !self.is_over() {
            let (user, list) = (self.user(), if self.dice(2) == 0 { List::Groups } else { List::Contacts });
            let page = |input: Value| user.page(list, &input);
            let (what, request) = match self.dice(20) {
                0..=6 => ("status", user.status()),
                7..=9 => ("session", user.session()),
                10..=11 => ("page", page(json!({ "limit": 50, "cursor": self.dice(600) }))),
                12..=15 => ("search, a new term", page(json!({ "search": format!("term {}", self.next()) }))),
                16 => ("search, a common term", page(json!({ "search": "an" }))),
                17 => ("REST", user.rest("groups?limit=5")),
                18 => ("REST", user.rest("status")),
                _ => match self.dice(10) {
                    0 => ("refresh", user.mutation("user.refreshDirectory", &json!({}))),
                    1 => ("QR of somebody who is connected", user.asks("user.getSessionQR")),
                    _ => ("contacts, all", page(json!({ "all": true, "limit": 200 }))),
                },
            };
            self.ask(&mut connection, what, &request).await;
            sleep(PAUSE).await;
        }
    }

    /// Somebody new each time: connects, pairs, looks around, logs out; every third leaves before pairing.
    async fn newcomers(&self) {
        while !self.is_over() {
            let mut connection = None;
            if self.newcomer(&mut connection).await.is_none() {
                self.count("newcomer", "did not get to the end".to_owned());
            }
            sleep(PAUSE * 10).await;
        }
    }

    async fn newcomer(&self, connection: &mut Option<Connection>) -> Option<()> {
        let number = self.next();
        let newcomer = Newcomer::of(number).ok()?;
        let session = self.ask(connection, "connect", &newcomer.connect).await?;
        let session = session["result"]["data"]["sessionName"].as_str()?.to_owned();
        let user = User::of(format!("user-{number}").parse().ok()?, session).ok()?;
        self.until(connection, &user, "SCAN_QR_CODE").await?;
        self.ask(connection, "QR", &user.asks("user.getSessionQR")).await?;
        if !number.is_multiple_of(3) {
            let phone = format!("34{number:09}");
            if number % 6 == 1 {
                let input = json!({ "phoneNumber": format!("+{phone}") });
                self.ask(connection, "pairing code", &user.mutation("user.requestPairingCode", &input)).await?;
            }
            self.stage.waha.scan(&user.session, &phone).await.ok()?;
            self.until(connection, &user, "WORKING").await?;
            let groups = user.page(List::Groups, &json!({}));
            let groups = self.ask(connection, "first page", &groups).await?;
            let group = json!({ "groupId": groups["result"]["data"]["items"][0]["groupId"] });
            self.ask(connection, "link", &user.mutation("user.linkWhatsAppGroup", &group)).await?;
            self.ask(connection, "first page", &user.page(List::Contacts, &json!({}))).await?;
        }
        self.ask(connection, "logout", &user.mutation("user.logoutSession", &json!({}))).await?;
        Some(())
    }

    async fn until(&self, connection: &mut Option<Connection>, user: &User, wanted: &str) -> Option<()> {
        let waiting = async {
            loop {
                let status = self.ask(connection, "status", &user.status()).await?;
                if status["result"]["data"]["status"] == wanted {
                    return Some(());
                }
                sleep(PAUSE * 2).await;
            }
        };
        timeout(PATIENCE, waiting).await.ok()?
    }

    /// Opens a stream, leaves it open for a while, drops it.
    async fn streams(&self) {
        while !self.is_over() {
            let user = self.user();
            let request = if self.dice(2) == 0 { user.asks("user.onSessionStatus") } else { user.rest("events") };
            match streams::begin(self.stage.server.address, &request).await {
                Ok(_open) => {
                    self.count("stream", "opened and dropped".to_owned());
                    sleep(Duration::from_millis(500 + 500 * self.dice(40) as u64)).await;
                }
                Err(_) => self.count("stream", "did not open".to_owned()),
            }
            sleep(PAUSE).await;
        }
    }

    /// Requests of people who have no business here, or do not know how to ask.
    async fn strangers(&self) {
        let mut connection = None;
        while !self.is_over() {
            let user = self.user();
            let post = |body: &str| user.post("user.restartSession", body);
            let (what, request) = match self.dice(8) {
                0 => ("no token", Request::get("/api/trpc/user.getWhatsAppSession", None)),
                1 => ("a bad token", Request::get("/v1/session", Some(&format!("bad.{}.token", self.next())))),
                2 => ("a bad key", Request::get("/v1/session", Some(&format!("swb_{:064x}", self.next())))),
                3 => ("malformed", post(&format!("{{\"sessionName\":\"{}", self.next()))),
                4 => ("bad input", user.page(List::Groups, &json!({ "limit": -1, "cursor": "x" }))),
                5 => ("no such session", user.status_of(&format!("session_{}", self.next()))),
                6 => ("no such path", Request::get(&format!("/nowhere/{}", self.next()), None)),
                _ => ("a report that is not signed", Request::signed("/webhooks/waha/default", "00", "{}")),
            };
            self.ask(&mut connection, what, &request).await;
            match self.dice(60) {
                0 => drop(self.ask(&mut None, "a body that is too long", &post(&" ".repeat(TOO_LONG))).await),
                1..=3 => self.garbage(TLS).await,
                4..=6 => self.garbage(HALF).await,
                _ => {}
            }
            sleep(PAUSE * 2).await;
        }
    }

    /// Sends something that is no request, or half of one, and hangs up.
    async fn garbage(&self, bytes: &[u8]) {
        if let Ok(mut socket) = TcpStream::connect(self.stage.server.address).await {
            let _ = socket.write_all(bytes).await;
            sleep(PAUSE).await;
        }
        self.count("garbage", "sent".to_owned());
    }

    /// Reports of sessions that work, and of groups that get a new name.
    async fn waha(&self) {
        let mut connection = None;
        while !self.is_over() {
            let (user, at) = (self.user(), SystemClock.now().timestamp_millis());
            let (event, payload) = if self.dice(2) == 0 {
                ("session.status", json!({ "name": user.session, "status": "WORKING" }))
            } else {
                let group = json!({ "id": "120363000000000001@g.us", "subject": format!("Renamed {}", self.next()) });
                ("group.v2.update", json!({ "group": group, "timestamp": at }))
            };
            let event = json!({ "event": event, "session": user.session, "timestamp": at, "payload": payload });
            if let Ok(report) = streams::signed(&event) {
                self.ask(&mut connection, "report", &report).await;
            }
            sleep(PAUSE * 4).await;
        }
    }
}
