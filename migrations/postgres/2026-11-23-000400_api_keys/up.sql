-- Keys with which programs sign in. Revoked ones stay: what they were is still asked.
CREATE TABLE api_keys (
    -- The beginning of the key: it names it, and is of no use without the rest, which is nowhere.
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    -- SHA-256 of the whole key.
    hash       bytea            NOT NULL,
    owner      text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    created_at timestamptz      NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    -- What a key that was sent is looked up by.
    CONSTRAINT api_keys_hash_key UNIQUE (hash),
    CONSTRAINT api_keys_hash_check CHECK (length(hash) = 32),
    CONSTRAINT api_keys_scope_check CHECK (scope IN ('connect', 'read', 'full'))
);
