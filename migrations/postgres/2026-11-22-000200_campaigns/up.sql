-- Campaigns on linked groups. A sibling service writes them; deleted ones keep their row.
CREATE TABLE campaigns (
    id              text COLLATE "C" NOT NULL PRIMARY KEY,
    linked_group_id text COLLATE "C" NOT NULL REFERENCES linked_groups (id),
    status          text COLLATE "C" NOT NULL,
    start_date      timestamptz      NOT NULL,
    deleted_at      timestamptz,
    created_at      timestamptz      NOT NULL,
    updated_at      timestamptz      NOT NULL,
    CONSTRAINT campaigns_status_check
        CHECK (status IN ('DRAFT', 'SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'FAILED'))
);

-- A group's campaigns: for the user's start screen, for the refusal to unlink, and for the reference itself.
CREATE INDEX campaigns_linked_group_id_idx ON campaigns (linked_group_id);
