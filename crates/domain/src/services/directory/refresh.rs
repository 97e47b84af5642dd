//! Where lists come from, and how they stay fresh.

mod stored;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;

use super::Directory;
use super::shelf::{Held, ListKey, Shelf};
use crate::directory::GroupChanges;
use crate::flight::SingleFlight;
use crate::ports::{Clock, GatewayError, Generation, Ports, SnapshotHead};
use crate::services::hits::HitCounter;
use crate::services::news::News;
use crate::services::status::{Reading, StatusReader};
use crate::services::task_lease::TaskDesk;
use crate::services::workbench::Workbench;
use crate::{
    Contact, Epoch, Error, ListKind, ListVersion, Precondition, Session, SessionId, SessionStatus, Snapshot, View,
};

/// Fetches, stores, and takes over what other replicas stored. One at a time a list, over all replicas.
pub(super) struct Refresher {
    pub(super) shelf: Shelf,
    /// Of pages, whose list was on the shelf.
    pub(super) hits: HitCounter,
    pub(super) workbench: Workbench,
    ports: Ports,
    reader: Arc<StatusReader>,
    news: Arc<News>,
    desk: Arc<TaskDesk>,
    loads: SingleFlight<(ListKey, Epoch), Option<Arc<Held>>>,
    refreshes: SingleFlight<(ListKey, Epoch), Arc<Held>>,
    settlings: SingleFlight<(ListKey, Epoch), ()>,
    wishes: SingleFlight<SessionId, ()>,
}

/// What came of a look under the lease.
enum Looked {
    /// Another replica had stored a list that is young enough.
    Adopted(Arc<Held>),
    /// WAHA was asked; it takes the place of what was stored.
    Fetched { held: Arc<Held>, stored: Option<SnapshotHead>, is_damaged: bool },
}

impl ListKey {
    pub(super) fn of(session: &Session, kind: ListKind) -> Self {
        Self { session: session.id.clone(), kind }
    }
}

impl Refresher {
    /// By how much WAHA's clock and ours may differ: what was told so shortly before a fetch is laid over what was
    /// fetched, which does no harm, since it is the last that was told.
    const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(10);
    /// How far apart two fetches have to be that agree on what WhatsApp has filled in.
    const AGREE_AFTER: TimeDelta = TimeDelta::seconds(10);
    /// The longest pause between two fetches while WhatsApp fills the lists.
    const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(1);

