//! Sessions.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, exists};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use switchboard_domain::ports::{Fence, SessionRepository, StorageError};
use switchboard_domain::{
    ChatId, Lifecycle, Observation, PhoneNumber, Revision, Session, SessionId, SessionName, SessionOverview, UserId,
    WorkerName,
};

use super::Checkout;
use super::leases::holds;
use super::pairing::{self, Pairing};
use super::rows::{SessionRow, micros};
use super::schema::sessions;
use super::{snapshots, workers};
use crate::engine::{Conn, Instant, Store};

/// How many names are looked up at once: SQLite takes 32 766 parameters.
const NAMES: usize = 10_000;

#[async_trait]
impl SessionRepository for Store {
    async fn ensure(&self, candidate: &Session) -> Result<Session, StorageError> {
        if let Some(session) = of_owner(&mut self.reader().await?, &candidate.owner).await? {
            return Ok(session);
        }
        let mut conn = self.writer().await?;
        let insert = diesel::insert_into(sessions::table)
            .values(SessionRow::from(candidate))
            .on_conflict(sessions::owner)
            .do_nothing();
        let inserted = conn.run(async |conn| insert.execute(conn).await).await;
        if let Err(error @ StorageError::Unavailable(_)) = inserted {
            // The connection is closed; that would be said instead of why.
            return Err(error);
        }
        // Whether it was this one or another caller's, it is committed by now, and a new statement sees it. A taken id
        // or name may be the owner's own too, if two callers came with the same candidate.
        match (inserted, of_owner(&mut conn, &candidate.owner).await?) {
            (Ok(_) | Err(StorageError::Conflict), Some(session)) => Ok(session),
            (Ok(_), None) => Err(StorageError::failed(diesel::NotFound)),
            (Err(error), _) => Err(error),
        }
    }

    async fn get(&self, id: &SessionId) -> Result<Option<Session>, StorageError> {
        let query = sessions::table.find(id.as_str()).select(SessionRow::as_select());
        let row = self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        Ok(row.map(Session::try_from).transpose()?)
    }

    async fn find(&self, owner: &UserId, name: &SessionName) -> Result<Option<Session>, StorageError> {
        let query = sessions::table
            .filter(sessions::owner.eq(owner.as_str()))
            .filter(sessions::name.eq(name.as_str()))
            .select(SessionRow::as_select());
        let row = self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        Ok(row.map(Session::try_from).transpose()?)
    }

    async fn find_all(&self, wanted: &[(UserId, SessionName)]) -> Result<Vec<Session>, StorageError> {
        // One is what is mostly asked for, and SQLite would prepare a statement with a list anew each time.
        if let [(owner, name)] = wanted {
            return Ok(self.find(owner, name).await?.into_iter().collect());
        }
        let wanted: HashSet<(&UserId, &SessionName)> = wanted.iter().map(|(owner, name)| (owner, name)).collect();
        let mut found = self.of_names(wanted.iter().map(|(_, name)| name.as_str()).collect()).await?;
        found.retain(|session| wanted.contains(&(&session.owner, &session.name)));
        Ok(found)
    }

    async fn named(&self, name: &SessionName) -> Result<Option<Session>, StorageError> {
        let query = sessions::table.filter(sessions::name.eq(name.as_str())).select(SessionRow::as_select());
        let row = self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        Ok(row.map(Session::try_from).transpose()?)
    }

    async fn overview(&self, owner: &UserId) -> Result<Option<SessionOverview>, StorageError> {
        super::overview::load(&mut self.reader().await?, owner).await
    }

    async fn all_named(&self, names: &[SessionName]) -> Result<Vec<Session>, StorageError> {
        self.of_names(names.iter().map(SessionName::as_str).collect()).await
    }

