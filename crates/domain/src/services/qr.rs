//! The QR code that pairs a phone.

use std::sync::Arc;
use std::time::Duration;

use super::access;
use super::status::StatusReader;
use crate::ports::{Clock, GatewayError, SessionRepository, WhatsAppGateway};
use crate::{Error, Precondition, QrCode, SessionName, SessionStatus, UserId};

/// The QR code of a user's session.
pub struct GetQr {
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionRepository>,
    /// Who has the code.
    pub gateway: Arc<dyn WhatsAppGateway>,
    /// Who asks WAHA for the status.
    pub reader: Arc<StatusReader>,
    /// How long it takes.
    pub clock: Arc<dyn Clock>,
}

impl GetQr {
    /// How long a starting session is waited for: front-ends ask right after they connect.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    const INTERVAL: Duration = Duration::from_millis(250);

    /// The present code.
    ///
    /// The status is asked first, which is instant; asked for the code in any other status, WAHA would wait 5 to 10 s
    /// before it says no.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Precondition::NotConnected`], [`Precondition::AlreadyConnected`],
    /// [`Precondition::Starting`] if it still is after [`GetQr::PATIENCE`]; WAHA's and the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName) -> Result<QrCode, Error> {
        let mut session = access::wanted(&*self.sessions, owner, name).await?;
        let until = self.clock.now() + Self::PATIENCE;
        loop {
            let reading = self.reader.read(session).await?;
            match reading.status() {
                SessionStatus::ScanQrCode => match self.gateway.qr(&reading.session.address()).await {
                    // It moved on between the two questions: ask again.
                    Err(GatewayError::WrongStatus(_) | GatewayError::NoSession) => {}
                    answer => return Ok(answer?),
                },
                SessionStatus::Working => return Err(Precondition::AlreadyConnected.into()),
                SessionStatus::Stopped | SessionStatus::Failed => return Err(Precondition::NotConnected.into()),
                SessionStatus::Starting
                | SessionStatus::PasskeyRequired
                | SessionStatus::PasskeyConfirmationRequired
                | SessionStatus::Other(_) => {}
            }
            if self.clock.now() >= until {
                return Err(Precondition::Starting.into());
            }
            self.clock.sleep(Self::INTERVAL).await;
            session = reading.session;
        }
    }
}
