DROP TABLE task_leases;
DROP TABLE directory_snapshots;
