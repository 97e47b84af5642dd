-- What an operator wants of a worker, if that was ever said: all others are active. Where workers are stands in the
-- configuration.
CREATE TABLE workers (
    name       TEXT NOT NULL PRIMARY KEY,
    state      TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    CONSTRAINT workers_state_check CHECK (state IN ('active', 'draining', 'removed'))
) STRICT;

-- Sessions in WAHA that no row wants there. No reference to a session's row: some never had one, and a row may want its
-- session on another worker by now.
CREATE TABLE strays (
    worker      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    since       TEXT    NOT NULL,
    -- Whether its user was moved to another worker.
    left_behind INTEGER NOT NULL,
    CONSTRAINT strays_pkey PRIMARY KEY (worker, name),
    CONSTRAINT strays_left_behind_check CHECK (left_behind IN (0, 1))
) STRICT;

-- Which sessions a worker has. Disconnected ones take no place, and most rows of an old database are.
CREATE INDEX sessions_worker_idx ON sessions (worker, id) WHERE lifecycle <> 'disconnected';

-- Whether anybody is still paired with an account.
CREATE INDEX sessions_account_idx ON sessions (account) WHERE account IS NOT NULL;
