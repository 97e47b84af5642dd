//! Groups and contacts: fetched whole, sorted and searched here, because WAHA has no search and its paging is cosmetic.

mod snapshot;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use self::snapshot::{ContactEntry, Entry, GroupEntry, Snapshot};
use super::access;
use super::status::{Reading, StatusReader};
use crate::flight::SingleFlight;
use crate::ports::{GatewayError, Ports};
use crate::{
    Contact, Epoch, Error, Group, GroupId, Limit, Page, Precondition, SearchTerm, Session, SessionId, SessionName,
    SessionStatus, UserId,
};

/// Which entries of a list a client wants.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// At most this many.
    pub limit: Limit,
    /// From this offset on.
    pub cursor: u64,
    /// Only those found by this.
    pub search: Option<SearchTerm>,
    /// Only from this version of the list, so that pages fit together.
    pub version: Option<String>,
}

/// A page of a list, and how much it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// The page.
    pub page: Page<T>,
    /// Names the list's content; equal content has equal versions, on every replica of the same build.
    pub version: String,
    /// When WAHA gave it.
    pub synced_at: DateTime<Utc>,
    /// Whether it is older than it should be, because WAHA could not be asked.
    pub stale: bool,
    /// Whether WhatsApp may still be filling it after a pairing.
    pub syncing: bool,
    /// Whether WhatsApp may have cut it at its cap.
    pub possibly_truncated: bool,
}

/// The groups and contacts of users' sessions.
pub struct Directory {
    parts: Arc<Parts>,
    groups: Shelf<GroupEntry>,
    contacts: Shelf<ContactEntry>,
}

struct Parts {
    ports: Ports,
    reader: Arc<StatusReader>,
}

/// The lists of one kind: those that are fresh, and those under way.
struct Shelf<E> {
    kept: Kept<E>,
    flights: SingleFlight<Pairing, Arc<Snapshot<E>>>,
}

/// Lists that were fetched before, within a bound.
type Kept<E> = Cache<Pairing, Arc<Snapshot<E>>>;

/// Whose list it is: one pairing of one session. Nothing kept under one is ever shown under another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Pairing {
    session: SessionId,
    epoch: Epoch,
    since: Option<DateTime<Utc>>,
}

