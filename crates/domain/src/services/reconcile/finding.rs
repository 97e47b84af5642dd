//! What the reconciler finds, by name.

/// What is so with a session, as a row or WAHA has it. What is done about it follows from it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// A logout was asked for that WAHA has not been told of, or not all of it.
    LogoutUnfinished,
    /// A connect was cut off after WAHA had made the session.
    ConnectCutOff,
    /// A connect was cut off before WAHA had made the session.
    ConnectUndone,
    /// Paired, and FAILED.
    Failed,
    /// Paired, and STARTING for longer than an engine tries by itself.
    Stuck,
    /// Paired, and STOPPED for longer than WAHA takes to start its sessions after a reboot.
    Stopped,
    /// Never paired, and down: a QR code that nobody scanned.
    Abandoned,
    /// It reports elsewhere, or signs with another secret, than it should.
    WebhookOutdated,
    /// Its user was moved to another worker, and it is still there.
    LeftBehind,
    /// Ours, but no row wants it; not paired.
    Orphan,
    /// Ours, but no row wants it; its account works in another session of ours.
    OrphanWithTwin,
    /// Ours, paired, but no row wants it: a copied or restored database looks like this.
    OrphanPaired,
    /// Ours, but no row wants it; not for long, or not clearly unpaired.
    OrphanUndecided,
    /// No row wants it, and nothing says that it is ours.
    Foreign,
    /// It is down or starting, but not for long enough.
    Waiting,
    /// It was restarted or started, and it is not time yet to try again.
    BackingOff,
    /// Paired, and WAHA does not have it: the next connect makes it anew. A volume that was mounted wrongly looks like
    /// this.
    Missing,
    /// As it should be, or not ours to judge.
    Fine,
}

/// What is done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Delete it in WAHA and disconnect its row, as its user wants.
    FinishLogout,
    /// Its row becomes connected; a stopped one is started.
    Adopt,
    /// Its row becomes disconnected. WAHA has none.
    Undo,
    /// WAHA's restart.
    Restart,
    /// WAHA's start.
    Start,
    /// Delete it in WAHA, if it is there, and disconnect its row.
    Discard,
    /// WAHA takes our webhook anew.
    RenewWebhook,
    /// Delete it in WAHA. It has no row that wants it there.
    Delete,
}

impl Finding {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogoutUnfinished => "logout_unfinished",
            Self::ConnectCutOff => "connect_cut_off",
            Self::ConnectUndone => "connect_undone",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
            Self::WebhookOutdated => "webhook_outdated",
            Self::LeftBehind => "left_behind",
            Self::Orphan => "orphan",
            Self::OrphanWithTwin => "orphan_with_twin",
            Self::OrphanPaired => "orphan_paired",
            Self::OrphanUndecided => "orphan_undecided",
            Self::Foreign => "foreign",
            Self::Waiting => "waiting",
            Self::BackingOff => "backing_off",
            Self::Missing => "missing",
            Self::Fine => "fine",
        }
    }

    /// What is done about it; `None`: nothing, now or ever.
    pub(super) fn remedy(self) -> Option<Remedy> {
        Some(match self {
            Self::LogoutUnfinished => Remedy::FinishLogout,
            Self::ConnectCutOff => Remedy::Adopt,
            Self::ConnectUndone => Remedy::Undo,
            Self::Failed | Self::Stuck => Remedy::Restart,
            Self::Stopped => Remedy::Start,
            Self::Abandoned => Remedy::Discard,
            Self::WebhookOutdated => Remedy::RenewWebhook,
            Self::LeftBehind | Self::Orphan | Self::OrphanWithTwin => Remedy::Delete,
            Self::OrphanPaired
            | Self::OrphanUndecided
            | Self::Foreign
            | Self::Waiting
            | Self::BackingOff
            | Self::Missing
            | Self::Fine => return None,
        })
    }
}
