-- Who did what, when, by which means, and what came of it. No reference to a session's row or a key's: what was done outlives
-- them.
CREATE TABLE audit_log (
    id      text COLLATE "C" NOT NULL PRIMARY KEY,
    at      timestamptz      NOT NULL,
    action  text COLLATE "C" NOT NULL,
    means   text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    -- Whom, which session and which worker it was about, if any.
    owner   text COLLATE "C",
    session text COLLATE "C",
    worker  text COLLATE "C"
);

-- For the list of a user's, for the list of all, and for the purge.
CREATE INDEX audit_log_owner_idx ON audit_log (owner, at, id);
CREATE INDEX audit_log_at_idx ON audit_log (at, id);
-- For what is erased with a session, though it names no user.
CREATE INDEX audit_log_session_idx ON audit_log (session) WHERE owner IS NULL;
