//! Linking groups: those a user works with.

use std::sync::Arc;

use super::access;
use super::audit::AuditTrail;
use super::directory::Directory;
use crate::ports::{Ports, Unlinked};
use crate::{AuditAction, Deed, Error, GroupCampaigns, GroupId, LinkedGroup, Means, Precondition, SessionName, UserId};

/// Links a group of the user's own directory.
pub struct LinkGroup {
    /// Where links are kept, and when they are made.
    pub ports: Ports,
    /// Where the group has to be.
    pub directory: Arc<Directory>,
    /// Where it is written down.
    pub audit: Arc<AuditTrail>,
}

impl LinkGroup {
    /// Links it; a group that is linked already keeps its row.
    ///
    /// # Errors
    /// [`Error::NoGroup`] for one that is not in the session's directory; what [`Directory::groups`] says.
    pub async fn run(
        &self,
        owner: &UserId,
        name: &SessionName,
        group: &GroupId,
        by: Means,
    ) -> Result<GroupCampaigns, Error> {
        let session = access::wanted(&*self.ports.sessions, owner, name).await?;
        let (session, group) = self.directory.group(session, group).await?;
        let account = session.account.clone().ok_or(Precondition::NotPaired)?;
        let now = self.ports.clock.now();
        let link = LinkedGroup {
            id: self.ports.random.cuid().parse().map_err(|_| Error::Internal)?,
            session: session.id.clone(),
            account,
            group: group.id,
            name: group.name,
            created_at: now,
            updated_at: now,
        };
        let (groups, audit) = (Arc::clone(&self.ports.groups), Arc::clone(&self.audit));
        let deed = Deed::new(AuditAction::LinkGroup, by).of(owner).on(name);
        let linked = access::to_its_end(async move {
            let linked = groups.link(&link).await.map_err(Error::from);
            audit.record(deed, &linked);
            linked
        });
        let linked = linked.await?;
        // One that was linked before may have campaigns.
        let overview = self.ports.sessions.overview(owner).await?;
        let known = overview.into_iter().flat_map(|overview| overview.groups).find(|known| known.group.id == linked.id);
        Ok(known.unwrap_or(GroupCampaigns { group: linked, campaigns: Vec::new() }))
    }
}

/// Unlinks a group.
pub struct UnlinkGroup {
    /// Where links are kept.
    pub ports: Ports,
    /// Where it is written down.
    pub audit: Arc<AuditTrail>,
}

impl UnlinkGroup {
    /// Takes it off the list; its campaigns are kept.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NoGroup`] for one that is not linked; [`Error::ActiveCampaign`]; the database's
    /// failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName, group: &GroupId, by: Means) -> Result<(), Error> {
        let session = access::owned(&*self.ports.sessions, owner, name).await?;
        let account = session.account.clone().ok_or(Error::NoGroup)?;
        let (groups, audit, now) = (Arc::clone(&self.ports.groups), Arc::clone(&self.audit), self.ports.clock.now());
        let deed = Deed::new(AuditAction::UnlinkGroup, by).of(owner).on(name);
        let group = group.clone();
        let unlinked = access::to_its_end(async move {
            let unlinked = match groups.unlink(&session.id, &account, &group, now).await {
                Ok(Unlinked::Done) => Ok(()),
                Ok(Unlinked::NotLinked) => return Err(Error::NoGroup),
                Ok(Unlinked::ActiveCampaign) => Err(Error::ActiveCampaign),
                Err(error) => Err(error.into()),
            };
            audit.record(deed, &unlinked);
            unlinked
        });
        unlinked.await
    }
}
