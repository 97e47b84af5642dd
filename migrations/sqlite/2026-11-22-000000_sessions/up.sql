-- One row a user. Whatever happens in WAHA, the row stays: it is what the user wants.
-- Times are text in one form, in UTC, which orders as they do.
CREATE TABLE sessions (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    owner       TEXT    NOT NULL,
    worker      TEXT    NOT NULL,
    lifecycle   TEXT    NOT NULL,
    epoch       INTEGER NOT NULL DEFAULT 0,
    -- How often what follows has been written.
    revision    INTEGER NOT NULL DEFAULT 0,
    phone       TEXT,
    account     TEXT,
    paired_at   TEXT,
    status      TEXT,
    down_since  TEXT,
    revived_at  TEXT,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    -- Who may change the session in WAHA, until when, and how often that has changed hands.
    lease_holder TEXT,
    lease_until  TEXT,
    lease_fence  INTEGER NOT NULL DEFAULT 0,
    -- Both indexes are rules first; they also serve the look-ups by owner and by WAHA's name.
    CONSTRAINT sessions_owner_key UNIQUE (owner),
    CONSTRAINT sessions_name_key UNIQUE (name),
    CONSTRAINT sessions_lifecycle_check
        CHECK (lifecycle IN ('connecting', 'connected', 'logging_out', 'disconnected')),
    CONSTRAINT sessions_lease_check CHECK ((lease_holder IS NULL) = (lease_until IS NULL))
) STRICT;
