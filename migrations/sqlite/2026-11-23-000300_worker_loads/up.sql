-- How many sessions each worker has that are not disconnected. Every placement reads it; to count them each time would take
-- as long as there are sessions. Triggers keep it, so that whatever writes a session counts it.
CREATE TABLE worker_loads (
    worker   TEXT    NOT NULL PRIMARY KEY,
    sessions INTEGER NOT NULL,
    CONSTRAINT worker_loads_sessions_check CHECK (sessions >= 0)
) STRICT;

INSERT INTO worker_loads SELECT worker, count(*) FROM sessions WHERE lifecycle <> 'disconnected' GROUP BY worker;

CREATE TRIGGER sessions_come AFTER INSERT ON sessions WHEN NEW.lifecycle <> 'disconnected'
BEGIN
    INSERT INTO worker_loads SELECT NEW.worker, 0
    WHERE NOT EXISTS (SELECT 1 FROM worker_loads WHERE worker = NEW.worker);
    UPDATE worker_loads SET sessions = sessions + 1 WHERE worker = NEW.worker;
END;

CREATE TRIGGER sessions_go AFTER DELETE ON sessions WHEN OLD.lifecycle <> 'disconnected'
BEGIN
    UPDATE worker_loads SET sessions = sessions - 1 WHERE worker = OLD.worker;
END;

CREATE TRIGGER sessions_move AFTER UPDATE OF worker, lifecycle ON sessions
WHEN OLD.worker <> NEW.worker OR (OLD.lifecycle = 'disconnected') <> (NEW.lifecycle = 'disconnected')
BEGIN
    UPDATE worker_loads SET sessions = sessions - 1 WHERE worker = OLD.worker AND OLD.lifecycle <> 'disconnected';
    INSERT INTO worker_loads SELECT NEW.worker, 0
    WHERE NOT EXISTS (SELECT 1 FROM worker_loads WHERE worker = NEW.worker);
    UPDATE worker_loads SET sessions = sessions + 1 WHERE worker = NEW.worker AND NEW.lifecycle <> 'disconnected';
END;
