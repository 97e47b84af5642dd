//! Texts that become types, with anything in their place.

use std::fmt::Debug;
use std::str::FromStr;

use switchboard_fuzz::Target;

use super::*;

const SEEDS: [&str; 14] = [
    "+34 600-11.12 (22)",
    "0034600111222",
    "7911:12@s.whatsapp.net",
    "120363000000000000@g.us",
    "111@lid",
    "session_340282366920938463463374607431768211455",
    "tz4a98xxat96iws9zmbrgj3a",
    "swb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "swb_0123456789ab",
    "0123456789abcdef0123456789abcdef",
    "connecting",
    "José Straße ﬁ İstanbul",
    "مُحَمَّد 東京 が ｶﾗｵｹ 🚀",
    "ＡＢＣ\r\n+34 600",
];

const WORDS: [&str; 20] = [
    "@",
    "@c.us",
    "@g.us",
    "@lid",
    "@s.whatsapp.net",
    ":",
    "+",
    "00",
    "swb_",
    "session_",
    " ",
    "\u{a0}",
    "\u{2011}",
    "\n",
    "٣",
    "\u{345}",
    "\u{1e9e}",
    "가",
    "क\u{93c}",
    "\u{3099}",
];

/// Whatever is accepted is written as it is kept, and accepted again as the same.
fn stays<T: FromStr + PartialEq + Debug>(text: &str, written: impl Fn(&T) -> String) {
    if let Ok(value) = text.parse::<T>() {
        let written = written(&value);
        assert_eq!(written.parse::<T>().ok().as_ref(), Some(&value), "{written:?}");
    }
}

#[test]
fn whatever_is_written_is_a_value_or_refused() {
    Target::new("phone").seeds(SEEDS).words(WORDS).run(|input| {
        let text = &*String::from_utf8_lossy(input);
        stays::<PhoneNumber>(text, |it| it.as_str().to_owned());
        stays::<ChatId>(text, |it| it.as_str().to_owned());
        stays::<GroupId>(text, |it| it.as_str().to_owned());
        stays::<SessionId>(text, ToString::to_string);
        stays::<SessionName>(text, ToString::to_string);
        stays::<UserId>(text, |it| it.as_str().to_owned());
        stays::<WorkerName>(text, ToString::to_string);
        stays::<LinkedGroupId>(text, ToString::to_string);
        stays::<CampaignId>(text, ToString::to_string);
        stays::<DeploymentId>(text, ToString::to_string);
        stays::<ApiKeyId>(text, ToString::to_string);
        stays::<ApiKeyName>(text, ToString::to_string);
        stays::<ListVersion>(text, ToString::to_string);
        stays::<Lifecycle>(text, |it| it.as_str().to_owned());
        stays::<CampaignStatus>(text, |it| it.as_str().to_owned());
        stays::<WorkerState>(text, |it| it.as_str().to_owned());
        stays::<Scope>(text, |it| it.as_str().to_owned());
        let _ = text.parse::<ApiKeySecret>();
        let status = SessionStatus::from(text);
        assert_eq!(SessionStatus::from(status.as_str()), status);
        if let Ok(phone) = text.parse::<PhoneNumber>() {
            let digits = phone.digits();
            assert!(
                (7..=15).contains(&digits.len())
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && !digits.starts_with('0')
            );
            let chat: ChatId = format!("{digits}@c.us").parse().unwrap();
            assert_eq!(chat.phone(), Some(phone));
        }
        if let Ok(chat) = text.parse::<ChatId>() {
            assert!(chat.as_str().len() <= ChatId::MAX_BYTES);
        }
        let folded = fold(text);
        assert_eq!(fold(&folded), folded);
        assert!(!folded.contains('\n'));
        if text.chars().count() <= 200 {
            assert!(SearchTerm::parse(text).is_none_or(|term| term.matches_name(&folded)), "it is found by itself");
        }
    });
}
