//! The use cases, one a file, and what several of them share: who may, one at a time, what WAHA says.

mod access;
mod connect;
mod directory;
mod lease;
mod link_group;
mod logout;
mod overview;
mod phone;
mod qr;
mod restart;
mod roster;
mod status;
mod task_lease;
#[cfg(test)]
mod testing;
mod workbench;

pub use connect::{Connect, Connected};
pub use directory::{Directory, Listing, PageRequest};
pub use lease::SessionLeases;
pub use link_group::{LinkGroup, UnlinkGroup};
pub use logout::Logout;
pub use overview::GetSession;
pub use phone::SetPhone;
pub use qr::GetQr;
pub use restart::Restart;
pub use status::{GetStatus, Reading, StatusReader};

use std::sync::Arc;

use crate::WorkerName;
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
    /// Restarts a session.
    pub restart: Restart,
    /// Logs a session out.
    pub logout: Logout,
    /// Writes a session's phone number.
    pub set_phone: SetPhone,
    /// Groups and contacts.
    pub directory: Arc<Directory>,
    /// Links a group.
    pub link_group: LinkGroup,
    /// Unlinks a group.
    pub unlink_group: UnlinkGroup,
}

impl Services {
    /// How much memory lists take unless told otherwise: those of some 5 000 000 groups and contacts.
    pub const DIRECTORY_MEMORY: u64 = 256 * 1024 * 1024;

    /// The use cases on `ports`; new sessions are placed on `worker`, and lists in memory take up to `directory_memory`
    /// bytes. Work that outlives its caller runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(ports: &Ports, worker: WorkerName, directory_memory: u64) -> Self {
        let Ports { sessions, gateway, clock, random, leases, .. } = ports.clone();
        let reader = Arc::new(StatusReader::new(sessions.clone(), gateway.clone(), clock.clone()));
        let leases = Arc::new(SessionLeases { leases, clock: clock.clone(), random });
        let logout = Logout::new(sessions.clone(), gateway.clone(), leases.clone(), clock.clone());
        let directory = Arc::new(Directory::new(ports, reader.clone(), directory_memory));
        Self {
            connect: Connect::new(ports, reader.clone(), leases.clone(), &logout, worker),
            get_session: GetSession { sessions: sessions.clone(), reader: reader.clone(), clock: clock.clone() },
            get_status: GetStatus { sessions: sessions.clone(), reader: reader.clone() },
            get_qr: GetQr::new(sessions.clone(), gateway.clone(), reader, clock.clone()),
            restart: Restart::new(sessions.clone(), gateway, leases),
            logout,
            set_phone: SetPhone { sessions, clock },
            link_group: LinkGroup { ports: ports.clone(), directory: directory.clone() },
            unlink_group: UnlinkGroup { ports: ports.clone() },
            directory,
        }
    }
}
