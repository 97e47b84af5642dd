//! The use cases, one a file, and what several of them share: who may, one at a time, what WAHA says.

mod access;
mod adopt;
mod audit;
mod connect;
mod deployment;
mod directory;
mod erase;
mod failing;
mod hits;
mod lease;
mod link_group;
mod logout;
mod news;
mod overview;
mod phone;
mod pool;
mod qr;
mod reconcile;
mod reports;
mod restart;
mod roster;
mod status;
mod task_lease;
#[cfg(test)]
mod testing;
mod watch;
mod workbench;

pub use adopt::{Adopt, Adoption, Fate, LeftOut, Skipped, Taken};
pub use audit::AuditTrail;
pub use connect::{Connect, Connected};
pub use directory::{Directory, Listing, PageRequest};
pub use erase::{Erase, Erasure, Leftover};
pub use hits::Hits;
pub use lease::SessionLeases;
pub use link_group::{LinkGroup, UnlinkGroup};
pub use logout::Logout;
pub use overview::GetSession;
pub use phone::SetPhone;
pub use pool::WorkerWatch;
pub use qr::{GetQr, RequestPairingCode};
pub use reconcile::{Alarm, Finding, Reconciled, Reconciler, Round};
pub use reports::TakeReport;
pub use restart::Restart;
pub use status::{GetStatus, Reading, StatusReader};
pub use watch::{Action, LiveStatus, Reason, ShownCode, WatchSession, Watcher};

use std::sync::Arc;

use self::deployment::Deployment;
use self::news::News;
use self::qr::QrCodes;
use self::roster::Roster;
use crate::ports::Ports;

/// Every use case, wired to the same ports.
pub struct Services {
    /// Connects a user.
    pub connect: Connect,
    /// A user's start screen.
    pub get_session: GetSession,
    /// A session's status.
    pub get_status: GetStatus,
    /// A session's QR code.
    pub get_qr: GetQr,
    /// A code to type instead of scanning.
    pub request_pairing_code: RequestPairingCode,
    /// A session's state, live.
    pub watch: WatchSession,
    /// What WAHA reports.
    pub take_report: TakeReport,
    /// Restarts a session.
    pub restart: Restart,
    /// Logs a session out.
    pub logout: Logout,
    /// Writes a session's phone number.
    pub set_phone: SetPhone,
    /// Groups and contacts.
    pub directory: Arc<Directory>,
    /// What brings rows and WAHA together again.
    pub reconciler: Reconciler,
    /// Links a group.
    pub link_group: LinkGroup,
    /// Unlinks a group.
    pub unlink_group: UnlinkGroup,
    /// Erases users.
    pub erase: Erase,
    /// Takes another application's sessions over.
    pub adopt: Adopt,
    /// Where it is written down who did what.
    pub audit: Arc<AuditTrail>,
    workers: WorkerWatch,
    news: Arc<News>,
    roster: Arc<Roster>,
    reader: Arc<StatusReader>,
}

impl Services {
    /// How much memory lists take unless told otherwise: those of some 5 000 000 groups and contacts.
    pub const DIRECTORY_MEMORY: u64 = 256 * 1024 * 1024;

    /// The use cases on `ports`; lists in memory take up to `directory_memory` bytes. Work that outlives its caller runs on
    /// the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(ports: &Ports, directory_memory: u64) -> Self {
        let Ports { sessions, gateway, clock, random, leases, .. } = ports.clone();
        let roster = Arc::new(Roster::new(sessions.clone(), clock.clone()));
        let news = Arc::new(News::new(ports, roster.clone()));
        let reader = Arc::new(StatusReader::new(ports, news.clone()));
        let codes = Arc::new(QrCodes::new(gateway.clone()));
        let leases = Arc::new(SessionLeases { leases, sessions: sessions.clone(), clock: clock.clone(), random });
        let deployment = Arc::new(Deployment::new(ports));
        let audit = Arc::new(AuditTrail::new(ports));
        let logout = Logout::new(ports, news.clone(), leases.clone(), audit.clone());
        let directory = Arc::new(Directory::new(ports, reader.clone(), news.clone(), directory_memory));
        Self {
            erase: Erase::new(ports, leases.clone(), logout.finisher(), deployment.clone(), news.clone()),
            adopt: Adopt::new(ports, audit.clone()),
            connect: Connect::new(
                ports,
                reader.clone(),
                news.clone(),
                leases.clone(),
                &logout,
                deployment.clone(),
                audit.clone(),
            ),
            get_session: GetSession { sessions: sessions.clone(), reader: reader.clone(), clock: clock.clone() },
            get_status: GetStatus::new(roster.clone(), reader.clone()),
            get_qr: GetQr::new(roster.clone(), reader.clone(), codes.clone(), clock.clone()),
            workers: WorkerWatch::new(gateway.clone(), clock.clone()),
            request_pairing_code: RequestPairingCode::new(
                roster.clone(),
                reader.clone(),
                gateway,
                clock.clone(),
                audit.clone(),
            ),
            watch: WatchSession::new(ports, reader.clone(), codes, news.clone()),
            reconciler: Reconciler::new(
                ports,
                reader.clone(),
                news.clone(),
                leases.clone(),
                &logout,
                deployment,
                audit.clone(),
            ),
            take_report: TakeReport::new(reader.clone(), directory.clone()),
            restart: Restart::new(ports, news.clone(), leases, audit.clone()),
            logout,
            set_phone: SetPhone { sessions, clock, news: news.clone() },
            link_group: LinkGroup { ports: ports.clone(), directory: directory.clone(), audit: audit.clone() },
            unlink_group: UnlinkGroup { ports: ports.clone(), audit: audit.clone() },
            audit,
            directory,
            news,
            roster,
            reader,
        }
    }

    /// Asks all workers whether they answer, again and again, for ever. Without it, nothing is known of workers, and one that
    /// was left alone may not be called again.
    pub async fn watch_workers(&self) {
        self.workers.run().await;
    }

    /// Follows what other replicas change, for ever. Without it, this one learns of their changes when it looks for itself.
    pub async fn follow(&self) {
        self.news.follow(&self.directory).await;
    }

    /// How often what was asked for was in memory, by what that was.
    pub fn hits(&self) -> [(&'static str, Hits); 3] {
        let [status, session, list] = [self.reader.hits(), self.roster.hits(), self.directory.hits()];
        [("status", status), ("session", session), ("list", list)]
    }

    /// Reconciles for ever, whenever no other replica does. Without it, what a crash or an outage left behind stays until
    /// its user comes back.
    pub async fn reconcile(&self) {
        self.reconciler.run().await;
    }
}
