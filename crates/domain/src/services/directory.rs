//! Groups and contacts: fetched whole, sorted and searched here, because WAHA has no search and its paging is cosmetic.

mod listing;
mod refresh;
mod reports;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

pub use self::listing::{Listing, PageRequest};
use self::refresh::Refresher;
use self::reports::Reports;
pub(super) use self::reports::Whose;
use self::shelf::{Held, ListKey};
use super::hits::Hits;
use super::news::News;
use super::status::StatusReader;
use crate::ports::{GatewayError, Ports};
use crate::{
    Error, Group, GroupEvent, GroupId, ListKind, ListVersion, Matches, Precondition, SearchTerm, Session, SessionId,
    SessionName, UserId, View,
};

/// The groups and contacts of users' sessions.
///
/// A list is answered from memory; what is not there is read from the database, and what is in neither is fetched from
/// WAHA. One that is older than [`Directory::FRESH_FOR`] is served and refreshed meanwhile, so that a WAHA that is slow or
/// off keeps nobody waiting who has been served before.
pub struct Directory {
    refresher: Arc<Refresher>,
    news: Arc<News>,
    reports: Reports,
}

impl Directory {
    /// A list younger than this is served without asking WAHA.
    pub const FRESH_FOR: TimeDelta = Held::FRESH_FOR;
    /// How long a call waits for a list that is not known yet; the fetch goes on without it.
    pub const PATIENCE: Duration = Duration::from_secs(25);
    /// How often a user may have the lists of a session fetched anew.
    pub const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
    /// How long lists are kept that nobody asked for.
    pub const KEPT_FOR: TimeDelta = TimeDelta::days(30);
    /// WhatsApp lists at most this many groups.
    const GROUP_CAP: usize = 500;
    /// Lists with more bytes are searched away from the server's threads.
    const SEARCHED_AT_ONCE: usize = 1024 * 1024;
    const TIDY_INTERVAL: Duration = Duration::from_hours(1);

