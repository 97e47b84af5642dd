-- One row a user. Whatever happens in WAHA, the row stays: it is what the user wants.
-- Texts are compared byte by byte (COLLATE "C"), as Rust does, whatever the database's own collation is.
CREATE TABLE sessions (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    name        text COLLATE "C" NOT NULL,
    owner       text COLLATE "C" NOT NULL,
    worker      text COLLATE "C" NOT NULL,
    lifecycle   text COLLATE "C" NOT NULL,
    epoch       bigint           NOT NULL DEFAULT 0,
    -- How often what follows has been written.
    revision    bigint           NOT NULL DEFAULT 0,
    phone       text COLLATE "C",
    account     text COLLATE "C",
    paired_at   timestamptz,
    status      text COLLATE "C",
    down_since  timestamptz,
    revived_at  timestamptz,
    created_at  timestamptz      NOT NULL,
    updated_at  timestamptz      NOT NULL,
    -- Who may change the session in WAHA, until when, and how often that has changed hands.
    lease_holder text COLLATE "C",
    lease_until  timestamptz,
    lease_fence  bigint          NOT NULL DEFAULT 0,
    -- Both indexes are rules first; they also serve the look-ups by owner and by WAHA's name.
    CONSTRAINT sessions_owner_key UNIQUE (owner),
    CONSTRAINT sessions_name_key UNIQUE (name),
    CONSTRAINT sessions_lifecycle_check
        CHECK (lifecycle IN ('connecting', 'connected', 'logging_out', 'disconnected')),
    CONSTRAINT sessions_lease_check CHECK ((lease_holder IS NULL) = (lease_until IS NULL))
);
