//! The tables, as `migrations/` makes them.

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::engine::Instant;

    sessions (id) {
        id -> Text,
        name -> Text,
        owner -> Text,
        worker -> Text,
        lifecycle -> Text,
        epoch -> BigInt,
        revision -> BigInt,
        phone -> Nullable<Text>,
        account -> Nullable<Text>,
        paired_at -> Nullable<Instant>,
        status -> Nullable<Text>,
        down_since -> Nullable<Instant>,
        revived_at -> Nullable<Instant>,
        reported_at -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
        lease_holder -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
        lease_fence -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::engine::Instant;

    linked_groups (id) {
        id -> Text,
        session_id -> Text,
        account -> Text,
        group_id -> Text,
        name -> Text,
        unlinked_at -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::engine::Instant;

    campaigns (id) {
        id -> Text,
        linked_group_id -> Text,
        status -> Text,
        start_date -> Instant,
        deleted_at -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    deployment (singleton) {
        singleton -> BigInt,
        id -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Text};
    use crate::engine::Instant;

    directory_snapshots (session_id, kind) {
        session_id -> Text,
        kind -> Text,
        epoch -> BigInt,
        generation -> BigInt,
        version -> Text,
        synced_at -> Instant,
        settled -> Bool,
        data -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::engine::Instant;

    task_leases (task) {
        task -> Text,
        holder -> Text,
        until -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::engine::Instant;

    workers (name) {
        name -> Text,
        state -> Text,
        changed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};

    worker_loads (worker) {
        worker -> Text,
        sessions -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Text};
    use crate::engine::Instant;

    strays (worker, name) {
        worker -> Text,
        name -> Text,
        since -> Instant,
        left_behind -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use crate::engine::Instant;

    api_keys (id) {
        id -> Text,
        hash -> Binary,
        owner -> Text,
        name -> Text,
        scope -> Text,
        created_at -> Instant,
        expires_at -> Nullable<Instant>,
        revoked_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::engine::Instant;

    audit_log (id) {
        id -> Text,
        at -> Instant,
        action -> Text,
        means -> Text,
        outcome -> Text,
        owner -> Nullable<Text>,
        session -> Nullable<Text>,
        worker -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    sessions,
    linked_groups,
    campaigns,
    deployment,
    directory_snapshots,
    task_leases,
    workers,
    worker_loads,
    strays,
    api_keys,
    audit_log
);
