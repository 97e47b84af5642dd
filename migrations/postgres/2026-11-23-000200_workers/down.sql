DROP INDEX sessions_account_idx;
DROP INDEX sessions_worker_idx;
DROP TABLE strays;
DROP TABLE workers;