    pub(super) fn new(ports: &Ports, reader: Arc<StatusReader>, news: Arc<News>, memory: u64) -> Self {
        let Ports { tasks, clock, random, .. } = ports.clone();
        Self {
            shelf: Shelf::new(memory),
            hits: HitCounter::default(),
            workbench: Workbench::new(),
            ports: ports.clone(),
            reader,
            news,
            desk: Arc::new(TaskDesk { tasks, clock, random }),
            loads: SingleFlight::new(),
            refreshes: SingleFlight::new(),
            settlings: SingleFlight::new(),
            wishes: SingleFlight::new(),
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.ports.clock
    }

    /// The session, if it has a list: one that is paired and, as far as is known, not lost.
    pub(super) async fn paired(&self, session: Arc<Session>) -> Result<Arc<Session>, Error> {
        let is_lost = session.is_lost(self.clock().now());
        if session.paired_at.is_some() && !is_lost {
            return Ok(session);
        }
        match self.reader.read(&session).await {
            Ok(reading) => Ok(Arc::clone(&working(reading)?.session)),
            // What WAHA said last counts.
            Err(Error::Gateway(_)) if is_lost => Err(Precondition::NotConnected.into()),
            Err(error) => Err(error),
        }
    }

    /// The list of a session that certainly has one, from memory. One that is not fresh is refreshed meanwhile.
    pub(super) fn at_hand(self: &Arc<Self>, session: &Session, kind: ListKind) -> Option<Arc<Held>> {
        if session.paired_at.is_none() || session.is_lost(self.clock().now()) {
            return None;
        }
        let key = ListKey::of(session, kind);
        let held = self.shelf.get(&key, session.epoch)?;
        self.hits.count(Some(()));
        self.keep_fresh(session, key, &held);
        Some(held)
    }

    /// The list from memory or from the database. One that is not fresh is refreshed meanwhile.
    pub(super) async fn known(self: &Arc<Self>, session: &Session, kind: ListKind) -> Result<Option<Arc<Held>>, Error> {
        let key = ListKey::of(session, kind);
        let held = match self.hits.count(self.shelf.get(&key, session.epoch)) {
            Some(held) => Some(held),
            None => self.load(session, kind).await?,
        };
        if let Some(held) = &held {
            self.keep_fresh(session, key, held);
        }
        Ok(held)
    }

    fn keep_fresh(self: &Arc<Self>, session: &Session, key: ListKey, held: &Held) {
        if held.is_due(self.clock().now()) {
            let (refresher, session, kind) = (Arc::clone(self), session.clone(), key.kind);
            self.refreshes.start((key, session.epoch), || async move {
                let since = refresher.clock().now() - Held::FRESH_FOR;
                let refreshed = refresher.look_anew(session, kind, since).await;
                if let Err(error @ (Error::Storage(_) | Error::Internal)) = &refreshed {
                    tracing::warn!(%error, kind = kind.as_str(), "a list could not be refreshed");
                }
                refreshed
            });
        } else if held.is_superseded {
            let (refresher, session, kind) = (Arc::clone(self), session.clone(), key.kind);
            let key = (key, session.epoch);
            self.loads.start(key, || async move { refresher.read_stored(&session, kind).await });
        }
    }

    /// That version of the list, if it still can be paged through.
    pub(super) async fn version(
        self: &Arc<Self>,
        session: &Session,
        kind: ListKind,
        version: ListVersion,
    ) -> Result<Option<Arc<Held>>, Error> {
        let key = ListKey::of(session, kind);
        if let Some(replaced) = self.shelf.replaced(&key, version, session.epoch, self.clock().now()) {
            return Ok(Some(replaced));
        }
        // Another replica may have stored it since.
        let stored = self.ports.snapshots.head(&session.id, kind).await?;
        if !stored.is_some_and(|head| head.version == version && head.epoch == session.epoch) {
            return Ok(None);
        }
        let loaded = self.load(session, kind).await?;
        Ok(loaded.filter(|held| held.snapshot.version() == version))
    }

    /// The list, no older than it has to be. Whoever asks while it is being fetched gets the same one.
    pub(super) async fn refresh(self: &Arc<Self>, session: Session, kind: ListKind) -> Result<Arc<Held>, Error> {
        let since = self.clock().now() - Held::FRESH_FOR;
        self.refresh_since(session, kind, since).await
    }

    async fn refresh_since(
        self: &Arc<Self>,
        session: Session,
        kind: ListKind,
        since: DateTime<Utc>,
    ) -> Result<Arc<Held>, Error> {
        let key = (ListKey::of(&session, kind), session.epoch);
        let refresher = Arc::clone(self);
        self.refreshes.run(key, || refresher.look_anew(session, kind, since)).await
    }

    /// Both lists, fetched anew because a user wants it. It goes on if the caller leaves.
    pub(super) async fn refresh_at_will(self: &Arc<Self>, session: Session) -> Result<(), Error> {
        let refresher = Arc::clone(self);
        self.wishes.run(session.id.clone(), || refresher.grant(session)).await
    }

    async fn grant(self: Arc<Self>, session: Session) -> Result<(), Error> {
        let session = (*working(self.reader.read(&session).await?)?.session).clone();
        let now = self.clock().now();
        let turn = self.desk.lease_for(format!("refresh/{}", session.id), Directory::REFRESH_INTERVAL).await?;
        let turn = turn.map_err(|until| Error::TooSoon((until - now).to_std().unwrap_or_default()))?;
        let refreshed = self.fetch_both(&session).await;
        // A turn that came to nothing is given back. Any other runs out by itself, and until then it is too soon.
        if !matches!(refreshed, Ok(()) | Err(Error::Gateway(GatewayError::RateLimited))) {
            turn.release().await;
        }
        refreshed
    }

    async fn fetch_both(self: &Arc<Self>, session: &Session) -> Result<(), Error> {
        match self.ports.gateway.refresh_groups(&session.address()).await {
            // Some engines have nothing to refresh.
            Ok(()) | Err(GatewayError::Refused(_)) => {}
            Err(error) => return Err(not_listed(error)),
        }
        // Only now does WAHA have what WhatsApp has.
        let since = self.clock().now();
        let groups = self.fetched_since(session, ListKind::Groups, since);
        let contacts = self.fetched_since(session, ListKind::Contacts, since);
        tokio::try_join!(groups, contacts)?;
        Ok(())
    }

    /// A flight that is under way may have begun too early, the one after it has not.
    async fn fetched_since(
        self: &Arc<Self>,
        session: &Session,
        kind: ListKind,
        since: DateTime<Utc>,
    ) -> Result<(), Error> {
        let held = self.refresh_since(session.clone(), kind, since).await?;
        if held.synced_at < since {
            self.refresh_since(session.clone(), kind, since).await?;
        }
        Ok(())
    }

    pub(super) async fn purge(&self, age: TimeDelta) -> Result<u64, Error> {
        Ok(self.ports.snapshots.purge(self.clock().now() - age).await?)
    }

    /// Lays what was told of the session's groups over its list.
    pub(super) async fn amend(&self, session: &Session, told: &GroupChanges) -> Result<(), Error> {
        let key = ListKey::of(session, ListKind::Groups);
        self.shelf.add_changes(&key, session.epoch, told, self.clock().now());
        let held = match self.shelf.get(&key, session.epoch) {
            Some(held) => held,
            None => match self.read_stored(session, ListKind::Groups).await? {
                Some(held) => held,
                // Nothing to lay it over. A first fetch that is under way will.
                None => return Ok(()),
            },
        };
        let held = self.with_changes(session, &key, held).await?;
        self.follow_names(session, &held).await;
        let stored = self.ports.snapshots.head(&session.id, ListKind::Groups).await?;
        if stored.as_ref().is_some_and(|stored| stored.version != held.snapshot.version()) {
            self.store(&key, &held, stored, false).await;
        }
        Ok(())
    }

    /// The list with what was told of groups since it was fetched laid over it.
    async fn with_changes(&self, session: &Session, key: &ListKey, held: Arc<Held>) -> Result<Arc<Held>, Error> {
        let changes = self.shelf.changes(key, held.epoch);
        if key.kind != ListKind::Groups || changes.len() == 0 {
            return Ok(held);
        }
        let (list, epoch, since) = (Arc::clone(&held.snapshot), held.epoch, told_since(session, held.synced_at));
        let amend = move || Snapshot::of_groups(epoch, &changes.apply(list.groups(), since));
        let snapshot = self.workbench.run(amend).await?;
        if snapshot.version() == held.snapshot.version() {
            return Ok(held);
        }
        let generation = Generation::after(Some(held.generation));
        let amended = Held { snapshot: Arc::new(snapshot), generation, ..(*held).clone() };
        Ok(self.shelf.put(key, amended, self.clock().now()))
    }

    /// A list that was fetched after `since`: another replica's, or one from WAHA.
    async fn look_anew(
        self: Arc<Self>,
        session: Session,
        kind: ListKind,
        since: DateTime<Utc>,
    ) -> Result<Arc<Held>, Error> {
        let (key, epoch) = (ListKey::of(&session, kind), session.epoch);
        let lease = self.desk.lease(format!("directory/{}/{}/{}", kind.as_str(), session.id, epoch.0)).await?;
        let looked = lease.during(self.look(session, &key, since)).await;
        match looked {
            Ok(Looked::Adopted(held)) => {
                lease.release().await;
                Ok(held)
            }
            Ok(Looked::Fetched { held, stored, is_damaged }) => {
                // Nobody has to wait until it is stored.
                let (refresher, fetched) = (Arc::clone(&self), Arc::clone(&held));
                tokio::spawn(async move {
                    lease.during(refresher.store(&key, &fetched, stored, is_damaged)).await;
                    lease.release().await;
                });
                Ok(held)
            }
            Err(error) => {
                self.shelf.failed(&key, epoch, self.clock().now());
                lease.release().await;
                Err(error)
            }
        }
    }

    async fn look(self: &Arc<Self>, session: Session, key: &ListKey, since: DateTime<Utc>) -> Result<Looked, Error> {
        let kind = key.kind;
        let stored = self.ports.snapshots.head(&session.id, kind).await?;
        let is_young = |head: &SnapshotHead| head.epoch == session.epoch && head.synced_at > since;
        if stored.as_ref().is_some_and(is_young)
            && let Some(held) = self.read_stored(&session, kind).await?
        {
            return Ok(Looked::Adopted(held));
        }
        let mut began = self.clock().now();
        // Asked for a list in any other status, WAHA would wait 5 to 10 s before it says no.
        let reading = working(self.reader.read(&session).await?)?;
        let session = (*reading.session).clone();
        let mut snapshot = self.fetch(&reading, key, began).await?;
        let known = match self.shelf.get(key, session.epoch) {
            Some(held) => Some(held),
            None => self.read_stored(&session, kind).await?,
        };
        if snapshot.len(View::All) == 0 && known.as_ref().is_some_and(|known| known.snapshot.len(View::All) > 0) {
            // Suddenly nothing: not believed until WAHA says it again.
            self.clock().sleep(Self::AGREE_AFTER.to_std().unwrap_or_default()).await;
            began = self.clock().now();
            snapshot = self.fetch(&reading, key, began).await?;
        }
        let held = Held {
            settled: settled(&session, known.as_deref(), snapshot.version(), began),
            snapshot: Arc::new(snapshot),
            epoch: session.epoch,
            generation: Generation::after(stored.as_ref().map(|head| head.generation)),
            synced_at: began,
            failure: None,
            is_superseded: false,
        };
        let held = self.shelf.put(key, held, self.clock().now());
        // What was told while it was sorted.
        let held = self.with_changes(&session, key, held).await?;
        if kind == ListKind::Groups {
            self.follow_names(&session, &held).await;
        }
        // One of this epoch that could not be read is written anew even if the content is the same.
        let is_damaged = known.is_none() && stored.as_ref().is_some_and(|head| head.epoch == session.epoch);
        if held.is_syncing(&session, self.clock().now()) {
            let (refresher, key) = (Arc::clone(self), key.clone());
            self.settlings.start((key, session.epoch), || refresher.settle(session, kind));
        }
        Ok(Looked::Fetched { held, stored, is_damaged })
    }

    async fn fetch(&self, reading: &Reading, key: &ListKey, began: DateTime<Utc>) -> Result<Snapshot, Error> {
        let (gateway, at, epoch) = (&self.ports.gateway, reading.session.address(), reading.session.epoch);
        match key.kind {
            ListKind::Groups => {
                let groups = gateway.groups(&at).await.map_err(not_listed)?;
                // What was told meanwhile may or may not be in what was fetched.
                let (changes, since) = (self.shelf.changes(key, epoch), told_since(&reading.session, began));
                self.workbench.run(move || Snapshot::of_groups(epoch, &changes.apply(groups, since))).await
            }
            ListKind::Contacts => {
                let (listed, twins) =
                    tokio::try_join!(gateway.contacts(&at), gateway.lid_twins(&at)).map_err(not_listed)?;
                let me = reading.upstream.as_ref().and_then(|upstream| upstream.me.clone());
                let build = move || Snapshot::of_contacts(epoch, &Contact::from_listed(listed, &twins, me.as_ref()));
                self.workbench.run(build).await
            }
        }
    }

    /// Fetches again and again, each time after a longer pause, until WhatsApp has filled the list or had its time.
    fn settle(self: Arc<Self>, session: Session, kind: ListKind) -> BoxFuture<'static, Result<(), Error>> {
        // Boxed, because each fetch may start this.
        Box::pin(async move {
            while let Some((session, known)) = self.unsettled(&session.id, kind, session.epoch).await? {
                let now = self.clock().now();
                let since_pairing = session.paired_at.map_or(TimeDelta::zero(), |paired_at| now - paired_at);
                let pause = since_pairing.clamp(Self::AGREE_AFTER, Self::LONGEST_PAUSE);
                self.clock().sleep(pause.to_std().unwrap_or_default()).await;
                // A failure is noted on the list; the next turn tries again.
                let _ = self.refresh_since(session, kind, known.synced_at).await;
            }
            Ok(())
        })
    }