    /// The use case, with `memory` bytes for lists; its fetches run on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(ports: &Ports, reader: Arc<StatusReader>, news: Arc<News>, memory: u64) -> Self {
        let refresher = Arc::new(Refresher::new(ports, reader, Arc::clone(&news), memory));
        let reports = Reports::new(Arc::clone(&refresher), ports.sessions.clone());
        Self { refresher, news, reports }
    }

    /// A page of the groups of a user's session, by folded name then id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Precondition::NotConnected`], [`Precondition::NotPaired`], [`Precondition::Starting`];
    /// [`Error::VersionGone`]; of a list that is not known yet: [`GatewayError::Timeout`] after [`Directory::PATIENCE`],
    /// while the fetch goes on, and WAHA's failures; the database's failures.
    pub async fn groups(&self, owner: &UserId, name: &SessionName, page: PageRequest) -> Result<Listing, Error> {
        self.list(owner, name, ListKind::Groups, View::Mine, page).await
    }

    /// A page of the contacts of a user's session, by folded name then id. `all` includes people whom the engine does
    /// not count as contacts.
    ///
    /// # Errors
    /// As [`Directory::groups`].
    pub async fn contacts(
        &self,
        owner: &UserId,
        name: &SessionName,
        page: PageRequest,
        all: bool,
    ) -> Result<Listing, Error> {
        let view = if all { View::All } else { View::Mine };
        self.list(owner, name, ListKind::Contacts, view, page).await
    }

    /// Has both lists fetched anew from WhatsApp, and waits for them.
    ///
    /// # Errors
    /// [`Error::TooSoon`] within [`Directory::REFRESH_INTERVAL`] of the last one, on any replica; [`Error::NotFound`] and
    /// the preconditions of [`Directory::groups`]; [`GatewayError::Timeout`] after [`Directory::PATIENCE`], while the
    /// fetch goes on; WAHA's and the database's failures.
    pub async fn refresh(&self, owner: &UserId, name: &SessionName) -> Result<(), Error> {
        let session = self.wanted(owner, name).await?;
        tokio::select! {
            refreshed = self.refresher.refresh_at_will((*session).clone()) => refreshed,
            () = self.refresher.clock().sleep(Self::PATIENCE) => Err(GatewayError::Timeout.into()),
        }
    }

    /// How often a list was in memory when a page of it was asked for.
    pub(super) fn hits(&self) -> Hits {
        self.refresher.hits.so_far()
    }

    /// The bytes of memory that lists take, roughly and as of a moment ago.
    pub fn bytes(&self) -> u64 {
        self.refresher.shelf.bytes()
    }

    /// Takes what WAHA reported of a group. Returns at once; the lists show it a second later.
    pub(super) fn take(&self, whose: Whose, event: GroupEvent) {
        self.reports.take(whose, event);
    }

    /// Another replica has stored a list: the next caller has it taken over.
    pub(super) fn adopt(&self, id: &SessionId, kind: ListKind) {
        self.refresher.shelf.supersede(&ListKey { session: id.clone(), kind });
    }

    /// The session was erased: its lists are forgotten. What may still be paged through is kept for two minutes more, where
    /// nobody can ask for it.
    pub(super) fn forget(&self, id: &SessionId) {
        for kind in [ListKind::Groups, ListKind::Contacts] {
            self.refresher.shelf.forget(&ListKey { session: id.clone(), kind });
        }
    }

    /// Deletes stored lists that nobody asked for in [`Directory::KEPT_FOR`], and those of accounts that are gone. Returns
    /// how many.
    ///
    /// # Errors
    /// The database's failures.
    pub async fn tidy(&self) -> Result<u64, Error> {
        self.refresher.purge(Self::KEPT_FOR).await
    }

    /// Tidies every hour, for ever.
    pub async fn keep_tidy(&self) {
        loop {
            self.refresher.clock().sleep(Self::TIDY_INTERVAL).await;
            match self.tidy().await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old lists were deleted"),
                Err(error) => tracing::warn!(%error, "old lists were not deleted: trying again in an hour"),
            }
        }
    }

    /// One group of a session, and the session as it is now.
    pub(super) async fn group(&self, session: Session, id: &GroupId) -> Result<(Arc<Session>, Group), Error> {
        let (session, held) = self.held(Arc::new(session), ListKind::Groups).await?;
        let group = held.snapshot.group(id).ok_or(Error::NoGroup)?;
        Ok((session, group))
    }

    async fn list(
        &self,
        owner: &UserId,
        name: &SessionName,
        kind: ListKind,
        view: View,
        page: PageRequest,
    ) -> Result<Listing, Error> {
        let session = self.wanted(owner, name).await?;
        let (session, mut held) = self.held(session, kind).await?;
        if let Some(version) = &page.version {
            let version: ListVersion = version.parse().map_err(|_| Error::VersionGone)?;
            if version != held.snapshot.version() {
                held = self.refresher.version(&session, kind, version).await?.ok_or(Error::VersionGone)?;
            }
        }
        let picked = match page.search {
            None => held.snapshot.page(view, page.cursor, page.limit),
            Some(term) => self.search(&held, view, term).await?.page(page.cursor, page.limit),
        };
        let now = self.refresher.clock().now();
        Ok(Listing {
            picked,
            synced_at: held.synced_at,
            stale: held.is_stale(now),
            syncing: held.is_syncing(&session, now),
            possibly_truncated: kind == ListKind::Groups && held.snapshot.len(View::All) == Self::GROUP_CAP,
            snapshot: Arc::clone(&held.snapshot),
        })
    }

    async fn search(&self, held: &Held, view: View, term: SearchTerm) -> Result<Arc<Matches>, Error> {
        let (shelf, snapshot) = (&self.refresher.shelf, &held.snapshot);
        if let Some(found) = shelf.found(snapshot.version(), view, &term) {
            return Ok(found);
        }
        let matches = if snapshot.bytes() > Self::SEARCHED_AT_ONCE {
            let (snapshot, term) = (Arc::clone(snapshot), term.clone());
            self.refresher.workbench.run(move || snapshot.search(view, &term)).await?
        } else {
            snapshot.search(view, &term)
        };
        let matches = Arc::new(matches);
        shelf.remember(snapshot.version(), view, term, Arc::clone(&matches));
        Ok(matches)
    }

    /// The owner's session, if they have not logged it out.
    async fn wanted(&self, owner: &UserId, name: &SessionName) -> Result<Arc<Session>, Error> {
        self.news.roster.wanted(owner, name).await
    }

    /// The list, from memory, from the database, or from WAHA; and the session as it is now.
    async fn held(&self, session: Arc<Session>, kind: ListKind) -> Result<(Arc<Session>, Arc<Held>), Error> {
        if let Some(held) = self.refresher.at_hand(&session, kind) {
            return Ok((session, held));
        }
        tokio::select! {
            found = self.find(session, kind) => found,
            () = self.refresher.clock().sleep(Self::PATIENCE) => Err(GatewayError::Timeout.into()),
        }
    }

    async fn find(&self, session: Arc<Session>, kind: ListKind) -> Result<(Arc<Session>, Arc<Held>), Error> {
        let session = self.refresher.paired(session).await?;
        if let Some(held) = self.refresher.known(&session, kind).await? {
            return Ok((session, held));
        }
        let held = self.refresher.refresh((*session).clone(), kind).await?;
        // Much may have happened meanwhile: a logout, another account.
        let session = self.wanted(&session.owner, &session.name).await?;
        if held.epoch == session.epoch { Ok((session, held)) } else { Err(Precondition::Starting.into()) }
    }
}
