DROP TRIGGER sessions_move;
DROP TRIGGER sessions_go;
DROP TRIGGER sessions_come;
DROP TABLE worker_loads;
