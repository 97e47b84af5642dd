-- Keys with which programs sign in. Revoked ones stay: what they were is still asked.
CREATE TABLE api_keys (
    -- The beginning of the key: it names it, and is of no use without the rest, which is nowhere.
    id         TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 of the whole key.
    hash       BLOB NOT NULL,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    -- What a key that was sent is looked up by.
    CONSTRAINT api_keys_hash_key UNIQUE (hash),
    CONSTRAINT api_keys_hash_check CHECK (length(hash) = 32),
    CONSTRAINT api_keys_scope_check CHECK (scope IN ('connect', 'read', 'full'))
) STRICT;
