//! What engines say, each in its own shape, in the domain's words.

use std::collections::HashMap;

use switchboard_domain::{
    ChatId, ChatKind, Group, GroupId, ListedContact, Me, SessionName, SessionStatus, UNKNOWN_NAME, UpstreamSession,
};

use crate::loose::{Entry, Loose};
use crate::subscription::Subscription;
use crate::wire::{self, GivenWebhook, Id};

/// What stands for a word that is not said. A status is then as one that is not known: live.
pub(crate) const UNSAID: &str = "UNKNOWN";

/// A session as it is shown, and where it reports if it shows that too.
pub(crate) struct ShownSession {
    session: UpstreamSession,
    webhooks: Option<Vec<GivenWebhook>>,
}

impl ShownSession {
    /// Under the name it was asked for.
    pub(crate) fn new(name: SessionName, wire: wire::Session) -> Self {
        let me = wire.me.as_ref().and_then(account);
        let status = SessionStatus::from(wire.status.as_deref().unwrap_or(UNSAID));
        let (metadata, webhooks) = wire.config.0.map_or((None, None), |config| {
            let webhooks = config.webhooks.0.unwrap_or_default();
            (config.metadata.0, Some(webhooks.into_iter().filter_map(|webhook| webhook.0).collect()))
        });
        let metadata = metadata.unwrap_or_default();
        let deployment = metadata.switchboard.0.and_then(|id| id.parse().ok());
        let home = metadata.worker.0.and_then(|name| name.parse().ok());
        Self { session: UpstreamSession { name, status, me, deployment, home, is_webhook_outdated: false }, webhooks }
    }

    /// The session, by what its worker's sessions should be told about reporting. Of one that does not show its
    /// configuration, nothing is known to be wrong.
    pub(crate) fn beside(self, wanted: Option<&Subscription>) -> UpstreamSession {
        let given = wanted.zip(self.webhooks.as_deref());
        let is_webhook_outdated = given.is_some_and(|(wanted, given)| !wanted.is_among(given));
        UpstreamSession { is_webhook_outdated, ..self.session }
    }
}

/// The account, if it is known by its number.
pub(crate) fn account(wire: &wire::Me) -> Option<Me> {
    let id = of_kind(&wire.id, ChatKind::Person).or_else(|| of_kind(&wire.jid, ChatKind::Person))?;
    Some(Me { id, lid: of_kind(&wire.lid, ChatKind::HiddenPerson) })
}

/// One entry a group, named if any of its entries is.
pub(crate) fn distinct(groups: Vec<Group>) -> Vec<Group> {
    let mut distinct: Vec<Group> = Vec::with_capacity(groups.len());
    let mut seen: HashMap<GroupId, usize> = HashMap::with_capacity(groups.len());
    for group in groups {
        match seen.get(&group.id) {
            Some(&first) if distinct[first].name == UNKNOWN_NAME => distinct[first].name = group.name,
            Some(_) => {}
            None => {
                seen.insert(group.id.clone(), distinct.len());
                distinct.push(group);
            }
        }
    }
    distinct
}

/// Sessions whose names we could not have given are nobody's of ours, and cannot be asked for.
impl Entry for ShownSession {
    type Wire = wire::Session;

    fn read(_key: Option<String>, mut wire: wire::Session) -> Option<Self> {
        let name = wire.name.0.take()?.parse().ok()?;
        Some(Self::new(name, wire))
    }
}

impl Entry for Group {
    type Wire = wire::Group;

    fn read(key: Option<String>, wire: wire::Group) -> Option<Self> {
        let (id, name) = named_group(key, wire)?;
        Some(Self { id, name: name.unwrap_or_else(|| UNKNOWN_NAME.to_owned()) })
    }
}

/// A group's id, which may be the `key` it stands under, and its name, if it has one that is not blank.
pub(crate) fn named_group(key: Option<String>, wire: wire::Group) -> Option<(GroupId, Option<String>)> {
    let ids = [wire.id.0.map(|id| id.0), wire.gows_id.0.map(|id| id.0), key];
    let id = ids.into_iter().flatten().find_map(|id| id.parse().ok())?;
    let inner = wire.metadata.0.and_then(|metadata| metadata.subject.0);
    let mut names = [wire.subject.0, wire.name.0, inner, wire.gows_name.0];
    // U+0000 is no part of any name, and PostgreSQL would not store it.
    names.iter_mut().flatten().for_each(|name| name.retain(|c| c != '\0'));
    Some((id, names.into_iter().flatten().find(|name| !name.trim().is_empty())))
}

