//! A stage: a database, a WAHA and a server, with users whose lists are there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use switchboard_domain::UserId;
use tempfile::TempDir;

use crate::database::Database;
use crate::directory::Directory;
use crate::http::{Connection, Request};
use crate::server::{Server, Setup, built, token};
use crate::waha::Waha;

/// Linked groups of each user.
pub(crate) const LINKED: usize = 10;
/// Active campaigns of each linked group.
pub(crate) const CAMPAIGNS: usize = 2;

/// How long a phone and a fetch may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// The largest page that is served.
const LARGEST_PAGE: usize = 10_000;

pub(crate) struct Stage {
    // Before the folder that it runs in.
    pub(crate) server: Server,
    pub(crate) waha: Waha,
    setup: Setup,
    pub(crate) database: Database,
    pub(crate) entries: usize,
    pub(crate) users: Vec<User>,
    folder: TempDir,
}

/// A user who is signed in and connected.
pub(crate) struct User {
    id: UserId,
    token: String,
    pub(crate) session: String,
}

/// What the lists of all users hold, and what that costs.
pub(crate) struct Warmed {
    /// Groups and contacts, of all users.
    pub(crate) entries: usize,
    pub(crate) resident_before: u64,
    pub(crate) resident_after: u64,
}

impl Stage {
    /// Connects users, links groups and adds campaigns; then the server is started again, as after a deployment: its
    /// lists are not loaded.
    pub(crate) async fn set(
        program: &Path,
        folder: TempDir,
        database: Database,
        entries: usize,
        users: usize,
    ) -> anyhow::Result<Self> {
        let waha = Waha::start(&built("switchboard-waha-fake")?, entries, folder.path())?;
        let setup = Setup {
            program: program.to_owned(),
            folder: folder.path().to_owned(),
            database_url: database.url.clone(),
            waha_urls: vec![waha.url()],
            believes_webhooks: false,
            directory_memory: None,
        };
        let server = setup.serve().await?;
        let mut stage = Self { server, waha, setup, database, entries, users: Vec::new(), folder };
        stage.connect(users).await?;
        stage.restart(async |database, users| database.add_campaigns(users).await).await
    }

    /// Stops the server, does something to its database, and starts it again.
    pub(crate) async fn restart(
        self,
        between: impl AsyncFnOnce(&Database, &[UserId]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let Self { server, waha, setup, database, entries, users, folder } = self;
        server.process.stop().await?;
        let ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
        between(&database, &ids).await?;
        let server = setup.serve().await?;
        Ok(Self { server, waha, setup, database, entries, users, folder })
    }

    /// From the next start on, the server believes what WAHA reports.
    pub(crate) fn believe_webhooks(&mut self) {
        self.setup.believes_webhooks = true;
    }

    /// From the next start on, the server keeps so many bytes of lists in memory.
    pub(crate) fn limit_memory(&mut self, bytes: u64) {
        self.setup.directory_memory = Some(bytes);
    }

    /// Connects this many more users, each with a phone of their own, and links groups.
    pub(crate) async fn connect(&mut self, more: usize) -> anyhow::Result<()> {
        for number in self.users.len()..self.users.len() + more {
            let id: UserId = format!("user-{number}").parse()?;
            let token = token(&id)?;
            let answer = Request::post("/api/trpc/user.initiateWhatsAppSession", Some(&token), "");
            let answer = answer.send(self.server.address).await?;
            let session = answer["result"]["data"]["sessionName"].as_str().context("a session has a name")?.to_owned();
            let user = User { id, token, session };
            user.until(&self.server, "SCAN_QR_CODE").await?;
            self.waha.scan(&user.session, &format!("346001{number:05}")).await?;
            user.until(&self.server, "WORKING").await?;
            user.link_groups(&self.server).await?;
            self.users.push(user);
        }
        Ok(())
    }

    /// Loads all lists of all users.
    pub(crate) async fn warm(&self) -> anyhow::Result<Warmed> {
        let resident_before = self.server.process.resident()?;
        let mut entries = 0;
        for user in &self.users {
            for list in [List::Groups, List::Contacts] {
                let page = user.page(list, &json!({ "limit": 1 })).send(self.server.address).await?;
                entries += total(&page)?;
            }
        }
        // What was only needed to load them has been given back by then, if it ever is.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(Warmed { entries, resident_before, resident_after: self.server.process.resident()? })
    }

    /// A list of the first user, whole.
    pub(crate) async fn directory(&self, list: List) -> anyhow::Result<Directory> {
        let user = self.users.first().context("a stage has users")?;
        let mut connection = Connection::open(self.server.address).await?;
        let mut items: Vec<Value> = Vec::new();
        loop {
            let page = user.page(list, &json!({ "limit": LARGEST_PAGE, "cursor": items.len() }));
            let page = connection.json(&page).await?;
            items.extend(page["result"]["data"]["items"].as_array().context("a page has items")?.iter().cloned());
            if page["result"]["data"]["nextCursor"].is_null() {
                break;
            }
        }
        // Some of the fake's people are blocked, and so left out.
        ensure!(items.len() * 10 > self.entries * 9, "only {} of {} {list:?}", items.len(), self.entries);
        Directory::new(&items)
    }
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Groups,
    Contacts,
}

impl User {
    pub(crate) fn status(&self) -> Request {
        self.asks("user.getSessionStatus")
    }

