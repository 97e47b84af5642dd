//! What is said of a type to those who write clients.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use switchboard_domain::Limit;
use utoipa::ToSchema;

/// A JSON Schema, and the named ones that it refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSchema {
    /// The schema.
    pub itself: Json,
    /// Those that it refers to, and those that they refer to, by name.
    pub named: BTreeMap<String, Json>,
}

impl JsonSchema {
    /// One of a type, by its name.
    pub fn of<T: ToSchema>() -> Self {
        let mut named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        let named = named.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
        Self { itself: reference(&T::name()), named }
    }

    /// One that no other one needs.
    pub(crate) fn inline(itself: Json) -> Self {
        Self { itself, named: BTreeMap::new() }
    }

    /// One of a list type, under a name of its own, as a list of `Item`s.
    pub(crate) fn list<List: ToSchema, Item: ToSchema>(name: &str) -> Self {
        let mut named = Self::of::<Item>().named;
        // What the list's fields need; its own name stands for a list of anything.
        named.extend(Self::of::<List>().named);
        let mut list = named.remove(&*List::name()).unwrap_or_default();
        list["properties"]["items"]["items"] = reference(&Item::name());
        list["properties"]["items"]["maxItems"] = Limit::MAX.into();
        named.insert(name.to_owned(), list);
        Self { itself: reference(name), named }
    }

    /// The same around the schema itself.
    pub(crate) fn within(self, around: impl FnOnce(Json) -> Json) -> Self {
        Self { itself: around(self.itself), ..self }
    }
}

/// A schema by its name.
pub(crate) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