/// Whether an account is one of these people.
pub(crate) fn is_among(me: &wire::Me, participants: &[Loose<wire::Participant>]) -> bool {
    let mine: Vec<ChatId> = chats([&me.id, &me.lid, &me.jid]).collect();
    let mut ids =
        participants.iter().filter_map(|person| person.as_ref()).flat_map(|person| chats([&person.id, &person.pn]));
    ids.any(|id| mine.contains(&id))
}

fn chats<const N: usize>(ids: [&Loose<Id>; N]) -> impl Iterator<Item = ChatId> {
    ids.into_iter().filter_map(|id| id.as_ref()?.0.parse().ok())
}

impl Entry for ListedContact {
    type Wire = wire::Contact;

    fn read(_key: Option<String>, wire: wire::Contact) -> Option<Self> {
        let mut id: ChatId = wire.id.0?.0.parse().ok()?;
        let mut lid = of_kind(&wire.lid, ChatKind::HiddenPerson);
        if id.kind() == ChatKind::HiddenPerson
            && let Some(phone) = of_kind(&wire.phone_number, ChatKind::Person)
        {
            lid = Some(std::mem::replace(&mut id, phone));
        }
        Some(Self {
            id,
            lid,
            name: wire.name.0,
            pushname: wire.pushname.0,
            short_name: wire.short_name.0,
            verified_name: wire.verified_name.0,
            is_my_contact: wire.is_mine.0,
            is_me: wire.is_me.unwrap_or(false),
            is_blocked: wire.is_blocked.unwrap_or(false),
        })
    }
}

/// What a page of hidden ids holds. Those whose number is not known count too, when pages are told apart.
pub(crate) struct ListedTwin {
    pub(crate) lid: Option<ChatId>,
    pub(crate) phone: Option<ChatId>,
}

impl Entry for ListedTwin {
    type Wire = wire::Twin;

    fn read(_key: Option<String>, wire: wire::Twin) -> Option<Self> {
        Some(Self { lid: of_kind(&wire.lid, ChatKind::HiddenPerson), phone: of_kind(&wire.pn, ChatKind::Person) })
    }
}

