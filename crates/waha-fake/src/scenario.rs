//! A running fake, and the handle that plays the phone, the network and the accidents.

use std::sync::Arc;

use crate::{
    call::Call,
    config::Config,
    fault::Fault,
    options::Options,
    server::{Server, listening, lock},
    session::{FAILED, Session, SessionView},
};

/// A fake WAHA that serves until it is stopped or dropped.
pub struct FakeWaha {
    url: String,
    server: Arc<Server>,
    accepting: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Binds, and serves in the background of the current tokio runtime.
///
/// # Errors
/// If the address cannot be bound.
pub async fn start(options: Options) -> std::io::Result<FakeWaha> {
    let listener = listening(options.bind)?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = Server::new(options);
    let accepting = tokio::spawn(Arc::clone(&server).listen(listener));
    Ok(FakeWaha { url, server, accepting })
}

impl FakeWaha {
    /// Where it listens: `http://127.0.0.1:12345`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The key to send as `X-Api-Key`.
    pub fn api_key(&self) -> &str {
        &self.server.options.api_key
    }

    /// Stops serving, closes every socket, and frees the port. The sessions are gone.
    pub async fn stop(mut self) {
        self.server.stop();
        self.accepting.abort();
        // Cancelled, as asked.
        let _ = (&mut self.accepting).await;
    }

    /// A phone scans the QR code (or enters the pairing code) of a session: WORKING 2.2 s later. `phone` is digits, with
    /// or without `+`. `false` if the session shows no QR code.
    pub fn scan(&self, session: &str, phone: &str) -> bool {
        self.server.scan(session, phone)
    }

    /// The same for whichever session shows this QR text or pairing code.
    pub fn scan_code(&self, code: &str, phone: &str) -> bool {
        self.server.session_showing(code).is_some_and(|session| self.scan(&session, phone))
    }

    /// A session that was linked in an earlier life of this WAHA: WORKING, and nobody is told. `phone` is digits, with or
    /// without `+`.
    pub fn restore(&self, session: &str, phone: &str) {
        self.server.restore(session, phone, &Config::default());
    }

    /// The QR code of a session is another one from now on, and stays. `false` if it shows none.
    pub fn renew_code(&self, session: &str) -> bool {
        self.server.renew_code(session)
    }

    /// The user logs the session out on the phone: FAILED at once, and again 0.3 s after each restart, until logout.
    /// `false` if it is not linked.
    pub fn unlink(&self, session: &str) -> bool {
        self.server.unlink(session)
    }

    /// How many linked devices a phone shows: a scan adds one; unlink, and logout or delete while WORKING, take one.
    pub fn linked_devices(&self, phone: &str) -> usize {
        self.server.state().devices.get(phone.trim_start_matches('+')).copied().unwrap_or(0)
    }

    /// The session's connection to WhatsApp breaks: WORKING for 2 s more, STARTING for a moment, WORKING again.
    pub fn drop_connection(&self, session: &str) {
        self.server.drop_connection(session);
    }

    /// The session becomes FAILED, its login still good: a restart brings it back. `false` if there is none.
    pub fn fail(&self, session: &str) -> bool {
        self.set_status(session, FAILED)
    }

    /// The session takes any status, known to WAHA or not, and stays there. `false` if there is none.
    pub fn set_status(&self, session: &str, status: &str) -> bool {
        self.server.set_status(session, status)
    }

    /// WhatsApp cannot be reached, or can again: what works drops, and starts hang in STARTING, or with a browser flap
    /// between STARTING and FAILED.
    pub fn set_network(&self, up: bool) {
        self.server.set_network(up);
    }

    /// The fake itself cannot be reached, or can again: sockets are closed, and its port refuses new ones. Sessions live
    /// on.
    pub async fn set_reachable(&self, reachable: bool) {
        self.server.set_reachable(reachable).await;
    }

    /// WAHA's process restarts: all read STOPPED for a second, then what ran starts again.
    pub fn reboot(&self) {
        self.server.reboot();
    }

    /// WhatsApp refuses the next questions for groups: `rate-overlimit`, a 500 (NOWEB, and refresh of GOWS).
    pub fn overlimit(&self, times: usize) {
        self.server.state().overlimit = times;
    }

    /// The calls to `/api/…`, oldest first; the last 100 000.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.server.clear_calls();
    }

    /// A session as it is now, whatever its status.
    pub fn session(&self, name: &str) -> Option<SessionView> {
        self.server.state().sessions.get(name).map(Session::view)
    }

    /// All sessions, STOPPED ones too, by name.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.server.state().sessions.values().map(Session::view).collect()
    }

    /// The session vanishes without a call or an event: a lost volume. `false` if there was none.
    pub fn remove_session(&self, name: &str) -> bool {
        self.server.remove_session(name)
    }

    /// The id and name of each group of a session's account, in the engine's order.
    pub fn groups(&self, session: &str) -> Vec<(String, String)> {
        let account = self.server.account_of(session);
        account.groups.iter().map(|group| (group.id.clone(), group.subject.clone())).collect()
    }

    /// The account of a session is in these groups (id, name) and no others. `false` if it is linked to none.
    pub fn set_groups(&self, session: &str, groups: Vec<(String, String)>) -> bool {
        self.server.set_groups(session, groups)
    }

    /// Somebody renames a group: the list changes, and webhooks get `group.v2.update`. `false` if there is none.
    pub fn rename_group(&self, session: &str, id: &str, name: &str) -> bool {
        self.rename_groups_in_a_burst(session, [(id.to_owned(), name.to_owned())]) == 1
    }

    /// Somebody renames many groups (id, name) in a moment, some of them perhaps again and again. Webhooks get an event of
    /// each, as fast as they take them, in any order. Returns how many groups were there to be renamed.
    pub fn rename_groups_in_a_burst(
        &self,
        session: &str,
        renames: impl IntoIterator<Item = (String, String)>,
    ) -> usize {
        self.server.rename_groups(session, renames)
    }

    /// The account of a session is taken into a group: the list changes, and webhooks get `group.v2.join`. `false` if it
    /// is linked to none, or in the group already.
    pub fn join_group(&self, session: &str, id: &str, name: &str) -> bool {
        self.server.join_group(session, id, name)
    }

    /// The account of a session leaves a group: the list changes, and webhooks get `group.v2.participants` and
    /// `group.v2.leave`. `false` if it was not in it.
    pub fn leave_group(&self, session: &str, id: &str) -> bool {
        self.server.leave_group(session, id)
    }

    /// The lists of a session end after so many groups and people, as after a pairing, while WhatsApp is still sending
    /// them; `None`: they are whole. `false` if there is no such session.
    pub fn sync(&self, session: &str, at_most: Option<usize>) -> bool {
        self.server.sync(session, at_most)
    }

    /// The phone number (digits) and address-book name of each saved contact of a session's account, made-up order.
    pub fn contacts(&self, session: &str) -> Vec<(String, Option<String>)> {
        let account = self.server.account_of(session);
        let saved = account.people.iter().filter(|person| person.saved);
        saved.filter_map(|person| Some((person.phone.clone()?, person.name.clone()))).collect()
    }

    /// From now on, calls that match go wrong.
    pub fn inject(&self, fault: Fault) {
        lock(&self.server.faults).push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        lock(&self.server.faults).clear();
    }
}

impl Drop for FakeWaha {
    fn drop(&mut self) {
        self.server.stop();
        self.accepting.abort();
    }
}

impl std::fmt::Debug for FakeWaha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeWaha").field("url", &self.url).finish_non_exhaustive()
    }
}
