DROP TABLE hub_runs;