fn of_kind(id: &Loose<Id>, kind: ChatKind) -> Option<ChatId> {
    id.as_ref()?.0.parse().ok().filter(|id: &ChatId| id.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::decode;
    use crate::loose::Entries;

    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../tests/fixtures/", $name))
        };
    }

    fn groups(json: &str) -> Vec<(String, String)> {
        let groups = distinct(decode::<Entries<Group>>(json.as_bytes()).unwrap().0);
        groups.into_iter().map(|group| (group.id.into(), group.name)).collect()
    }

    fn contacts(json: &str) -> Vec<ListedContact> {
        decode::<Entries<ListedContact>>(json.as_bytes()).unwrap().0
    }

    fn contact(id: &str) -> ListedContact {
        ListedContact {
            id: id.parse().unwrap(),
            lid: None,
            name: None,
            pushname: None,
            short_name: None,
            verified_name: None,
            is_my_contact: None,
            is_me: false,
            is_blocked: false,
        }
    }

    fn upstream(json: &str) -> UpstreamSession {
        ShownSession::new("asked".parse().unwrap(), decode(json.as_bytes()).unwrap()).beside(None)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
    }

    #[test]
    fn noweb_groups_are_read_from_an_object_by_id() {
        let mut expected = pairs(&[
            ("120363000000000002@g.us", "Family"),
            ("120363000000000000@g.us", "Zeta club"),
            ("120363000000000001@g.us", "alpha team"),
            ("120363000000000003@g.us", "Работа"),
            ("120363000000000004@g.us", "🚀 Rocket"),
        ]);
        assert_eq!(groups(fixture!("groups-noweb.json")), expected);

        let mut with_participants = groups(fixture!("groups-noweb-participants.json"));
        with_participants.sort();
        expected.sort();
        assert_eq!(with_participants, expected);
    }

    #[test]
    fn gows_groups_are_read_by_their_go_names() {
        let expected = pairs(&[("120363021@g.us", "Family"), ("120363022@g.us", UNKNOWN_NAME)]);
        assert_eq!(groups(fixture!("groups-gows.json")), expected);
    }

    #[test]
    fn webjs_groups_are_read_with_and_without_a_serialized_id() {
        let expected = pairs(&[
            ("120363021@g.us", "Family"),
            ("120363022@g.us", "Never opened"),
            ("120363023@g.us", "Renamed ids"),
            ("120363024@g.us", UNKNOWN_NAME),
        ]);
        assert_eq!(groups(fixture!("groups-webjs.json")), expected);
    }

    #[test]
    fn wpp_groups_are_read_by_flat_ids() {
        let expected = pairs(&[("120363021@g.us", "Family"), ("120363022@g.us", "Inner name")]);
        assert_eq!(groups(fixture!("groups-wpp.json")), expected);
    }

    #[test]
    fn entries_without_a_group_id_are_passed_over() {
        let json = r#"[null, {}, {"id":null}, {"id":5}, {"id":["x@g.us"]}, {"id":{"user":"1"}}, {"id":"7911@c.us","name":"chat"},
            {"id":"no id","name":"n"}, {"id":"1@g.us","name":{"odd":[1]},"groupMetadata":[{}],"subject":1.5,"Name":true}]"#;
        assert_eq!(groups(json), pairs(&[("1@g.us", UNKNOWN_NAME)]));
        assert_eq!(groups("[]"), []);
        assert_eq!(groups("{}"), []);
    }

    #[test]
    fn a_name_without_anything_to_see_is_none() {
        let json = r#"[{"id":"1@g.us","subject":"\u0000 \u0000","name":"a\u0000"},{"id":"2@g.us","name":"\u0000"}]"#;
        assert_eq!(groups(json), pairs(&[("1@g.us", "a"), ("2@g.us", UNKNOWN_NAME)]));
    }

    #[test]
    fn the_key_of_an_object_is_the_id_if_there_is_no_other() {
        assert_eq!(
            groups(r#"{"1@g.us":{"subject":"a"},"x":{"subject":"b"},"2@g.us":null}"#),
            pairs(&[("1@g.us", "a")])
        );
    }

    #[test]
    fn a_group_listed_twice_is_one_group_with_a_name() {
        let json =
            r#"[{"id":"1@g.us"},{"id":"2@g.us","name":"b"},{"id":"1@g.us","name":"a"},{"id":"2@g.us","name":"c"}]"#;
        assert_eq!(groups(json), pairs(&[("1@g.us", "a"), ("2@g.us", "b")]));
    }

    #[test]
    fn what_is_no_list_of_objects_is_no_list() {
        for json in [r#"{"message":"x","statusCode":400}"#, r#"["1@g.us"]"#, "[[]]", "null", "\"\"", "7", "true"] {
            assert!(decode::<Entries<Group>>(json.as_bytes()).is_err(), "{json}");
            assert!(decode::<Entries<ListedContact>>(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(decode::<Entries<Group>>(deep.as_bytes()).is_err());
        let inside = format!(r#"[{{"id":"1@g.us","name":{deep},"unknown":{deep}}}]"#);
        assert_eq!(groups(&inside), pairs(&[("1@g.us", UNKNOWN_NAME)]));
        let objects = format!("{}1{}", r#"{"groupMetadata":"#.repeat(200_000), "}".repeat(200_000));
        assert_eq!(groups(&format!(r#"[{{"id":"1@g.us","x":{objects}}}]"#)), pairs(&[("1@g.us", UNKNOWN_NAME)]));
        assert!(decode::<Entries<Group>>(format!("[{objects}]").as_bytes()).is_ok());
    }

    #[test]
    fn noweb_contacts_are_read_without_the_keys_they_lack() {
        let expected = [
            ListedContact {
                lid: Some("111@lid".parse().unwrap()),
                name: Some("Ann".into()),
                pushname: Some("annie".into()),
                ..contact("7911@c.us")
            },
            ListedContact { name: Some("bob".into()), ..contact("7912@c.us") },
            ListedContact { pushname: Some("no name, only push".into()), ..contact("7913@c.us") },
            ListedContact { pushname: Some("hidden".into()), ..contact("222@lid") },
            ListedContact {
                name: Some("Борис".into()),
                verified_name: Some("Boris LLC".into()),
                ..contact("7914@c.us")
            },
            contact("120363000000000000@g.us"),
            ListedContact { name: Some("Me".into()), ..contact("79110000001@c.us") },
        ];
        assert_eq!(contacts(fixture!("contacts-noweb.json")), expected);
    }

    #[test]
    fn webjs_contacts_say_who_is_whose() {
        let expected = [
            ListedContact {
                name: Some("Ann".into()),
                pushname: Some("annie".into()),
                short_name: Some("A.".into()),
                is_my_contact: Some(true),
                ..contact("7911@c.us")
            },
            ListedContact { name: Some("Ann".into()), is_my_contact: Some(false), ..contact("111@lid") },
            ListedContact {
                pushname: Some("stranger".into()),
                is_my_contact: Some(false),
                is_blocked: true,
                ..contact("7950@c.us")
            },
            ListedContact { name: Some("Me".into()), is_my_contact: Some(true), is_me: true, ..contact("7900@c.us") },
            ListedContact { name: Some("Family".into()), ..contact("120363021@g.us") },
        ];
        assert_eq!(contacts(fixture!("contacts-webjs.json")), expected);
    }

    #[test]
    fn gows_contacts_keep_their_empty_names() {
        let expected = [
            ListedContact { name: Some("Ann".into()), pushname: Some("annie".into()), ..contact("7911@c.us") },
            ListedContact { name: Some(String::new()), pushname: Some(String::new()), ..contact("7912@c.us") },
        ];
        assert_eq!(contacts(fixture!("contacts-gows.json")), expected);
    }

    #[test]
    fn wpp_contacts_are_read_past_nulls_and_odd_types() {
        let expected = [
            ListedContact {
                name: Some("Ann".into()),
                short_name: Some("A.".into()),
                is_my_contact: Some(true),
                ..contact("7911@c.us")
            },
            contact("7913@c.us"),
        ];
        assert_eq!(contacts(fixture!("contacts-wpp.json")), expected);
    }

    #[test]
    fn a_hidden_person_whose_number_the_engine_names_is_listed_by_number() {
        let json = r#"[{"id":"222@lid","phoneNumber":"7915@s.whatsapp.net","pushname":"p"},{"id":"333@lid","phoneNumber":"444@lid"}]"#;
        let known =
            ListedContact { lid: Some("222@lid".parse().unwrap()), pushname: Some("p".into()), ..contact("7915@c.us") };
        assert_eq!(contacts(json), [known, contact("333@lid")]);
    }

    #[test]
    fn twins_are_read_in_pairs_or_not_at_all() {
        let twins = |json: &str| {
            let page = decode::<Entries<ListedTwin>>(json.as_bytes()).unwrap().0;
            let pairs =
                page.into_iter().map(|entry| entry.lid.zip(entry.phone).map(|(lid, phone)| (lid.into(), phone.into())));
            pairs.collect::<Vec<_>>()
        };
        let pair = |lid: &str, phone: &str| Some((lid.to_owned(), phone.to_owned()));
        assert_eq!(
            twins(fixture!("lids.json")),
            [pair("111@lid", "7911@c.us"), pair("90079110000001@lid", "79110000001@c.us")]
        );
        let odd =
            r#"[{"lid":"1@lid","pn":null},{"lid":"2@c.us","pn":"3@c.us"},{"lid":"4@lid","pn":"5:6@s.whatsapp.net"}]"#;
        assert_eq!(twins(odd), [None, None, pair("4@lid", "5@c.us")]);
    }

    #[test]
    fn a_session_is_read_in_every_recorded_state() {
        let working = upstream(fixture!("session-working.json"));
        assert_eq!(working.name.as_str(), "asked");
        assert_eq!(working.status, SessionStatus::Working);
        let me = working.me.unwrap();
        assert_eq!((me.id.as_str(), me.lid.unwrap().as_str()), ("79110000001@c.us", "90079110000001@lid"));
        assert_eq!(working.deployment, None);

        let early = upstream(fixture!("session-after-pairing-code.json"));
        assert_eq!(early.status, SessionStatus::ScanQrCode);
        assert!(early.me.is_some_and(|me| me.lid.is_none()));

        let stopped = upstream(fixture!("session-stopped.json"));
        assert_eq!((stopped.status, stopped.me), (SessionStatus::Stopped, None));
    }

    #[test]
    fn a_session_says_who_created_it_if_it_was_one_of_us() {
        let deployment = |metadata: &str| {
            upstream(&format!(r#"{{"name":"x","status":"FAILED","config":{{"metadata":{metadata}}}}}"#)).deployment
        };
        let id = "tz4a98xxat96iws9zmbrgj3a";
        assert_eq!(deployment(&format!(r#"{{"switchboard":"{id}"}}"#)).map(String::from).as_deref(), Some(id));
        for other in [r#"{"switchboard":"not one"}"#, r#"{"switchboard":7}"#, "null", "[]", r#"{"user.id":"42"}"#] {
            assert_eq!(deployment(other), None, "{other}");
        }
    }

    #[test]
    fn a_session_says_on_which_worker_it_was_created_if_one_of_us_wrote_it_there() {
        let metadata =
            |metadata: &str| format!(r#"{{"name":"x","status":"FAILED","config":{{"metadata":{metadata}}}}}"#);
        let home = |text: &str| upstream(&metadata(text)).home.map(String::from);
        assert_eq!(home(r#"{"user.id":"42","switchboard.worker":"eu-1"}"#).as_deref(), Some("eu-1"));
        let listed = format!("[{}]", metadata(r#"{"switchboard.worker":"w.1"}"#));
        let listed = decode::<Entries<ShownSession>>(listed.as_bytes()).unwrap().0.remove(0).beside(None);
        assert_eq!(listed.home.map(String::from).as_deref(), Some("w.1"));
        for other in [
            r#"{"switchboard.worker":"no name"}"#,
            r#"{"switchboard.worker":7}"#,
            r#"{"switchboard":{"worker":"eu-1"}}"#,
            "null",
            "[]",
        ] {
            assert_eq!(home(other), None, "{other}");
        }
    }

    #[test]
    fn odd_accounts_and_unknown_statuses_do_no_harm() {
        for (me, expected) in [
            ("null", None),
            ("{}", None),
            (r#""x""#, None),
            (r#"{"id":""}"#, None),
            (r#"{"id":null,"lid":"1@lid"}"#, None),
            (r#"{"id":{"server":"c.us","user":"7911","_serialized":null}}"#, Some("7911@c.us")),
            (r#"{"id":"1@lid","jid":"7911:12@s.whatsapp.net"}"#, Some("7911@c.us")),
        ] {
            let session = upstream(&format!(r#"{{"name":"x","status":"HIBERNATING","me":{me},"config":null}}"#));
            assert_eq!(session.status.as_str(), "HIBERNATING");
            assert_eq!(session.me.as_ref().map(|me| me.id.as_str()), expected, "{me}");
        }
    }

    #[test]
    fn a_list_of_sessions_leaves_out_names_that_are_not_ours() {
        let listed = |json: &str| {
            let sessions = decode::<Entries<ShownSession>>(json.as_bytes()).unwrap().0;
            sessions.into_iter().map(|session| session.beside(None)).collect::<Vec<_>>()
        };
        let all = listed(fixture!("sessions-all.json"));
        assert_eq!(
            all.iter().map(|session| session.name.as_str()).collect::<Vec<_>>(),
            ["session_01m82desb1fyt0dgr4kd0kwb7s", "session_01m82desbn3fx6wnbd3r82nztc", "user42"]
        );
        let odd = listed(r#"[{"name":"a b","status":"WORKING"},{"name":null},{"status":"WORKING"},{"name":"ok"}]"#);
        assert_eq!(odd.iter().map(|s| (s.name.as_str(), s.status.as_str())).collect::<Vec<_>>(), [("ok", "UNKNOWN")]);
    }
}
