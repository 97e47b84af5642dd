//! Half characters: JavaScript's strings may end in the middle of one, and its `JSON.stringify` says so.

use std::borrow::Cow;

/// What stands for half a character.
const REPLACEMENT: &str = "\\ufffd";

/// The JSON text with every escape of a lone surrogate (`\ud83d` without its other half, as of an emoji that was cut in
/// two) made one of U+FFFD. `JSON.parse` takes them; no Rust string can hold them.
pub(super) fn replaced(json: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = json[at..].find('\\') {
        let escape = at + found;
        at = match (unit(json, escape), unit(json, escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(&json[copied..escape]);
                whole.push_str(REPLACEMENT);
                copied = escape + 6;
                copied
            }
            // Some other escape: the character after the backslash belongs to it, and may be a backslash.
            _ => escape + 1 + json[escape + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    whole.push_str(&json[copied..]);
    Cow::Owned(whole)
}

/// The UTF-16 unit that is escaped at that place, if one is.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    // `from_str_radix` would take a sign.
    if digits.bytes().all(|b| b.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_character_becomes_a_replacement_and_the_rest_stays() {
        for (json, expected) in [
            (r#""a\ud83d""#, r#""a\ufffd""#),
            (r#""\ude00b""#, r#""\ufffdb""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83dx\uDE00""#, r#""\ufffdx\ufffd""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\u00e9 \n \" é""#, r#""\u00e9 \n \" é""#),
            (r"\", r"\"),
            (r"\ud8", r"\ud8"),
        ] {
            assert_eq!(replaced(json), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_and_nothing_is_left_to_replace(json in "[\\\\ud8dcfe0a\"é]{0,40}") {
            let once = replaced(&json).into_owned();
            prop_assert_eq!(replaced(&once), once.as_str());
        }
    }
}
