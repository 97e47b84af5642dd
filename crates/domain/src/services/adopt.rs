//! Taking over another application's sessions, without anybody scanning again.

mod place;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use self::place::{Known, Place};
use super::audit::AuditTrail;
use crate::parse::hidden;
use crate::ports::{Adopted, AppCampaign, AppGroup, AppSession, AppSessions, Ports};
use crate::{
    AuditAction, Campaign, ChatId, Deed, Error, GroupCampaigns, Lifecycle, LinkedGroup, Means, PhoneNumber, Session,
    SessionName, SessionOverview, SessionStatus, UserId, WorkerName,
};

/// Takes over sessions that WAHA runs already for another application.
///
/// Nothing in WAHA is touched: what a session is to report, and to whom, is for the reconciler, which knows when that does no
/// harm. Each user is taken over in one step, and what is there already stays, so that it may be broken off and repeated.
pub struct Adopt {
    ports: Ports,
    audit: Arc<AuditTrail>,
}

/// A session of another application, and what became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Adoption {
    /// Whose it is, in that application's word.
    pub user: String,
    /// Its name there.
    pub session: String,
    /// What became of it.
    pub fate: Fate,
}

hidden!(Adoption);

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is the user's session here.
    Taken(Taken),
    /// It is not.
    Skipped(Skipped),
}

/// A session that was taken over, now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where it is, and what WAHA says of it; `None` if it has to be connected anew.
    pub at: Option<(WorkerName, SessionStatus)>,
    /// Whether it was not before.
    pub is_new: bool,
    /// How many linked groups were added.
    pub groups: u32,
    /// How many campaigns were added.
    pub campaigns: u32,
    /// What of it was not.
    pub left_out: LeftOut,
}

/// How much of a session could not be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Groups of which nobody knows under which account they were linked.
    pub without_account: u32,
    /// Groups whose ids are none of WhatsApp's.
    pub without_id: u32,
    /// Campaigns whose id or status is none that we know, or whose group was left out.
    pub campaigns: u32,
}

/// Why a session was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Its user's id is none that we take.
    User,
    /// Its name is none that WAHA takes.
    Name,
    /// Another session of its user was taken instead.
    OtherOfUser,
    /// Its user has another session here, of that name.
    HasAnother(SessionName),
    /// Its name is another user's here.
    NameTaken,
    /// Its user was erased meanwhile.
    Erased,
    /// Several users have a session of that name, and nothing tells whose phone it is.
    SharedName,
    /// It was not found, but these workers did not answer: try again.
    Unanswered(Vec<WorkerName>),
    /// These workers have a session of that name, and nothing tells which one is meant.
    SeveralWorkers(Vec<WorkerName>),
    /// It is on a worker that was removed.
    RemovedWorker(WorkerName),
}

/// A session of the other application whose texts are understood.
struct Candidate {
    app: AppSession,
    user: UserId,
    name: SessionName,
    place: Result<Place, Skipped>,
}

impl Adopt {
    pub(super) fn new(ports: &Ports, audit: Arc<AuditTrail>) -> Self {
        Self { ports: ports.clone(), audit }
    }

