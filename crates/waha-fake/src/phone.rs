//! What the phone, the network and WhatsApp do to a session.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    account::{Account, Group},
    config::Config,
    ids::hash,
    lifecycle::TO_RECONNECT,
    server::{Server, State},
    session::{FAILED, Login, Me, SCAN_QR_CODE, STARTING, STOPPED, Session, WORKING},
};

/// The number of the phone that scans by itself.
pub(crate) fn number_for(session: &str) -> String {
    format!("34600{:06}", hash(session) % 1_000_000)
}

impl Server {
    /// A phone scans the QR code, or enters the pairing code. WORKING comes 2.2 s later (NOWEB, measured): `me` is set
    /// at once, the status shows it last.
    pub(crate) fn scan(self: &Arc<Self>, name: &str, phone: &str) -> bool {
        let phone: String = phone.chars().filter(char::is_ascii_digit).collect();
        let mut state = self.state();
        let account = Arc::clone(state.account(&phone, &self.options));
        let run = state.next_run();
        let scannable = |session: &&mut Session| session.status == SCAN_QR_CODE && session.login.is_none();
        let Some(session) = state.sessions.get_mut(name).filter(scannable) else {
            return false;
        };
        session.run = run;
        session.login = Some(Login { phone: phone.clone(), revoked: false });
        session.me = Some(Me::of(&account, self.options.engine));
        session.stored_me.clone_from(&session.me);
        session.groups_stored = false;
        *state.devices.entry(phone).or_default() += 1;
        drop(state);
        self.reconnect(name, run);
        true
    }

    /// A session that was linked to that phone in an earlier life works, and nobody is told.
    pub(crate) fn restore(&self, name: &str, phone: &str, config: &Config) {
        let phone: String = phone.chars().filter(char::is_ascii_digit).collect();
        let mut state = self.state();
        let mut session = Session::new(name.to_owned(), config.clone());
        session.run = state.next_run();
        session.running = true;
        session.me = Some(Me::of(state.account(&phone, &self.options), self.options.engine));
        session.stored_me.clone_from(&session.me);
        session.login = Some(Login { phone: phone.clone(), revoked: false });
        session.note(WORKING);
        *state.devices.entry(phone).or_default() += 1;
        state.sessions.insert(name.to_owned(), session);
    }

    /// The next QR code, and no other after it until the next call or event.
    pub(crate) fn renew_code(self: &Arc<Self>, name: &str) -> bool {
        let mut state = self.state();
        let run = state.next_run();
        let Some(session) = state.sessions.get_mut(name).filter(|session| session.qr.is_some()) else {
            return false;
        };
        session.run = run;
        session.qr = Some(crate::qr::text());
        self.turn(session, SCAN_QR_CODE);
        true
    }

    /// The session whose QR code, or pairing code, this is.
    pub(crate) fn session_showing(&self, code: &str) -> Option<String> {
        let state = self.state();
        let shows = |shown: &Option<String>| shown.as_deref() == Some(code);
        let mut sessions = state.sessions.values();
        sessions.find(|session| shows(&session.qr) || shows(&session.pairing_code)).map(|session| session.name.clone())
    }

    /// The user removes the linked device on the phone: FAILED at once if it runs, and after each start until logout.
    pub(crate) fn unlink(self: &Arc<Self>, name: &str) -> bool {
        let mut state = self.state();
        let run = state.next_run();
        let Some(session) = state.sessions.get_mut(name) else {
            return false;
        };
        let Some(login) = session.login.as_mut().filter(|login| !login.revoked) else {
            return false;
        };
        login.revoked = true;
        let phone = login.phone.clone();
        if session.running {
            session.run = run;
            session.qr = None;
            self.turn(session, FAILED);
        }
        state.unlink_device(&phone);
        true
    }

    /// The connection to WhatsApp breaks: WORKING shows for 2 s more, then STARTING, then WORKING. Before the scan it
    /// is the end: FAILED.
    pub(crate) fn drop_connection(self: &Arc<Self>, name: &str) {
        let mut state = self.state();
        let run = state.next_run();
        let Some(session) = state.sessions.get_mut(name) else {
            return;
        };
        match session.status.as_str() {
            WORKING => {
                session.run = run;
                drop(state);
                self.reconnect(name, run);
            }
            SCAN_QR_CODE => {
                session.run = run;
                session.qr = None;
                self.turn(session, FAILED);
            }
            _ => {}
        }
    }

    fn reconnect(self: &Arc<Self>, name: &str, run: u64) {
        let (server, name) = (Arc::clone(self), name.to_owned());
        self.spawn(async move {
            server.clock.sleep(TO_RECONNECT).await;
            let starting = server.in_run(&name, run, |server, session| {
                session.qr = None;
                server.turn(session, STARTING);
            });
            if starting.is_some() {
                server.connect(&name, run).await;
            }
        });
    }

    /// Any status, and nothing follows from it until the next call or event.
    pub(crate) fn set_status(self: &Arc<Self>, name: &str, status: &str) -> bool {
        let mut state = self.state();
        let run = state.next_run();
        let Some(session) = state.sessions.get_mut(name) else {
            return false;
        };
        session.run = run;
        session.running = status != STOPPED;
        if status != SCAN_QR_CODE {
            session.qr = None;
        } else if session.qr.is_none() {
            session.qr = Some(crate::qr::text());
        }
        self.turn(session, status);
        true
    }

