//! Times as they are read.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::sql_types::TimestamptzSqlite;
use diesel::sqlite::{Sqlite, SqliteValue};

/// A time, as it is read where many are.
///
/// diesel tries one pattern after the other, and takes each apart every time. What it writes is also what RFC 3339 allows,
/// for which there is a parser of its own that takes a fifth of the time.
#[derive(Clone, Copy, Debug, FromSqlRow)]
#[diesel(sql_type = TimestamptzSqlite)]
pub(crate) struct Time(DateTime<Utc>);

impl FromSql<TimestamptzSqlite, Sqlite> for Time {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        match DateTime::parse_from_rfc3339(value.read_text()) {
            Ok(time) => Ok(Self(time.to_utc())),
            Err(_) => <DateTime<Utc> as FromSql<TimestamptzSqlite, Sqlite>>::from_sql(value).map(Self),
        }
    }
}

impl From<Time> for DateTime<Utc> {
    fn from(Time(time): Time) -> Self {
        time
    }
}

#[cfg(test)]
mod tests {
    use diesel::dsl::sql;
    use diesel::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_as_diesel_reads_it() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        for text in [
            "2026-11-23 10:20:30+00:00",
            "2026-11-23 10:20:30.5+00:00",
            "2026-11-23 10:20:30.123456+00:00",
            "2026-11-23 23:20:30.123456789+01:30",
            "0001-01-01 00:00:00+00:00",
            // Not as they are written.
            "2026-11-23 10:20:30",
            "2026-11-23T10:20Z",
            "2460000.5",
        ] {
            let query = || diesel::select(sql::<TimestamptzSqlite>(&format!("'{text}'")));
            let ours: Time = query().get_result(&mut conn).unwrap();
            let theirs: DateTime<Utc> = query().get_result(&mut conn).unwrap();
            assert_eq!(ours.0, theirs, "{text}");
        }
    }
}
