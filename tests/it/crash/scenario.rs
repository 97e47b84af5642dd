//! What a process is about when it is killed.

use std::time::Duration;

use switchboard_domain::WorkerState;
use switchboard_waha_fake::{Fault, FaultAction};

use super::process::{Died, Process};
use super::stage::{self, Stage};

/// What happens, from a state that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// A user connects for the first time.
    Connect,
    /// One who logged out connects again.
    ConnectAgain,
    /// One whose session is stopped.
    ConnectStopped,
    /// One who logged out on the phone, for the second time: that logs them out and brings a new code.
    ConnectFailed,
    /// One whose code expired on a worker that is being drained.
    ConnectElsewhere,
    /// A user restarts their session.
    Restart,
    /// A user logs out.
    Logout,
    /// A user whose session is stopped logs out.
    LogoutStopped,
    /// A logout that WAHA was not told of is finished.
    FinishLogout,
    /// A code that nobody scanned is cleared away.
    ClearAway,
    /// A session that failed is brought back.
    BringBack,
}

impl Scenario {
    pub(super) const ALL: [Self; 11] = [
        Self::ClearAway,
        Self::BringBack,
        Self::Connect,
        Self::ConnectAgain,
        Self::ConnectStopped,
        Self::ConnectFailed,
        Self::ConnectElsewhere,
        Self::Restart,
        Self::Logout,
        Self::LogoutStopped,
        Self::FinishLogout,
    ];

    /// Alice and two others: what has to be so before.
    pub(super) async fn prepare(self, stage: &Stage) -> Process {
        let mut process = stage.start(0);
        match self {
            Self::Connect => {}
            Self::ConnectAgain => {
                stage.pair(&mut process, "alice", stage::ALICE).await;
                process.done("logout alice").await;
            }
            Self::ConnectStopped | Self::LogoutStopped => {
                let name = stage.pair(&mut process, "alice", stage::ALICE).await;
                assert!(stage.wahas[0].set_status(&name, "STOPPED"));
            }
            Self::ConnectFailed => {
                let name = stage.pair(&mut process, "alice", stage::ALICE).await;
                stage.pair(&mut process, "ben", "491701234567").await;
                stage.pair(&mut process, "eva", "33612345678").await;
                assert!(stage.wahas[0].unlink(&name));
                process.done("connect alice").await;
                stage.until(&name, "FAILED").await;
            }
            Self::ConnectElsewhere => {
                let name = process.done("connect alice").await;
                stage.until(&name, "SCAN_QR_CODE").await;
                assert!(stage.wahas[0].fail(&name));
                stage.set_state(WorkerState::Draining).await;
            }
            Self::Restart | Self::Logout => {
                stage.pair(&mut process, "alice", stage::ALICE).await;
            }
            Self::FinishLogout => {
                stage.pair(&mut process, "alice", stage::ALICE).await;
                stage.wahas[0].inject(Fault::new(FaultAction::Reset));
                let refused = process.tell("logout alice").await.expect("it lives");
                assert!(refused.starts_with("error "), "{refused}");
                stage.wahas[0].clear_faults();
            }
            Self::ClearAway => {
                let name = process.done("connect alice").await;
                stage.until(&name, "SCAN_QR_CODE").await;
                assert!(stage.wahas[0].fail(&name));
                process.done("round").await;
                process.done("advance 901").await;
            }
            Self::BringBack => {
                let name = stage.pair(&mut process, "alice", stage::ALICE).await;
                assert!(stage.wahas[0].fail(&name));
                process.done("round").await;
                process.done("advance 40").await;
            }
        }
        process
    }

    /// By how much the clock has been put forward when it is over.
    pub(super) fn ahead(self) -> Duration {
        match self {
            Self::ClearAway => Duration::from_secs(901),
            Self::BringBack => Duration::from_secs(40),
            _ => Duration::ZERO,
        }
    }

    /// What the process is killed in the middle of.
    pub(super) async fn act(self, process: &mut Process) -> Result<(), Died> {
        process.tell(self.command()).await.map(|_| ())
    }

    fn command(self) -> &'static str {
        match self {
            Self::Connect
            | Self::ConnectAgain
            | Self::ConnectStopped
            | Self::ConnectFailed
            | Self::ConnectElsewhere => "connect alice",
            Self::Restart => "restart alice",
            Self::Logout | Self::LogoutStopped => "logout alice",
            Self::FinishLogout | Self::ClearAway | Self::BringBack => "round",
        }
    }

    /// Whether alice's phone has to keep its linked device.
    pub(super) fn keeps_the_phone(self) -> bool {
        matches!(self, Self::ConnectStopped | Self::Restart | Self::BringBack)
    }

    /// Whether alice's session has to be gone in the end, without anybody doing it again.
    pub(super) fn has_to_be_finished(self) -> bool {
        matches!(self, Self::FinishLogout | Self::ClearAway)
    }

    /// What a user does next.
    pub(super) fn again(self) -> &'static str {
        if matches!(self, Self::Logout | Self::LogoutStopped) { "logout alice" } else { "connect alice" }
    }
}
