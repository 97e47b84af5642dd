ALTER TABLE sessions DROP COLUMN reported_at;