    /// Takes them all over and tells of each; a rehearsal writes nothing, and cannot tell how much is there already.
    ///
    /// # Errors
    /// The databases' failures: who was told of is taken over.
    pub async fn run(
        &self,
        source: &dyn AppSessions,
        is_rehearsal: bool,
        mut tell: impl FnMut(Adoption) + Send,
    ) -> Result<(), Error> {
        let states = self.ports.workers.states().await?;
        let asked_at = self.ports.clock.now();
        let known = Known::of(&*self.ports.gateway, states).await;
        let mut candidates = Vec::new();
        for app in source.sessions().await? {
            match candidate(app, &known) {
                Ok(candidate) => candidates.push(candidate),
                Err(skipped) => tell(skipped),
            }
        }
        let mut owners: HashMap<SessionName, BTreeSet<UserId>> = HashMap::new();
        for one in &candidates {
            owners.entry(one.name.clone()).or_default().insert(one.user.clone());
        }
        let mut users: BTreeMap<UserId, Vec<Candidate>> = BTreeMap::new();
        for one in candidates {
            if owners.get(&one.name).is_some_and(|owners| owners.len() > 1) {
                tell(one.skipped(Skipped::SharedName));
            } else {
                users.entry(one.user.clone()).or_default().push(one);
            }
        }
        for (count, (_, mut candidates)) in users.into_iter().enumerate() {
            // The best one last.
            candidates.sort_by_key(|one| (rank(&one.place), one.app.updated_at, one.app.created_at));
            let best = candidates.pop();
            for other in candidates {
                tell(other.skipped(Skipped::OtherOfUser));
            }
            if let Some(best) = best {
                tell(self.take(source, best, is_rehearsal, asked_at).await?);
            }
            if count % (AuditTrail::WAITING / 2) == 0 {
                self.audit.flush().await;
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        source: &dyn AppSessions,
        candidate: Candidate,
        is_rehearsal: bool,
        asked_at: DateTime<Utc>,
    ) -> Result<Adoption, Error> {
        let place = match &candidate.place {
            Ok(place) => place.clone(),
            Err(why) => {
                let why = why.clone();
                return Ok(candidate.skipped(why));
            }
        };
        let (session, account) = self.session(&candidate, &place)?;
        let groups = source.groups(std::slice::from_ref(&candidate.app.id)).await?;
        let ids: Vec<String> = groups.iter().map(|group| group.id.clone()).collect();
        let campaigns = if ids.is_empty() { Vec::new() } else { source.campaigns(&ids).await? };
        let (groups, left_out) = self.linked(&session, account.as_ref(), groups, campaigns)?;
        let at = match &place {
            Place::At(worker, upstream) if session.lifecycle.is_wanted() => {
                Some((worker.clone(), upstream.status.clone()))
            }
            _ => None,
        };
        let overview = SessionOverview { session, groups };
        let adopted = if is_rehearsal {
            self.rehearse(&overview).await?
        } else {
            self.ports.users.adopt(&overview, asked_at).await?
        };
        let (is_new, groups, campaigns) = match adopted {
            Adopted::Done { is_new, groups, campaigns } => (is_new, groups, campaigns),
            Adopted::HasAnother(name) => return Ok(candidate.skipped(Skipped::HasAnother(name))),
            Adopted::Taken => return Ok(candidate.skipped(Skipped::NameTaken)),
            Adopted::Erased => return Ok(candidate.skipped(Skipped::Erased)),
        };
        if !is_rehearsal && (is_new || groups > 0 || campaigns > 0) {
            let deed = Deed::new(AuditAction::Import, Means::Cli).of(&candidate.user).on(&candidate.name);
            self.audit.record(at.iter().fold(deed, |deed, (worker, _)| deed.at(worker)), &Ok(()));
        }
        let taken = Taken { at, is_new, groups, campaigns, left_out };
        Ok(Adoption { user: candidate.app.user, session: candidate.app.name, fate: Fate::Taken(taken) })
    }

    /// What would come of it, as far as that can be told without doing it.
    async fn rehearse(&self, overview: &SessionOverview) -> Result<Adopted, Error> {
        let SessionOverview { session, groups } = overview;
        let is_new = match self.ports.sessions.overview(&session.owner).await? {
            Some(present) if present.session.name != session.name => {
                return Ok(Adopted::HasAnother(present.session.name));
            }
            present => present.is_none(),
        };
        if is_new && self.ports.sessions.named(&session.name).await?.is_some() {
            return Ok(Adopted::Taken);
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let campaigns = groups.iter().map(|group| group.campaigns.len()).sum();
        Ok(Adopted::Done { is_new, groups: count(groups.len()), campaigns: count(campaigns) })
    }

    /// The session's row, and the account that its groups are linked under.
    fn session(&self, candidate: &Candidate, place: &Place) -> Result<(Session, Option<ChatId>), Error> {
        let Candidate { app, user, name, .. } = candidate;
        let now = self.ports.clock.now();
        let phone: Option<PhoneNumber> = app.phone.as_deref().and_then(|phone| phone.parse().ok());
        let written = phone.as_ref().and_then(|phone| format!("{}@c.us", phone.digits()).parse().ok());
        let id = app.id.parse().or_else(|_| self.ports.random.cuid().parse()).map_err(|_| Error::Internal)?;
        let created_at = app.created_at.unwrap_or(now).min(now);
        let (worker, upstream) = match place {
            Place::At(worker, upstream) => (worker.clone(), Some(upstream)),
            Place::Nowhere(worker) => (worker.clone(), None),
        };
        let updated_at = app.updated_at.unwrap_or(now).min(now);
        let row = Session { updated_at, ..Session::new(id, name.clone(), user.clone(), worker, created_at) };
        let Some(upstream) = upstream else { return Ok((row, written)) };

        // A session that waits for a scan names an account that may not be its own, once a pairing code was asked for.
        let waits = needs_scan(&upstream.status);
        let named = upstream.me.as_ref().filter(|_| !waits).map(|me| me.id.clone());
        // One that is on its way up may have a login: what is not known to have none is never deleted by itself.
        let is_paired = !waits && (!upstream.status.is_down() || named.is_some() || phone.is_some());
        if !is_paired && upstream.status.is_down() {
            // There is nothing to keep, and it needs a QR code anyway.
            return Ok((row, written));
        }
        let account = named.or(written);
        let connected = Session {
            lifecycle: Lifecycle::Connected,
            account: account.clone().filter(|_| is_paired),
            phone: phone.or_else(|| account.as_ref().and_then(ChatId::phone)).filter(|_| is_paired),
            paired_at: is_paired.then_some(created_at),
            status: Some(upstream.status.clone()),
            down_since: upstream.status.is_down().then_some(now),
            ..row
        };
        Ok((connected, account))
    }

    /// The session's linked groups with their campaigns.
    fn linked(
        &self,
        session: &Session,
        account: Option<&ChatId>,
        groups: Vec<AppGroup>,
        campaigns: Vec<AppCampaign>,
    ) -> Result<(Vec<GroupCampaigns>, LeftOut), Error> {
        let mut left_out = LeftOut::default();
        let mut by_group: BTreeMap<String, Vec<AppCampaign>> = BTreeMap::new();
        for campaign in campaigns {
            by_group.entry(campaign.group.clone()).or_default().push(campaign);
        }
        let mut linked = Vec::new();
        for app in groups {
            let of_group = by_group.remove(&app.id).unwrap_or_default();
            let (Some(account), Ok(group)) = (account, app.group.parse()) else {
                *(if account.is_none() { &mut left_out.without_account } else { &mut left_out.without_id }) += 1;
                left_out.campaigns += u32::try_from(of_group.len()).unwrap_or(u32::MAX);
                continue;
            };
            let id = app.id.parse().or_else(|_| self.ports.random.cuid().parse()).map_err(|_| Error::Internal)?;
            let created_at = app.created_at.unwrap_or(session.created_at);
            let group = LinkedGroup {
                id,
                session: session.id.clone(),
                account: account.clone(),
                group,
                name: app.name,
                created_at,
                updated_at: app.updated_at.unwrap_or(created_at),
            };
            let campaigns: Vec<_> = of_group.iter().filter_map(|campaign| planned(campaign, &group)).collect();
            left_out.campaigns += u32::try_from(of_group.len() - campaigns.len()).unwrap_or(u32::MAX);
            linked.push(GroupCampaigns { group, campaigns });
        }
        Ok((linked, left_out))
    }
}

impl Candidate {
    fn skipped(self, why: Skipped) -> Adoption {
        Adoption { user: self.app.user, session: self.app.name, fate: Fate::Skipped(why) }
    }
}

fn candidate(app: AppSession, known: &Known) -> Result<Candidate, Adoption> {
    let skipped = |why| Adoption { user: app.user.clone(), session: app.name.clone(), fate: Fate::Skipped(why) };
    let user = app.user.parse().map_err(|_| skipped(Skipped::User))?;
    let name: SessionName = app.name.parse().map_err(|_| skipped(Skipped::Name))?;
    let place = known.place(&name);
    Ok(Candidate { app, user, name, place })
}

fn planned(app: &AppCampaign, group: &LinkedGroup) -> Option<Campaign> {
    let (id, status) = (app.id.parse().ok()?, app.status.to_ascii_uppercase().parse().ok()?);
    Some(Campaign { id, group: group.id.clone(), status, start_date: app.start_date })
}

/// Whether WAHA says that the session has no login.
fn needs_scan(status: &SessionStatus) -> bool {
    use SessionStatus::{PasskeyConfirmationRequired, PasskeyRequired, ScanQrCode};
    matches!(status, ScanQrCode | PasskeyRequired | PasskeyConfirmationRequired)
}

/// Of several sessions of a user, the one with the highest is the one to keep.
fn rank(place: &Result<Place, Skipped>) -> u8 {
    match place {
        Ok(Place::At(_, upstream)) if upstream.status == SessionStatus::Working => 4,
        // It may be the one that works.
        Err(_) => 3,
        Ok(Place::At(_, upstream)) if upstream.me.is_some() && !needs_scan(&upstream.status) => 2,
        Ok(Place::At(..)) => 1,
        Ok(Place::Nowhere(_)) => 0,
    }
}

impl LeftOut {
    /// Whether nothing was.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Skipped {
    /// Whether another attempt may come to more, with nothing changed by anybody.
    pub fn is_for_now(&self) -> bool {
        matches!(self, Self::Unanswered(_))
    }
}