    /// The list, if WhatsApp may still be filling it, and its session as it is now.
    async fn unsettled(
        &self,
        id: &SessionId,
        kind: ListKind,
        epoch: Epoch,
    ) -> Result<Option<(Session, Arc<Held>)>, Error> {
        let Some(session) = self.ports.sessions.get(id).await? else { return Ok(None) };
        let known = self.shelf.get(&ListKey::of(&session, kind), epoch);
        let is_wanted = session.epoch == epoch && session.lifecycle.is_wanted();
        let known = known.filter(|known| is_wanted && known.is_syncing(&session, self.clock().now()));
        Ok(known.map(|known| (session, known)))
    }

    /// Linked groups follow renames. A failure is no reason to withhold the list: the next fetch tries again.
    async fn follow_names(&self, session: &Session, groups: &Held) {
        if let Err(error) = self.rename(session, &groups.snapshot).await {
            tracing::warn!(%error, "linked groups were not renamed");
        }
    }

    async fn rename(&self, session: &Session, groups: &Snapshot) -> Result<(), Error> {
        let Some(account) = &session.account else { return Ok(()) };
        for linked in self.ports.groups.linked(&session.id, account).await? {
            if let Some(group) = groups.group(&linked.group).filter(|group| group.name != linked.name) {
                self.ports.groups.rename(&linked.id, &group.name, self.clock().now()).await?;
            }
        }
        Ok(())
    }
}

/// Whether WhatsApp has finished filling a list that was fetched at `began`: two fetches agree, or it has had its time.
fn settled(session: &Session, known: Option<&Held>, version: ListVersion, began: DateTime<Utc>) -> bool {
    let Some(paired_at) = session.paired_at else { return false };
    let agrees = |known: &Held| {
        known.settled || (known.snapshot.version() == version && began - known.synced_at >= Refresher::AGREE_AFTER)
    };
    began - paired_at >= Held::SYNC_TIME || known.is_some_and(|known| known.synced_at >= paired_at && agrees(known))
}

/// From when on what was told of a session's groups is laid over a list that was fetched at `began`: not from before this
/// pairing either, as far as the clocks can tell.
fn told_since(session: &Session, began: DateTime<Utc>) -> DateTime<Utc> {
    let since = began - Refresher::CLOCKS_DIFFER;
    session.paired_at.map_or(since, |paired_at| since.max(paired_at - Refresher::CLOCKS_DIFFER))
}

/// The reading, if WAHA answers for lists now.
fn working(reading: Arc<Reading>) -> Result<Arc<Reading>, Error> {
    match reading.status() {
        SessionStatus::Working => Ok(reading),
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