impl Directory {
    /// A list younger than this is served without asking WAHA.
    pub const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);
    /// How long a call waits for a list; the fetch goes on without it.
    pub const PATIENCE: Duration = Duration::from_secs(25);
    /// How long after a pairing WhatsApp may still be filling the lists.
    const SYNC_TIME: TimeDelta = TimeDelta::minutes(3);
    /// WhatsApp lists at most this many groups.
    const GROUP_CAP: usize = 500;
    /// Longer lists are looked through away from the server's threads.
    const LOOKED_THROUGH_AT_ONCE: usize = 2000;
    /// How many entries all kept lists of a kind may have together.
    const KEPT_ENTRIES: u64 = 1_000_000;

    /// The use case; its fetches run on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(ports: &Ports, reader: Arc<StatusReader>) -> Self {
        Self {
            parts: Arc::new(Parts { ports: ports.clone(), reader }),
            groups: Shelf::new(Self::KEPT_ENTRIES),
            contacts: Shelf::new(Self::KEPT_ENTRIES),
        }
    }

    /// A page of the groups of a user's session, by folded name then id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Precondition::NotConnected`], [`Precondition::NotPaired`], [`Precondition::Starting`];
    /// [`Error::VersionGone`]; [`GatewayError::Timeout`] after [`Directory::PATIENCE`], while the fetch goes on; WAHA's
    /// and the database's failures.
    pub async fn groups(
        &self,
        owner: &UserId,
        name: &SessionName,
        request: &PageRequest,
    ) -> Result<Listing<Group>, Error> {
        let session = access::wanted(&*self.parts.ports.sessions, owner, name).await?;
        let (session, snapshot) = self.group_snapshot(session).await?;
        let possibly_truncated = snapshot.entries.len() == Self::GROUP_CAP;
        let listing = Self::listing(&session, snapshot, request, |_| true).await?;
        Ok(Listing { possibly_truncated, ..listing })
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
        request: &PageRequest,
        all: bool,
    ) -> Result<Listing<Contact>, Error> {
        let session = access::wanted(&*self.parts.ports.sessions, owner, name).await?;
        let fetch = |parts: Arc<Parts>, session| async move { parts.fetch_contacts(session).await };
        let (session, snapshot) = self.snapshot(&self.contacts, session, fetch).await?;
        Self::listing(&session, snapshot, request, move |entry| all || entry.contact.is_mine).await
    }

    /// One group of a session, and the session as it is now.
    pub(super) async fn group(&self, session: Session, id: &GroupId) -> Result<(Session, Group), Error> {
        let (session, snapshot) = self.group_snapshot(session).await?;
        let found = snapshot.entries.iter().find(|entry| entry.group.id == *id).ok_or(Error::NoGroup)?;
        Ok((session, found.group.clone()))
    }

    async fn group_snapshot(&self, session: Session) -> Result<(Session, Arc<Snapshot<GroupEntry>>), Error> {
        let fetch = |parts: Arc<Parts>, session| async move { parts.fetch_groups(session).await };
        self.snapshot(&self.groups, session, fetch).await
    }

    async fn snapshot<E, F, W>(
        &self,
        shelf: &Shelf<E>,
        session: Session,
        fetch: F,
    ) -> Result<(Session, Arc<Snapshot<E>>), Error>
    where
        E: Entry,
        F: FnOnce(Arc<Parts>, Session) -> W,
        W: Future<Output = Result<Snapshot<E>, Error>> + Send + 'static,
    {
        let clock = &self.parts.ports.clock;
        if session.paired_at.is_some()
            && let Some(kept) = fresh(&shelf.kept, &Pairing::of(&session), clock.now())
        {
            return Ok((session, kept));
        }
        // Asked for a list in any other status, WAHA would wait 5 to 10 s before it says no.
        let reading = self.parts.reader.read(session).await?;
        check_working(&reading)?;
        let session = reading.session;
        let (key, kept, now) = (Pairing::of(&session), shelf.kept.clone(), clock.now());
        let fetched = fetch(Arc::clone(&self.parts), session.clone());
        let flight = shelf.flights.run(key.clone(), || async move {
            // While the status was asked for, another flight may have landed.
            if let Some(landed) = fresh(&kept, &key, now) {
                return Ok(landed);
            }
            let snapshot = Arc::new(fetched.await?);
            kept.insert(key, Arc::clone(&snapshot));
            Ok(snapshot)
        });
        tokio::select! {
            snapshot = flight => Ok((session, snapshot?)),
            () = clock.sleep(Self::PATIENCE) => Err(GatewayError::Timeout.into()),
        }
    }

    async fn listing<E: Entry>(
        session: &Session,
        snapshot: Arc<Snapshot<E>>,
        request: &PageRequest,
        keep: impl Fn(&E) -> bool + Send + 'static,
    ) -> Result<Listing<E::Item>, Error> {
        if request.version.as_ref().is_some_and(|version| *version != snapshot.version) {
            return Err(Error::VersionGone);
        }
        let PageRequest { search, cursor, limit, .. } = request.clone();
        let looked_at = Arc::clone(&snapshot);
        let look = move || {
            let found = |entry: &&E| keep(entry) && search.as_ref().is_none_or(|term| entry.matches(term));
            let entries: Vec<&E> = looked_at.entries.iter().filter(found).collect();
            Page::of(&entries, cursor, limit)
        };
        let page = if snapshot.entries.len() > Self::LOOKED_THROUGH_AT_ONCE {
            tokio::task::spawn_blocking(look).await.map_err(|_| Error::Internal)?
        } else {
            look()
        };
        let since_pairing = session.paired_at.map(|paired_at| snapshot.synced_at - paired_at);
        Ok(Listing {
            page,
            version: snapshot.version.clone(),
            synced_at: snapshot.synced_at,
            stale: false,
            syncing: since_pairing.is_some_and(|since| since < Self::SYNC_TIME),
            possibly_truncated: false,
        })
    }
}

