-- A session's groups or its contacts, as they were last fetched: one row a session and kind, the same for all replicas.
CREATE TABLE directory_snapshots (
    session_id text COLLATE "C" NOT NULL REFERENCES sessions (id),
    kind       text COLLATE "C" NOT NULL,
    -- Which of the session's pairings it was fetched under.
    epoch      bigint           NOT NULL,
    -- How often the row has been written.
    generation bigint           NOT NULL,
    -- What names the content: 32 hexadecimal digits.
    version    text COLLATE "C" NOT NULL,
    synced_at  timestamptz      NOT NULL,
    settled    boolean          NOT NULL,
    -- Last, and apart from the rest: most reads leave it alone.
    data       bytea            NOT NULL,
    -- Its first column serves the reference to the session. The purge reads the whole table, which without `data` is a
    -- small one; an index on `synced_at` would be written at every refresh, for one reader a day.
    CONSTRAINT directory_snapshots_pkey PRIMARY KEY (session_id, kind),
    CONSTRAINT directory_snapshots_kind_check CHECK (kind IN ('groups', 'contacts')),
    CONSTRAINT directory_snapshots_generation_check CHECK (generation >= 1),
    CONSTRAINT directory_snapshots_version_check CHECK (version ~ '^[0-9a-f]{32}$')
);

-- It is compressed already: do not try again.
ALTER TABLE directory_snapshots ALTER COLUMN data SET STORAGE EXTERNAL;

-- Who may do a task that one replica at a time may do.
CREATE TABLE task_leases (
    task   text COLLATE "C" NOT NULL PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until  timestamptz      NOT NULL
);