    async fn on_worker<'a>(
        &self,
        worker: &WorkerName,
        after: Option<&'a SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StorageError> {
        let mut query = sessions::table
            .filter(sessions::worker.eq(worker.as_str()))
            .filter(workers::has_a_place())
            .order(sessions::id)
            .limit(i64::from(limit))
            .select(SessionRow::as_select())
            .into_boxed();
        if let Some(after) = after {
            query = query.filter(sessions::id.gt(after.as_str()));
        }
        let rows = self.reader().await?.run(async |conn| query.load(conn).await).await?;
        Ok(rows.into_iter().map(Session::try_from).collect::<Result<_, _>>()?)
    }

    async fn is_paired(&self, account: &ChatId) -> Result<bool, StorageError> {
        let [connecting, connected] = [Lifecycle::Connecting, Lifecycle::Connected].map(Lifecycle::as_str);
        let paired = sessions::table
            .filter(sessions::account.eq(account.as_str()))
            .filter(sessions::paired_at.is_not_null())
            .filter(sessions::lifecycle.eq(connecting).or(sessions::lifecycle.eq(connected)));
        let query = diesel::select(exists(paired));
        self.reader().await?.run(async |conn| query.get_result(conn).await).await
    }

    async fn transition(
        &self,
        id: &SessionId,
        from: &[Lifecycle],
        to: Lifecycle,
        fence: Option<Fence>,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let from: Vec<&str> = from.iter().map(|lifecycle| lifecycle.as_str()).collect();
        let mut update = diesel::update(sessions::table.find(id.as_str()))
            .filter(sessions::lifecycle.eq_any(from))
            .set((
                sessions::lifecycle.eq(to.as_str()),
                sessions::revision.eq(sessions::revision + 1),
                sessions::updated_at.eq(micros(now)),
            ))
            .into_boxed();
        if let Some(fence) = fence {
            update = update.filter(holds(fence));
        }
        let moved = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(moved > 0)
    }

    async fn finish_logout(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError> {
        self.end_pairing(id, fence, Some((Lifecycle::LoggingOut, Lifecycle::Disconnected)), now).await
    }

    async fn forget_pairing(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError> {
        self.end_pairing(id, fence, None, now).await
    }

    async fn record(
        &self,
        id: &SessionId,
        revision: Revision,
        seen: &Observation,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let update = diesel::update(sessions::table.find(id.as_str()))
            .filter(sessions::revision.eq(revision.0))
            .filter(sessions::lifecycle.eq_any([Lifecycle::Connecting, Lifecycle::Connected].map(Lifecycle::as_str)))
            .set((
                sessions::revision.eq(sessions::revision + 1),
                sessions::epoch.eq(seen.epoch.0),
                sessions::status.eq(seen.status.as_str()),
                sessions::down_since.eq(seen.down_since.map(micros)),
                sessions::account.eq(seen.account.as_ref().map(ChatId::as_str)),
                sessions::paired_at.eq(seen.paired_at.map(micros)),
                sessions::revived_at.eq(seen.revived_at.map(micros)),
                sessions::reported_at.eq(seen.reported_at.map(micros)),
                sessions::phone.eq(seen.phone.as_ref().map(PhoneNumber::as_str)),
                seen.phone.as_ref().map(|phone| touch_unless(phone.as_str(), micros(now))),
                seen.phone.is_none().then(|| touch_unless_unknown(micros(now))),
            ));
        let written = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(written > 0)
    }

    async fn set_revived(&self, id: &SessionId, fence: Fence, revived_at: DateTime<Utc>) -> Result<bool, StorageError> {
        let update = diesel::update(sessions::table.find(id.as_str()))
            .filter(holds(fence))
            .set((sessions::revived_at.eq(micros(revived_at)), sessions::revision.eq(sessions::revision + 1)));
        let written = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(written > 0)
    }

    async fn set_phone(
        &self,
        owner: &UserId,
        id: &SessionId,
        phone: &PhoneNumber,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let update =
            diesel::update(sessions::table.find(id.as_str())).filter(sessions::owner.eq(owner.as_str())).set((
                sessions::phone.eq(phone.as_str()),
                touch_unless(phone.as_str(), micros(now)),
                sessions::revision.eq(sessions::revision + 1),
            ));
        let written = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(written > 0)
    }
}

impl Store {
    /// The sessions of these names.
    async fn of_names(&self, names: BTreeSet<&str>) -> Result<Vec<Session>, StorageError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = names.into_iter().collect();
        let (mut conn, mut found) = (self.reader().await?, Vec::new());
        for names in names.chunks(NAMES) {
            let query = sessions::table.filter(sessions::name.eq_any(names)).select(SessionRow::as_select());
            for row in conn.run(async |conn| query.load(conn).await).await? {
                found.push(Session::try_from(row)?);
            }
        }
        Ok(found)
    }

    /// Forgets a pairing and what is stored of it, if the lease holds and the lifecycle moves as it is told to.
    async fn end_pairing(
        &self,
        id: &SessionId,
        fence: Fence,
        lifecycle: Option<(Lifecycle, Lifecycle)>,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let mut update = diesel::update(sessions::table.find(id.as_str()))
            .filter(holds(fence))
            .set((
                lifecycle.map(|(_, to)| sessions::lifecycle.eq(to.as_str())),
                Pairing::default(),
                pairing::next_epoch(micros(now)),
            ))
            .into_boxed();
        if let Some((from, _)) = lifecycle {
            update = update.filter(sessions::lifecycle.eq(from.as_str()));
        }
        let both = async |conn: &mut Conn| {
            let done = update.execute(conn).await? > 0;
            if done {
                // A statement of its own, after the other: it sees what was stored while that waited for the row.
                snapshots::delete_all(conn, id).await?;
            }
            Ok(done)
        };
        self.writer().await?.run(async |conn| conn.transaction(both).await).await
    }
}

async fn of_owner(conn: &mut Checkout, owner: &UserId) -> Result<Option<Session>, StorageError> {
    let query = sessions::table.filter(sessions::owner.eq(owner.as_str())).select(SessionRow::as_select());
    let row = conn.run(async |conn| query.get_result(conn).await.optional()).await?;
    Ok(row.map(Session::try_from).transpose()?)
}

/// The time, if the number is another one than before.
#[diesel::dsl::auto_type]
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` makes of it needs the name")]
fn touch_unless<'a>(phone: &'a str, now: DateTime<Utc>) -> _ {
    let other = sessions::phone.is_null().or(sessions::phone.ne(phone));
    let changed_at = case_when(other, now.into_sql::<Instant>()).otherwise(sessions::updated_at);
    sessions::updated_at.eq(changed_at)
}

/// The time, if there was a number before.
#[diesel::dsl::auto_type]
fn touch_unless_unknown(now: DateTime<Utc>) -> _ {
    let known = sessions::phone.is_not_null();
    let changed_at = case_when(known, now.into_sql::<Instant>()).otherwise(sessions::updated_at);
    sessions::updated_at.eq(changed_at)
}
