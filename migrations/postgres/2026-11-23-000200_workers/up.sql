-- What an operator wants of a worker, if that was ever said: all others are active. Where workers are stands in the
-- configuration, which may differ between replicas; this is the same for all.
CREATE TABLE workers (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    state      text COLLATE "C" NOT NULL,
    changed_at timestamptz      NOT NULL,
    CONSTRAINT workers_state_check CHECK (state IN ('active', 'draining', 'removed'))
);

-- Sessions in WAHA that no row wants there. No reference to a session's row: some never had one, and a row may want its
-- session on another worker by now.
CREATE TABLE strays (
    worker      text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    since       timestamptz      NOT NULL,
    -- Whether its user was moved to another worker.
    left_behind boolean          NOT NULL,
    CONSTRAINT strays_pkey PRIMARY KEY (worker, name)
);

-- Which sessions a worker has. Disconnected ones take no place, and most rows of an old database are.
CREATE INDEX sessions_worker_idx ON sessions (worker, id) WHERE lifecycle <> 'disconnected';

-- Whether anybody is still paired with an account.
CREATE INDEX sessions_account_idx ON sessions (account) WHERE account IS NOT NULL;
