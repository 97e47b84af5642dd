-- A WhatsApp group that a user chose to work with, under the account it was seen with. Unlinked ones keep their row.
CREATE TABLE linked_groups (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    session_id  text COLLATE "C" NOT NULL REFERENCES sessions (id),
    account     text COLLATE "C" NOT NULL,
    group_id    text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    unlinked_at timestamptz,
    created_at  timestamptz      NOT NULL,
    updated_at  timestamptz      NOT NULL,
    -- Its first two columns serve the list of a session's groups and the reference to the session.
    CONSTRAINT linked_groups_group_key UNIQUE (session_id, account, group_id)
);
