//! What every parsed newtype says when it refuses a text, and how it meets serde.

/// A text was not what a type accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct ParseError {
    /// What would have been accepted, in a person's words.
    pub expected: &'static str,
}

/// Gives a newtype over `String` with a `FromStr` its `as_str`, `Display` and serde, all through that one parser.
macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text, as it is stored and sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
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

pub(crate) use text_newtype;
