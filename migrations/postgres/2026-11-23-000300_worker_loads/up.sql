-- How many sessions each worker has that are not disconnected. Every placement reads it; to count them each time would take
-- as long as there are sessions. Triggers keep it, so that whatever writes a session counts it.
CREATE TABLE worker_loads (
    worker   text COLLATE "C" NOT NULL PRIMARY KEY,
    sessions bigint           NOT NULL,
    CONSTRAINT worker_loads_sessions_check CHECK (sessions >= 0)
);

-- Nobody comes or goes between the count and the triggers.
LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO worker_loads SELECT worker, count(*) FROM sessions WHERE lifecycle <> 'disconnected' GROUP BY worker;

CREATE FUNCTION count_session() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.lifecycle <> 'disconnected' THEN
        UPDATE worker_loads SET sessions = worker_loads.sessions - 1 WHERE worker = OLD.worker;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.lifecycle <> 'disconnected' THEN
        INSERT INTO worker_loads VALUES (NEW.worker, 1)
        ON CONFLICT (worker) DO UPDATE SET sessions = worker_loads.sessions + 1;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER sessions_come_and_go AFTER INSERT OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION count_session();

CREATE TRIGGER sessions_move AFTER UPDATE OF worker, lifecycle ON sessions
    FOR EACH ROW
    WHEN (OLD.worker <> NEW.worker OR (OLD.lifecycle = 'disconnected') <> (NEW.lifecycle = 'disconnected'))
    EXECUTE FUNCTION count_session();
