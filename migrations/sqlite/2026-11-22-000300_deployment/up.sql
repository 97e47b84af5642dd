-- This deployment's id: one row, made once.
CREATE TABLE deployment (
    singleton INTEGER NOT NULL PRIMARY KEY DEFAULT 1,
    id        TEXT    NOT NULL,
    CONSTRAINT deployment_singleton_check CHECK (singleton = 1)
) STRICT;
