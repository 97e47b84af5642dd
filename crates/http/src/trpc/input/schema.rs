//! The kinds of field an input can have, with zod's names and zod's rules.

use std::fmt;

use super::{Problem, Value};

/// Says what a field may be and makes it into a Rust value.
pub trait Schema: Sized {
    /// What the field becomes.
    type Output;

    /// Checks one value.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(self, value: Value) -> Result<Self::Output, Problem>;

    /// What a client may send.
    fn form(&self) -> Form;

    /// The field may be missing. `null` is not missing.
    fn optional(self) -> Optional<Self> {
        Optional(self)
    }

    /// What a missing field means. `null` is not missing.
    fn default(self, value: Self::Output) -> Defaulted<Self> {
        Defaulted { schema: self, value, null_too: false }
    }

    /// What a field means that is missing or `null`.
    fn default_if_null(self, value: Self::Output) -> Defaulted<Self> {
        Defaulted { schema: self, value, null_too: true }
    }
}

/// What a client may send for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// JavaScript's name of the type.
    pub kind: &'static str,
    /// Whether it may be missing.
    pub optional: bool,
    /// Whether it may be `null`.
    pub nullable: bool,
}

impl Form {
    /// That type and nothing else.
    const fn only(kind: &'static str) -> Self {
        Self { kind, optional: false, nullable: false }
    }
}

/// Any string. See [`Text::min`] and [`Text::parsed`].
pub fn string() -> Text {
    Text { min: 0 }
}

/// A whole number, 0 or more. See [`Integer::min`].
///
/// Beyond 2⁵³−1 it counts as 2⁵³−1, where zod would refuse it: a page size above the maximum is
/// served as the maximum, however large it is.
pub fn integer() -> Integer {
    Integer { min: 0 }
}

/// `true` or `false`.
pub fn boolean() -> Boolean {
    Boolean
}

/// A string: [`string`].
#[derive(Clone, Copy, Debug)]
pub struct Text {
    min: usize,
}

impl Text {
    /// With at least that many characters.
    #[must_use]
    pub fn min(self, min: usize) -> Self {
        Self { min }
    }

    /// Made into another type; its error is the message the caller reads, as with zod's `refine`.
    pub fn parsed<F>(self, parse: F) -> Parsed<F> {
        Parsed { text: self, parse }
    }
}

impl Schema for Text {
    type Output = String;

    fn check(self, value: Value) -> Result<String, Problem> {
        match value {
            // JavaScript counts UTF-16 units.
            Value::String(text) if text.encode_utf16().take(self.min).count() < self.min => {
                Err(Problem::StringTooShort { minimum: self.min })
            }
            Value::String(text) => Ok(text),
            other => Err(Problem::Type { expected: "string", received: other.kind() }),
        }
    }

    fn form(&self) -> Form {
        Form::only("string")
    }
}

/// A string made into another type: [`Text::parsed`].
#[derive(Clone, Copy, Debug)]
pub struct Parsed<F> {
    text: Text,
    parse: F,
}

impl<F, T, E> Schema for Parsed<F>
where
    F: Fn(&str) -> Result<T, E>,
    E: fmt::Display,
{
    type Output = T;

    fn check(self, value: Value) -> Result<T, Problem> {
        let text = self.text.check(value)?;
        (self.parse)(&text).map_err(Problem::custom)
    }

    fn form(&self) -> Form {
        self.text.form()
    }
}

/// A whole number: [`integer`].
#[derive(Clone, Copy, Debug)]
pub struct Integer {
    min: u32,
}

impl Integer {
    /// `Number.MAX_SAFE_INTEGER`
    const MAX: f64 = 9_007_199_254_740_991.0;

    /// Not less than `min`.
    #[must_use]
    pub fn min(self, min: u32) -> Self {
        Self { min }
    }
}

impl Schema for Integer {
    type Output = u64;

    fn check(self, value: Value) -> Result<u64, Problem> {
        match value {
            Value::Number(number) if number.is_finite() => {
                if number.fract() != 0.0 {
                    return Err(Problem::NotWhole);
                }
                if number < f64::from(self.min) {
                    return Err(Problem::NumberTooSmall { minimum: self.min });
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole and between 0 and 2^53 - 1"
                )]
                let whole = number.min(Self::MAX) as u64;
                Ok(whole)
            }
            other => Err(Problem::Type { expected: "number", received: other.kind() }),
        }
    }

    fn form(&self) -> Form {
        Form::only("number")
    }
}

/// `true` or `false`: [`boolean`].
#[derive(Clone, Copy, Debug)]
pub struct Boolean;

impl Schema for Boolean {
    type Output = bool;

    fn check(self, value: Value) -> Result<bool, Problem> {
        match value {
            Value::Boolean(boolean) => Ok(boolean),
            other => Err(Problem::Type { expected: "boolean", received: other.kind() }),
        }
    }

    fn form(&self) -> Form {
        Form::only("boolean")
    }
}

/// A field that may be missing: [`Schema::optional`].
#[derive(Clone, Copy, Debug)]
pub struct Optional<S>(S);

impl<S: Schema> Schema for Optional<S> {
    type Output = Option<S::Output>;

    fn check(self, value: Value) -> Result<Self::Output, Problem> {
        match value {
            Value::Undefined => Ok(None),
            value => self.0.check(value).map(Some),
        }
    }

    fn form(&self) -> Form {
        Form { optional: true, ..self.0.form() }
    }
}

/// A field with a value when missing: [`Schema::default`], [`Schema::default_if_null`].
#[derive(Clone, Copy, Debug)]
pub struct Defaulted<S: Schema> {
    schema: S,
    value: S::Output,
    null_too: bool,
}

impl<S: Schema> Schema for Defaulted<S> {
    type Output = S::Output;

    fn check(self, value: Value) -> Result<Self::Output, Problem> {
        match value {
            Value::Undefined => Ok(self.value),
            Value::Null if self.null_too => Ok(self.value),
            value => self.schema.check(value),
        }
    }

    fn form(&self) -> Form {
        let form = self.schema.form();
        Form { optional: true, nullable: form.nullable || self.null_too, ..form }
    }
}