impl Parts {
    async fn fetch_groups(&self, session: Session) -> Result<Snapshot<GroupEntry>, Error> {
        let groups = self.ports.gateway.groups(&session.address()).await.map_err(not_listed)?;
        self.follow_names(&session, &groups).await;
        self.build(&session, groups.into_iter().map(GroupEntry::new)).await
    }

    async fn fetch_contacts(&self, session: Session) -> Result<Snapshot<ContactEntry>, Error> {
        let (gateway, at) = (&self.ports.gateway, session.address());
        let (listed, twins) = tokio::try_join!(gateway.contacts(&at), gateway.lid_twins(&at)).map_err(not_listed)?;
        // WAHA is asked again who oneself is: the row knows no hidden id.
        let reading = self.reader.read(session.clone()).await?;
        let me = reading.upstream.and_then(|upstream| upstream.me);
        let contacts = Contact::from_listed(listed, &twins, me.as_ref());
        self.build(&session, contacts.into_iter().map(ContactEntry::new)).await
    }

    /// Sorts away from the server's threads: 100 000 entries take a while.
    async fn build<E: Entry>(
        &self,
        session: &Session,
        entries: impl Iterator<Item = E> + Send + 'static,
    ) -> Result<Snapshot<E>, Error> {
        let (synced_at, epoch) = (self.ports.clock.now(), session.epoch);
        let build = move || Snapshot::build(entries, epoch, synced_at);
        tokio::task::spawn_blocking(build).await.map_err(|_| Error::Internal)
    }

    /// Linked groups follow renames. A failure is no reason to withhold the list: the next fetch tries again.
    async fn follow_names(&self, session: &Session, groups: &[Group]) {
        if let Err(error) = self.rename(session, groups).await {
            tracing::warn!(%error, "linked groups were not renamed");
        }
    }

    async fn rename(&self, session: &Session, groups: &[Group]) -> Result<(), Error> {
        let Some(account) = &session.account else { return Ok(()) };
        for linked in self.ports.groups.linked(&session.id, account).await? {
            let renamed = groups.iter().find(|group| group.id == linked.group && group.name != linked.name);
            if let Some(group) = renamed {
                self.ports.groups.rename(&linked.id, &group.name, self.ports.clock.now()).await?;
            }
        }
        Ok(())
    }
}

impl<E: Entry> Shelf<E> {
    fn new(entries: u64) -> Self {
        let weight = |_: &Pairing, list: &Arc<Snapshot<E>>| u32::try_from(list.entries.len() + 1).unwrap_or(u32::MAX);
        Self { kept: Cache::builder().max_capacity(entries).weigher(weight).build(), flights: SingleFlight::new() }
    }
}

/// A list that need not be fetched again.
fn fresh<E: Entry>(kept: &Kept<E>, key: &Pairing, now: DateTime<Utc>) -> Option<Arc<Snapshot<E>>> {
    kept.get(key).filter(|list| now - list.synced_at < Directory::FRESH_FOR)
}

impl Pairing {
    fn of(session: &Session) -> Self {
        Self { session: session.id.clone(), epoch: session.epoch, since: session.paired_at }
    }
}

/// Whether WAHA answers for lists now.
fn check_working(reading: &Reading) -> Result<(), Error> {
    match reading.status() {
        SessionStatus::Working => Ok(()),
        SessionStatus::Stopped | SessionStatus::Failed => Err(Precondition::NotConnected.into()),
        SessionStatus::ScanQrCode | SessionStatus::PasskeyRequired | SessionStatus::PasskeyConfirmationRequired => {
            Err(Precondition::NotPaired.into())
        }
        SessionStatus::Starting | SessionStatus::Other(_) if reading.session.paired_at.is_some() => {
            Err(Precondition::Starting.into())
        }
        SessionStatus::Starting | SessionStatus::Other(_) => Err(Precondition::NotPaired.into()),
    }
}

/// The session left WORKING between the two questions.
fn not_listed(error: GatewayError) -> Error {
    match error {
        GatewayError::NoSession => Precondition::NotConnected.into(),
        GatewayError::WrongStatus(_) => Precondition::Starting.into(),
        error => error.into(),
    }
}
