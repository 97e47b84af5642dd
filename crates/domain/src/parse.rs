//! What every parsed newtype says when it refuses a text, how it meets serde, and what of it may be printed.

/// A text was not what a type accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct ParseError {
    /// What would have been accepted, in a person's words.
    pub expected: &'static str,
}

/// Gives a newtype over `String` with a `FromStr` its `as_str`, `Display` and serde, all through that one parser. One that is
/// `personal` gets no `Display`: whoever wants the text has to say so.
macro_rules! text_newtype {
    ($name:ident) => {
        $crate::parse::text_newtype!(personal $name);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
    (personal $name:ident) => {
        impl $name {
            /// The text, as it is stored and sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ParseError;

            fn try_from(text: String) -> Result<Self, $crate::ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

/// Gives what holds somebody's name, number or secret a `Debug` that shows nothing of it, so that no log can hold it.
macro_rules! hidden {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}

pub(crate) use {hidden, text_newtype};

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::marker::PhantomData;

    use chrono::DateTime;

    use crate::ports::{AppGroup, AppSession};
    use crate::services::{Adoption, Fate, Skipped};
    use crate::{
        ChatId, Contact, Group, GroupChange, GroupId, IdText, LinkedGroup, ListedContact, PhoneNumber, SessionName,
        UserId,
    };

    /// Tells whether a type has a `Display`: then the constant of its own goes before the trait's.
    struct Probe<T>(PhantomData<T>);

    trait Otherwise {
        const IS_DISPLAYED: bool = false;
    }

    impl<T> Otherwise for Probe<T> {}

    impl<T: Display> Probe<T> {
        const IS_DISPLAYED: bool = true;
    }

    #[test]
    fn what_is_personal_has_no_display() {
        let personal = [
            Probe::<PhoneNumber>::IS_DISPLAYED,
            Probe::<ChatId>::IS_DISPLAYED,
            Probe::<GroupId>::IS_DISPLAYED,
            Probe::<IdText>::IS_DISPLAYED,
            Probe::<UserId>::IS_DISPLAYED,
        ];
        assert_eq!((personal, Probe::<SessionName>::IS_DISPLAYED), ([false; 5], true));
    }

    #[test]
    fn what_is_personal_is_hidden_by_debug() {
        let name = || "Canary".to_owned();
        let chat = || "34600111222@c.us".parse::<ChatId>().unwrap();
        let group = || "34600111222-1400000000@g.us".parse::<GroupId>().unwrap();
        let phone: PhoneNumber = "+34600111222".parse().unwrap();
        let user: UserId = "canary-34600111222".parse().unwrap();
        let contact = Contact { id: chat(), name: name(), is_mine: true };
        let listed = ListedContact {
            id: chat(),
            lid: None,
            name: Some(name()),
            pushname: Some(name()),
            short_name: Some(name()),
            verified_name: Some(name()),
            is_my_contact: None,
            is_me: false,
            is_blocked: false,
        };
        let at = DateTime::UNIX_EPOCH;
        let linked = LinkedGroup {
            id: "tz4a98xxat96iws9zmbrgj3a".parse().unwrap(),
            session: "tz4a98xxat96iws9zmbrgj3a".parse().unwrap(),
            account: chat(),
            group: group(),
            name: name(),
            created_at: at,
            updated_at: at,
        };
        let change = GroupChange::Present { name: Some(name()), joined: true };
        let app_session = AppSession {
            id: name(),
            name: name(),
            user: name(),
            phone: Some(name()),
            created_at: None,
            updated_at: None,
        };
        let app_group =
            AppGroup { id: name(), session: name(), group: name(), name: name(), created_at: None, updated_at: None };
        let adoption = Adoption { user: name(), session: name(), fate: Fate::Skipped(Skipped::Name) };
        let listed_group = Group { id: group(), name: name() };
        let personal: [&dyn Debug; 13] = [
            &chat(),
            &group(),
            &phone,
            &user,
            &contact,
            &listed,
            &listed_group,
            &linked,
            &change,
            &app_session,
            &app_group,
            &adoption,
            &Some(vec![contact.clone()]),
        ];
        for one in personal {
            let told = format!("{one:?} {one:#?}").to_lowercase();
            assert!(!told.contains("canary") && !told.contains("34600"), "{told}");
        }
    }
}
