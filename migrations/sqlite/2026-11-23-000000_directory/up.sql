-- A session's groups or its contacts, as they were last fetched: one row a session and kind, the same for all replicas.
CREATE TABLE directory_snapshots (
    session_id TEXT    NOT NULL REFERENCES sessions (id),
    kind       TEXT    NOT NULL,
    -- Which of the session's pairings it was fetched under.
    epoch      INTEGER NOT NULL,
    -- How often the row has been written.
    generation INTEGER NOT NULL,
    -- What names the content: 32 hexadecimal digits.
    version    TEXT    NOT NULL,
    synced_at  TEXT    NOT NULL,
    settled    INTEGER NOT NULL,
    -- Last: what comes before it is read without reading it.
    data       BLOB    NOT NULL,
    -- Its first column serves the reference to the session. The purge reads the whole table, which without `data` is a
    -- small one; an index on `synced_at` would be written at every refresh, for one reader a day.
    CONSTRAINT directory_snapshots_pkey PRIMARY KEY (session_id, kind),
    CONSTRAINT directory_snapshots_kind_check CHECK (kind IN ('groups', 'contacts')),
    CONSTRAINT directory_snapshots_generation_check CHECK (generation >= 1),
    CONSTRAINT directory_snapshots_version_check CHECK (length(version) = 32 AND version NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT directory_snapshots_settled_check CHECK (settled IN (0, 1))
) STRICT;

-- Who may do a task that one replica at a time may do.
CREATE TABLE task_leases (
    task   TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  TEXT NOT NULL
) STRICT;
