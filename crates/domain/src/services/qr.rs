//! What pairs a phone: a QR code, or a code to type.

use std::sync::Arc;
use std::time::Duration;

use super::audit::AuditTrail;
use super::roster::Roster;
use super::status::StatusReader;
use crate::flight::SingleFlight;
use crate::ports::{Clock, GatewayError, WhatsAppGateway};
use crate::{
    AuditAction, Deed, Error, Means, PairingCode, PhoneNumber, Precondition, QrCode, SessionAddress, SessionName,
    SessionStatus, UserId,
};

/// Waits until a session can be paired.
struct Scannable {
    roster: Arc<Roster>,
    reader: Arc<StatusReader>,
    clock: Arc<dyn Clock>,
}

impl Scannable {
    /// How long a starting session is waited for: front-ends ask right after they connect.
    const PATIENCE: Duration = Duration::from_secs(10);
    const INTERVAL: Duration = Duration::from_millis(250);

    /// What `ask` gets of the owner's session once its status is `SCAN_QR_CODE`.
    ///
    /// The status is asked first, which is instant; asked for a code in any other status, WAHA would wait 5 to 10 s
    /// before it says no. `ask` returns `None` if the session moved on meanwhile.
    async fn once<T, A>(
        &self,
        owner: &UserId,
        name: &SessionName,
        ask: impl Fn(SessionAddress) -> A,
    ) -> Result<T, Error>
    where
        A: Future<Output = Result<Option<T>, Error>>,
    {
        let mut session = self.roster.wanted(owner, name).await?;
        let until = self.clock.now() + Self::PATIENCE;
        loop {
            let reading = self.reader.read(&session).await?;
            match reading.status() {
                SessionStatus::ScanQrCode => {
                    if let Some(code) = ask(session.address()).await? {
                        return Ok(code);
                    }
                    self.reader.doubt(&session);
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
            session = Arc::clone(&reading.session);
        }
    }
}

/// WAHA's answer; `None` if the session has moved on.
fn unless_moved_on<T>(answer: Result<T, GatewayError>) -> Result<Option<T>, Error> {
    match answer {
        Err(GatewayError::WrongStatus(_) | GatewayError::NoSession) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

/// Fetches QR codes; whoever asks for one while it is under way shares it.
pub(super) struct QrCodes {
    gateway: Arc<dyn WhatsAppGateway>,
    flights: SingleFlight<SessionAddress, Option<QrCode>>,
}

impl QrCodes {
    pub(super) fn new(gateway: Arc<dyn WhatsAppGateway>) -> Self {
        Self { gateway, flights: SingleFlight::new() }
    }

    /// The present code; `None` if there is none any more.
    pub(super) async fn fetch(&self, at: SessionAddress) -> Result<Option<QrCode>, Error> {
        let gateway = Arc::clone(&self.gateway);
        self.flights.run(at.clone(), || async move { unless_moved_on(gateway.qr(&at).await) }).await
    }
}

/// The QR code of a user's session.
pub struct GetQr {
    scannable: Scannable,
    codes: Arc<QrCodes>,
}

impl GetQr {
    /// How long a starting session is waited for.
    pub const PATIENCE: Duration = Scannable::PATIENCE;

    pub(super) fn new(
        roster: Arc<Roster>,
        reader: Arc<StatusReader>,
        codes: Arc<QrCodes>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { scannable: Scannable { roster, reader, clock }, codes }
    }

    /// The present code.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Precondition::NotConnected`], [`Precondition::AlreadyConnected`],
    /// [`Precondition::Starting`] if it still is after [`GetQr::PATIENCE`]; WAHA's and the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName) -> Result<QrCode, Error> {
        self.scannable.once(owner, name, |at| self.codes.fetch(at)).await
    }
}

/// A code that a user types on the phone instead of scanning.
pub struct RequestPairingCode {
    scannable: Scannable,
    gateway: Arc<dyn WhatsAppGateway>,
    audit: Arc<AuditTrail>,
    flights: SingleFlight<(SessionAddress, PhoneNumber), Option<PairingCode>>,
}

impl RequestPairingCode {
    pub(super) fn new(
        roster: Arc<Roster>,
        reader: Arc<StatusReader>,
        gateway: Arc<dyn WhatsAppGateway>,
        clock: Arc<dyn Clock>,
        audit: Arc<AuditTrail>,
    ) -> Self {
        Self { scannable: Scannable { roster, reader, clock }, gateway, audit, flights: SingleFlight::new() }
    }

    /// A code for the phone of that number. Whoever asks for the same one meanwhile gets the same, since each new one makes
    /// the one before it useless.
    ///
    /// # Errors
    /// As [`GetQr::run`].
    pub async fn run(
        &self,
        owner: &UserId,
        name: &SessionName,
        phone: &PhoneNumber,
        by: Means,
    ) -> Result<PairingCode, Error> {
        let ask = |at: SessionAddress| {
            let (gateway, audit, phone) = (Arc::clone(&self.gateway), Arc::clone(&self.audit), phone.clone());
            let deed = Deed::new(AuditAction::RequestPairingCode, by).of(owner).on(name).at(&at.worker);
            let work = |(at, phone): (SessionAddress, PhoneNumber)| async move {
                let code = unless_moved_on(gateway.request_pairing_code(&at, &phone).await);
                // A session that has moved on was not asked.
                if !matches!(code, Ok(None)) {
                    audit.record(deed, &code);
                }
                code
            };
            self.flights.run((at.clone(), phone.clone()), || work((at, phone)))
        };
        self.scannable.once(owner, name, ask).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{MockSessionRepository, MockWhatsAppGateway, Ports};
    use crate::services::Services;
    use crate::services::testing::{ports, session, upstream};
    use crate::{Lifecycle, Observation};

    fn services(gateway: MockWhatsAppGateway) -> (Services, Arc<dyn Clock>) {
        let mut sessions = MockSessionRepository::new();
        sessions.expect_find_all().returning(|_| Ok(vec![session(Lifecycle::Connected)]));
        sessions.expect_record().returning(|_, _, _: &Observation, _| Ok(true));
        let ports: Ports = ports(sessions, gateway);
        let clock = Arc::clone(&ports.clock);
        (Services::new(&ports, 1 << 20), clock)
    }

    async fn run(services: &Services) -> Result<QrCode, Error> {
        services.get_qr.run(&"alice".parse().unwrap(), &"session_1".parse().unwrap()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_goes_on_starting_is_waited_for_ten_seconds() {
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(Some(upstream(SessionStatus::Starting))));
        let (services, clock) = services(gateway);
        let asked = clock.now();
        let answer = run(&services).await;
        assert!(matches!(answer, Err(Error::Precondition(Precondition::Starting))), "{answer:?}");
        assert_eq!((clock.now() - asked).num_seconds(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_moves_on_between_the_two_questions_is_asked_again() {
        let mut gateway = MockWhatsAppGateway::new();
        let mut statuses = [SessionStatus::ScanQrCode, SessionStatus::Working].into_iter();
        gateway.expect_session().returning(move |_| Ok(statuses.next().map(upstream)));
        gateway.expect_qr().returning(|_| Err(GatewayError::WrongStatus(SessionStatus::Starting)));
        let (services, _) = services(gateway);
        let answer = run(&services).await;
        assert!(matches!(answer, Err(Error::Precondition(Precondition::AlreadyConnected))), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pairing_code_is_asked_for_once_however_often_the_button_is_pressed() {
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(Some(upstream(SessionStatus::ScanQrCode))));
        gateway.expect_request_pairing_code().times(1).returning(|_, _| Ok(PairingCode("ABCD-EFGH".to_owned())));
        let (services, _) = services(gateway);
        let (owner, name) = ("alice".parse().unwrap(), "session_1".parse().unwrap());
        let phone = "+34600111222".parse().unwrap();
        let ask = || services.request_pairing_code.run(&owner, &name, &phone, Means::Token);
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one.unwrap().0, other.unwrap().0), ("ABCD-EFGH".to_owned(), "ABCD-EFGH".to_owned()));
    }
}
