//! What the document says of a type.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use switchboard_domain::Limit;
use utoipa::ToSchema;

/// A JSON Schema, and the named ones that it refers to.
pub(super) struct Schema {
    pub(super) itself: Json,
    pub(super) named: BTreeMap<String, Json>,
}

impl Schema {
    /// One of a type, by its name.
    pub(super) fn of<T: ToSchema>() -> Self {
        let mut named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        let named = named.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
        Self { itself: reference(&T::name()), named }
    }

    /// One that no other one needs.
    pub(super) fn inline(itself: Json) -> Self {
        Self { itself, named: BTreeMap::new() }
    }

    /// One of a list type, under a name of its own, as a list of `Item`s.
    pub(super) fn list<List: ToSchema, Item: ToSchema>(name: &str) -> Self {
        let mut named = Schema::of::<Item>().named;
        // What the list's fields need; its own name stands for a list of anything.
        named.extend(Schema::of::<List>().named);
        let mut list = named.remove(&*List::name()).unwrap_or_default();
        list["properties"]["items"]["items"] = reference(&Item::name());
        list["properties"]["items"]["maxItems"] = Limit::MAX.into();
        named.insert(name.to_owned(), list);
        Self { itself: reference(name), named }
    }
}

/// A schema by its name.
pub(super) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