    /// WhatsApp is cut off, or back. What works loses its connection.
    pub(crate) fn set_network(self: &Arc<Self>, up: bool) {
        let working: Vec<_> = {
            let mut state = self.state();
            state.network = up;
            let working = state.sessions.values().filter(|session| session.status == WORKING);
            working.map(|session| session.name.clone()).collect()
        };
        if !up {
            for name in working {
                self.drop_connection(&name);
            }
        }
    }

    /// WAHA's process ends and comes back: all read STOPPED for about a second, then what ran starts again, one after
    /// the other (2025.12.3 with `WAHA_WORKER_ID`, recorded). Nobody is told of the STOPPED.
    pub(crate) fn reboot(self: &Arc<Self>) {
        let mut ran = Vec::new();
        {
            let mut state = self.state();
            let run = state.next_run();
            for session in state.sessions.values_mut().filter(|session| session.running) {
                session.run = run;
                session.running = false;
                session.qr = None;
                session.me = None;
                STOPPED.clone_into(&mut session.status);
                ran.push(session.name.clone());
            }
        }
        self.changed.send_replace(());
        let server = Arc::clone(self);
        self.spawn(async move {
            server.clock.sleep(Duration::from_secs(1)).await;
            for name in ran {
                if !server.is_running(&name) {
                    server.begin(&mut server.state(), &name);
                }
                server.clock.sleep(Duration::from_millis(15)).await;
            }
        });
    }

    /// Somebody renames groups on a phone, one after the other. Returns how many there were.
    pub(crate) fn rename_groups(
        self: &Arc<Self>,
        name: &str,
        renames: impl IntoIterator<Item = (String, String)>,
    ) -> usize {
        let mut state = self.state();
        let Some(phone) = state.phone_of(name) else {
            return 0;
        };
        let mut renamed = Vec::new();
        let account = Arc::make_mut(state.account(&phone, &self.options));
        let places: HashMap<_, _> =
            account.groups.iter().enumerate().map(|(place, group)| (group.id.clone(), place)).collect();
        for (id, subject) in renames {
            if let Some(place) = places.get(&id) {
                let group = &mut account.groups[*place];
                group.subject = subject;
                renamed.push(group.clone());
            }
        }
        self.tell_of_each(&mut state, name, &renamed, Self::tell_renamed);
        renamed.len()
    }

    /// The account is taken into a group.
    pub(crate) fn join_group(self: &Arc<Self>, name: &str, id: &str, subject: &str) -> bool {
        let mut state = self.state();
        let Some(phone) = state.phone_of(name) else {
            return false;
        };
        let account = Arc::make_mut(state.account(&phone, &self.options));
        if account.group(id).is_some() {
            return false;
        }
        let group = Group { id: id.to_owned(), subject: subject.to_owned(), number: account.groups.len() };
        account.groups.push(group.clone());
        self.tell_of_each(&mut state, name, &[group], Self::tell_joined);
        true
    }

    /// The account leaves a group, or is thrown out.
    pub(crate) fn leave_group(self: &Arc<Self>, name: &str, id: &str) -> bool {
        let mut state = self.state();
        let Some(phone) = state.phone_of(name) else {
            return false;
        };
        let account = Arc::make_mut(state.account(&phone, &self.options));
        let Some(place) = account.groups.iter().position(|group| group.id == id) else {
            return false;
        };
        let group = account.groups.remove(place);
        self.tell_of_each(&mut state, name, &[group], Self::tell_left);
        true
    }

    fn tell_of_each(
        self: &Arc<Self>,
        state: &mut State,
        name: &str,
        groups: &[Group],
        tell: fn(&Arc<Self>, &Session, &Account, &Group),
    ) {
        let Some(phone) = state.phone_of(name) else {
            return;
        };
        let account = Arc::clone(state.account(&phone, &self.options));
        if let Some(session) = state.sessions.get(name) {
            for group in groups {
                tell(self, session, &account, group);
            }
        }
    }

    /// WhatsApp has sent only so many groups and people yet, or all.
    pub(crate) fn sync(&self, name: &str, at_most: Option<usize>) -> bool {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(name) else {
            return false;
        };
        session.synced = at_most;
        true
    }

    /// The account is in these groups, and no others.
    pub(crate) fn set_groups(self: &Arc<Self>, name: &str, groups: Vec<(String, String)>) -> bool {
        let mut state = self.state();
        let Some(phone) = state.phone_of(name) else {
            return false;
        };
        Arc::make_mut(state.account(&phone, &self.options)).set_groups(groups);
        if let Some(session) = state.sessions.get_mut(name) {
            session.groups_stored = false;
        }
        true
    }

    /// The session is gone, as if its volume were lost.
    pub(crate) fn remove_session(&self, name: &str) -> bool {
        let removed = self.state().sessions.remove(name).is_some();
        self.changed.send_replace(());
        removed
    }
}