    /// The status of somebody else's session, or nobody's.
    pub(crate) fn status_of(&self, session: &str) -> Request {
        self.query("user.getSessionStatus", Some(&json!({ "sessionName": session })))
    }

    pub(crate) fn session(&self) -> Request {
        self.query("user.getWhatsAppSession", None)
    }

    /// A page of a list; `input` says which.
    pub(crate) fn page(&self, list: List, input: &Value) -> Request {
        let procedure = match list {
            List::Groups => "user.getWhatsAppGroups",
            List::Contacts => "user.getWhatsAppContacts",
        };
        let mut input = input.clone();
        input["sessionName"] = self.session.as_str().into();
        self.query(procedure, Some(&input))
    }

    /// A query as T3's front-ends send it.
    pub(crate) fn in_superjson(&self, procedure: &str, input: Option<&Value>) -> Request {
        let document = match input {
            Some(input) => json!({ "json": input }),
            None => json!({ "json": null, "meta": { "values": ["undefined"], "v": 1 } }),
        };
        self.query(procedure, Some(&document))
    }

    /// Somebody who has that session.
    pub(crate) fn of(id: UserId, session: String) -> anyhow::Result<Self> {
        Ok(Self { token: token(&id)?, id, session })
    }

    /// A GET of the REST API, below the session.
    pub(crate) fn rest(&self, below: &str) -> Request {
        Request::get(&format!("/v1/sessions/{}/{below}", self.session), Some(&self.token))
    }

    /// A mutation on the session; `input` says what else there is to say.
    pub(crate) fn mutation(&self, procedure: &str, input: &Value) -> Request {
        let mut input = input.clone();
        input["sessionName"] = self.session.as_str().into();
        self.post(procedure, &input.to_string())
    }

    /// A mutation with whatever body.
    pub(crate) fn post(&self, procedure: &str, body: &str) -> Request {
        Request::post(&format!("/api/trpc/{procedure}"), Some(&self.token), body)
    }

    /// A query on the session.
    pub(crate) fn asks(&self, procedure: &str) -> Request {
        self.query(procedure, Some(&json!({ "sessionName": self.session })))
    }

    fn query(&self, procedure: &str, input: Option<&Value>) -> Request {
        let input = input.map(|input| utf8_percent_encode(&input.to_string(), NON_ALPHANUMERIC).to_string());
        let input = input.map(|input| format!("?input={input}")).unwrap_or_default();
        Request::get(&format!("/api/trpc/{procedure}{input}"), Some(&self.token))
    }

    async fn until(&self, server: &Server, wanted: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let answer = self.status().send(server.address).await?;
            let status = &answer["result"]["data"]["status"];
            if status == wanted {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("{} is {status}, not {wanted}", self.id.as_str());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn link_groups(&self, server: &Server) -> anyhow::Result<()> {
        let page = self.page(List::Groups, &json!({ "limit": LINKED })).send(server.address).await?;
        let groups = page["result"]["data"]["items"].as_array().context("a page has items")?;
        for group in groups {
            let input = json!({ "sessionName": self.session, "groupId": group["groupId"] }).to_string();
            let link = Request::post("/api/trpc/user.linkWhatsAppGroup", Some(&self.token), &input);
            link.send(server.address).await?;
        }
        Ok(())
    }
}

fn total(page: &Value) -> anyhow::Result<usize> {
    let total = page["result"]["data"]["total"].as_u64().context("a page has a total")?;
    Ok(usize::try_from(total)?)
}
