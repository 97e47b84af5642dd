//! The QR code that pairs a phone.

use std::sync::Arc;
use std::time::Duration;

use super::access;
use super::status::StatusReader;
use crate::flight::SingleFlight;
use crate::ports::{Clock, GatewayError, SessionRepository, WhatsAppGateway};
use crate::{Error, Precondition, QrCode, SessionAddress, SessionName, SessionStatus, UserId};

/// The QR code of a user's session.
pub struct GetQr {
    sessions: Arc<dyn SessionRepository>,
    gateway: Arc<dyn WhatsAppGateway>,
    reader: Arc<StatusReader>,
    clock: Arc<dyn Clock>,
    flights: SingleFlight<SessionAddress, Option<QrCode>>,
}

impl GetQr {
    /// How long a starting session is waited for: front-ends ask right after they connect.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    const INTERVAL: Duration = Duration::from_millis(250);

    /// The use case; its shared work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(
        sessions: Arc<dyn SessionRepository>,
        gateway: Arc<dyn WhatsAppGateway>,
        reader: Arc<StatusReader>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { sessions, gateway, reader, clock, flights: SingleFlight::new() }
    }

    /// The present code; whoever asks while one is under way shares it.
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
                SessionStatus::ScanQrCode => {
                    // If it moved on between the two questions, ask again.
                    if let Some(code) = self.code(reading.session.address()).await? {
                        return Ok(code);
                    }
                }
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

    /// The code; `None` if there is none any more.
    async fn code(&self, at: SessionAddress) -> Result<Option<QrCode>, Error> {
        let gateway = Arc::clone(&self.gateway);
        let ask = |at: SessionAddress| async move {
            match gateway.qr(&at).await {
                Err(GatewayError::WrongStatus(_) | GatewayError::NoSession) => Ok(None),
                answer => Ok(Some(answer?)),
            }
        };
        self.flights.run(at.clone(), || ask(at)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{MockSessionRepository, MockWhatsAppGateway, Ports};
    use crate::services::testing::{ports, session, upstream};
    use crate::{Lifecycle, Observation};

    fn get_qr(gateway: MockWhatsAppGateway) -> GetQr {
        let mut sessions = MockSessionRepository::new();
        sessions.expect_find().returning(|_, _| Ok(Some(session(Lifecycle::Connected))));
        sessions.expect_record().returning(|_, _, _: &Observation, _| Ok(true));
        let Ports { sessions, gateway, clock, .. } = ports(sessions, gateway);
        let reader = Arc::new(StatusReader::new(sessions.clone(), gateway.clone(), clock.clone()));
        GetQr::new(sessions, gateway, reader, clock)
    }

    async fn run(get_qr: &GetQr) -> Result<QrCode, Error> {
        get_qr.run(&"alice".parse().unwrap(), &"session_1".parse().unwrap()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_goes_on_starting_is_waited_for_ten_seconds() {
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(Some(upstream(SessionStatus::Starting))));
        let get_qr = get_qr(gateway);
        let asked = get_qr.clock.now();
        let answer = run(&get_qr).await;
        assert!(matches!(answer, Err(Error::Precondition(Precondition::Starting))), "{answer:?}");
        assert_eq!((get_qr.clock.now() - asked).num_seconds(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_moves_on_between_the_two_questions_is_asked_again() {
        let mut gateway = MockWhatsAppGateway::new();
        let mut statuses = [SessionStatus::ScanQrCode, SessionStatus::Working].into_iter();
        gateway.expect_session().returning(move |_| Ok(statuses.next().map(upstream)));
        gateway.expect_qr().times(1).returning(|_| Err(GatewayError::WrongStatus(SessionStatus::Starting)));
        let answer = run(&get_qr(gateway)).await;
        assert!(matches!(answer, Err(Error::Precondition(Precondition::AlreadyConnected))), "{answer:?}");
    }
}
