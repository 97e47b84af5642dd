DROP TRIGGER sessions_move ON sessions;
DROP TRIGGER sessions_come_and_go ON sessions;
DROP FUNCTION count_session();
DROP TABLE worker_loads;
