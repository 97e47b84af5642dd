-- When, by WAHA's clock, the newest of its reports was made that the row has taken in.
ALTER TABLE sessions ADD COLUMN reported_at TEXT;
