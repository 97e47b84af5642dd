//! Phone numbers.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;
use crate::parse::text_newtype;

/// A phone number in E.164: `+`, then 7 to 15 digits, the first not 0.
///
/// People write numbers in many ways, so parsing removes spaces, dots, dashes and brackets and repairs a leading `00`
/// or a missing `+`. A national number cannot be told from an international one: it is taken as it stands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

text_newtype!(personal PhoneNumber);

impl PhoneNumber {
    /// The digits without the `+`, as WhatsApp ids and WAHA want them.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }
}

impl FromStr for PhoneNumber {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const REFUSED: ParseError = ParseError { expected: "an E.164 phone number, like +34600111222" };
        // No number in any notation is this long; whatever is, is not worth copying.
        if text.len() > 64 {
            return Err(REFUSED);
        }
        let compact: String = text.chars().filter(|c| !is_separator(*c)).collect();
        let digits = compact.strip_prefix('+').or_else(|| compact.strip_prefix("00")).unwrap_or(&compact);
        match digits.as_bytes() {
            bytes @ [b'1'..=b'9', ..] if (7..=15).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) => {
                Ok(Self(format!("+{digits}")))
            }
            _ => Err(REFUSED),
        }
    }
}

/// A phone number is personal data: `{:?}` shows only how long it is, so that no log can hold it.
impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PhoneNumber({} digits)", self.digits().len())
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '.' | '-' | '(' | ')' | '[' | ']' | '/' | '\u{2010}'..='\u{2015}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_notation_becomes_e164() {
        for text in
            ["+34600111222", "34600111222", "0034600111222", " +34 600-11.12 (22) ", "+34\u{a0}600\u{2011}111222"]
        {
            assert_eq!(text.parse::<PhoneNumber>().unwrap().as_str(), "+34600111222", "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_number_is_refused() {
        for text in
            ["", "+", "abc", "+0600111222", "123456", "1234567890123456", "+346001112x", "++34600111222", "٣٤٦٠٠١١١٢٢٢"]
        {
            assert!(text.parse::<PhoneNumber>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn debug_output_hides_the_digits() {
        let phone: PhoneNumber = "+34600111222".parse().unwrap();
        assert!(!format!("{phone:?}").contains("600"), "{phone:?}");
    }
}
