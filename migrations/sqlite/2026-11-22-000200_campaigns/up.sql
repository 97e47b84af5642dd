-- Campaigns on linked groups. A sibling service writes them; deleted ones keep their row.
CREATE TABLE campaigns (
    id              TEXT NOT NULL PRIMARY KEY,
    linked_group_id TEXT NOT NULL REFERENCES linked_groups (id),
    status          TEXT NOT NULL,
    start_date      TEXT NOT NULL,
    deleted_at      TEXT,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    CONSTRAINT campaigns_status_check
        CHECK (status IN ('DRAFT', 'SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'FAILED'))
) STRICT;

-- A group's campaigns: for the user's start screen, for the refusal to unlink, and for the reference itself.
CREATE INDEX campaigns_linked_group_id_idx ON campaigns (linked_group_id);
