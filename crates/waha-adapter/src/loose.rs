//! Lenient JSON: what does not fit is passed over, not an error.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::de::{
    Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};

/// What stands there if it is what was hoped for; nothing if it is null or anything else.
pub(crate) struct Loose<T>(pub(crate) Option<T>);

/// What can be made of the kinds of JSON; each kind is nothing unless said otherwise.
pub(crate) trait Fits<'de>: Sized {
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_flag(_flag: bool) -> Option<Self> {
        None
    }

    fn from_number(_number: u64) -> Option<Self> {
        None
    }

    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        drain(object).map(|()| None)
    }

    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Option<Self>, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A struct that is read from an object and nothing else.
pub(crate) trait Object {}

impl Fits<'_> for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Fits<'_> for bool {
    fn from_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

impl Fits<'_> for u64 {
    fn from_number(number: u64) -> Option<Self> {
        Some(number)
    }
}

impl<'de, T: Fits<'de>> Fits<'de> for Vec<Loose<T>> {
    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Option<Self>, A::Error> {
        let mut elements = Self::new();
        while let Some(element) = array.next_element()? {
            elements.push(element);
        }
        Ok(Some(elements))
    }
}

impl<'de, T: Object + Deserialize<'de>> Fits<'de> for T {
    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }
}

impl<T> Default for Loose<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for Loose<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

impl<'de, T: Fits<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(LooseVisitor(PhantomData)).map(Self)
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: Fits<'de>> Visitor<'de> for LooseVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        Ok(T::from_text(text))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Option<T>, E> {
        Ok(T::from_flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<T>, E> {
        Ok(T::from_number(number))
    }

    fn visit_i64<E: Error>(self, _number: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Option<T>, A::Error> {
        T::from_object(object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Option<T>, A::Error> {
        T::from_array(array)
    }
}

fn drain<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// The entries of a list, which is an array, or with NOWEB's groups an object by id. Nulls are passed over; anything
/// else that is no object means that this is not the list that was asked for.
pub(crate) struct Entries<T>(pub(crate) Vec<T>);

/// An entry: made from what the list holds, or `None` if it cannot be used.
pub(crate) trait Entry: Sized {
    /// As it is sent.
    type Wire;

    /// Translates it. `key` is what it stands under, if the list is an object.
    fn read(key: Option<String>, wire: Self::Wire) -> Option<Self>;
}

impl<'de, T: Entry<Wire: Deserialize<'de>>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(EntriesVisitor(PhantomData)).map(Self)
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Entry<Wire: Deserialize<'de>>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Vec<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, element)) = object.next_entry::<String, ObjectOrNull<T::Wire>>()? {
            entries.extend(element.0.and_then(|wire| T::read(Some(key), wire)));
        }
        Ok(entries)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(element) = array.next_element::<ObjectOrNull<T::Wire>>()? {
            entries.extend(element.0.and_then(|wire| T::read(None, wire)));
        }
        Ok(entries)
    }
}

/// A struct that is read from an object and nothing else, or null.
pub(crate) struct ObjectOrNull<W>(pub(crate) Option<W>);

impl<'de, W: Deserialize<'de>> Deserialize<'de> for ObjectOrNull<W> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<W>(PhantomData<W>);

impl<'de, W: Deserialize<'de>> Visitor<'de> for ObjectVisitor<W> {
    type Value = Option<W>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<W>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Option<W>, A::Error> {
        W::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }
}
