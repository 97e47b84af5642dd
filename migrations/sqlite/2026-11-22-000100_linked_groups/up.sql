-- A WhatsApp group that a user chose to work with, under the account it was seen with. Unlinked ones keep their row.
CREATE TABLE linked_groups (
    id          TEXT NOT NULL PRIMARY KEY,
    session_id  TEXT NOT NULL REFERENCES sessions (id),
    account     TEXT NOT NULL,
    group_id    TEXT NOT NULL,
    name        TEXT NOT NULL,
    unlinked_at TEXT,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    -- Its first two columns serve the list of a session's groups and the reference to the session.
    CONSTRAINT linked_groups_group_key UNIQUE (session_id, account, group_id)
) STRICT;
