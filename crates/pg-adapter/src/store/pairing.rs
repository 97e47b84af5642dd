//! What a row remembers of a pairing.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::schema::sessions;

/// Everything that belongs to a pairing: by default, gone.
#[derive(Default, AsChangeset)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
pub(super) struct Pairing {
    phone: Option<String>,
    account: Option<String>,
    paired_at: Option<DateTime<Utc>>,
    status: Option<String>,
    down_since: Option<DateTime<Utc>>,
    revived_at: Option<DateTime<Utc>>,
}

/// The next epoch, with nothing known of a pairing.
#[diesel::dsl::auto_type]
pub(super) fn next_epoch(now: DateTime<Utc>) -> _ {
    (
        sessions::epoch.eq(sessions::epoch + 1_i64),
        sessions::revision.eq(sessions::revision + 1_i64),
        sessions::updated_at.eq(now),
    )
}
