CREATE TABLE events (
    id integer NOT NULL,
    at character varying(40) NOT NULL,
    run character varying(64) NOT NULL,
    job character varying(128) NOT NULL,
    kind character varying(40) NOT NULL,
    once character varying(255),
    data text NOT NULL
);
CREATE SEQUENCE events_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE events_id_seq OWNED BY events.id;
CREATE TABLE places (
    name character varying(128) NOT NULL,
    value text NOT NULL
);
ALTER TABLE ONLY events ALTER COLUMN id SET DEFAULT nextval('events_id_seq'::regclass);
INSERT INTO events VALUES (1, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'RunQueued', NULL, '{"trigger": "schedule", "scheduled_at": "T", "data_start": "s", "data_end": "", "attempt": 2, "first": "", "because": "", "not_before": "", "given": {}, "signal": {}, "commit": ""}');
INSERT INTO events VALUES (2, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'RunQueued', NULL, '{"trigger": "data", "scheduled_at": "T", "data_start": "", "data_end": "", "attempt": 1, "first": "q", "because": "", "not_before": "U", "given": {"a": 1}, "signal": {"files": {"a.csv": "d"}}, "commit": "c"}');
INSERT INTO events VALUES (3, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'RunClaimed', NULL, '{"process": [7, "host 12.5"]}');
INSERT INTO events VALUES (4, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'RunLost', NULL, '{"error": "killed"}');
INSERT INTO events VALUES (5, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'RunDone', NULL, '{"exit_status": 1}');
INSERT INTO events VALUES (6, '2026-01-01T12:00:00.000+00:00', 'r', '', 'RunStarted', NULL, '{"notebook": "n.ipynb", "parameters": {"a": [1, null, {"b": 0.5}], "ü": "한글"}, "output": "", "process": [7, "12.5"], "steps": ["load", "train"], "sweep": "s", "shared": true}');
INSERT INTO events VALUES (7, '2026-01-01T12:00:00.000+00:00', 'r', '', 'EngineChosen', NULL, '{"engine": "kernel", "because": "it uses widgets"}');
INSERT INTO events VALUES (8, '2026-01-01T12:00:00.000+00:00', 'r', '', 'RunRetried', NULL, '{"attempt": 1, "of": 2, "seconds": 1.0}');
INSERT INTO events VALUES (9, '2026-01-01T12:00:00.000+00:00', '', '', 'SweepStarted', NULL, '{"sweep": "s", "notebook": "n.ipynb", "grid": {"a": [1, null, "x"]}, "parameters": {"b": 2}, "shared": ["load"], "workers": 2, "by": "auc", "fresh": false, "digest": "d", "process": [7, "12.5"]}');
INSERT INTO events VALUES (10, '2026-01-01T12:00:00.000+00:00', '', '', 'SweepFinished', NULL, '{"sweep": "s", "status": "stopped", "seconds": 1.5, "best": "r", "error": "no"}');
INSERT INTO events VALUES (11, '2026-01-01T12:00:00.000+00:00', 'r', '', 'CellStarted', NULL, '{"cell": 0}');
INSERT INTO events VALUES (12, '2026-01-01T12:00:00.000+00:00', 'r', '', 'CellFinished', NULL, '{"cell": 0, "seconds": 0.1}');
INSERT INTO events VALUES (13, '2026-01-01T12:00:00.000+00:00', 'r', '', 'CellFailed', NULL, '{"cell": 1, "seconds": 0.2, "error": "ZeroDivisionError", "traceback": "a\n  b\n"}');
INSERT INTO events VALUES (14, '2026-01-01T12:00:00.000+00:00', 'r', '', 'StepStarted', NULL, '{"step": "load"}');
INSERT INTO events VALUES (15, '2026-01-01T12:00:00.000+00:00', 'r', '', 'StepFinished', NULL, '{"step": "load", "seconds": 0.3, "because": "x"}');
INSERT INTO events VALUES (16, '2026-01-01T12:00:00.000+00:00', 'r', '', 'StepFailed', NULL, '{"step": "train", "seconds": 0.0, "error": "no", "cell": 3}');
INSERT INTO events VALUES (17, '2026-01-01T12:00:00.000+00:00', 'r', '', 'StepObserved', NULL, '{"step": "load", "values": {"df": {"digest": "d", "schema": {"rows": 3}}}}');
INSERT INTO events VALUES (18, '2026-01-01T12:00:00.000+00:00', 'r', '', 'CellObserved', NULL, '{"cell": 0, "seen": {"reads": ["x"], "assumed": []}}');
INSERT INTO events VALUES (19, '2026-01-01T12:00:00.000+00:00', 'r', '', 'StepReused', NULL, '{"step": "load", "because": "`load` stands: code", "saved": 1.5, "cells": [1, 2]}');
INSERT INTO events VALUES (20, '2026-01-01T12:00:00.000+00:00', 'r', '', 'StepRecorded', NULL, '{"step": "load", "unit": "load", "record": {"code": "c", "artifacts": []}}');
INSERT INTO events VALUES (21, '2026-01-01T12:00:00.000+00:00', 'r', '', 'ArtifactDamaged', NULL, '{"artifact": "a", "what": "its bytes"}');
INSERT INTO events VALUES (22, '2026-01-01T12:00:00.000+00:00', 'r', '', 'ReuseAudited', NULL, '{"step": "load", "differs": ["df"]}');
INSERT INTO events VALUES (23, '2026-01-01T12:00:00.000+00:00', 'r2', 'j', 'RunQueued', 'j/T', '{"trigger": "schedule", "scheduled_at": "T", "data_start": "", "data_end": "", "attempt": 1, "first": "", "because": "", "not_before": "", "given": {}, "signal": {}, "commit": ""}');
INSERT INTO events VALUES (24, '2026-01-01T12:00:00.000+00:00', 'r', '', 'Measured', NULL, '{"metrics": {"auc": 0.30000000000000004}, "slices": {"auc_by_o": {"x": 1e-300}}, "logged_run": "", "evaluation": {"least": 30, "whole": {"auc": {"value": 0.5, "low": null, "n": 9}}}}');
INSERT INTO events VALUES (25, '2026-01-01T12:00:00.000+00:00', 'r', '', 'Imported', NULL, '{"modules": ["numpy"], "files": ["a.py"]}');
INSERT INTO events VALUES (26, '2026-01-01T12:00:00.000+00:00', 'r', '', 'ModelKept', NULL, '{"variable": "m", "digest": "d", "artifact": "a", "type": "Tree"}');
INSERT INTO events VALUES (27, '2026-01-01T12:00:00.000+00:00', 'r', '', 'ChampionScored', NULL, '{"version": 3, "metrics": {"auc": 0.5}, "error": "", "slices": {"auc_by_o": {"x": 0.5}}, "evaluation": {"rows": {"o": {"x": 9}}}}');
INSERT INTO events VALUES (28, '2026-01-01T12:00:00.000+00:00', 'r', '', 'RunFinished', NULL, '{"status": "failed", "seconds": 9.0, "error": "''quoted'' \"twice\" \\ % {}", "fix": "", "stood": false}');
INSERT INTO events VALUES (29, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'Judged', NULL, '{"verdicts": [{"gate": "auc > 0", "passed": true}], "passed": true, "because": ""}');
INSERT INTO events VALUES (30, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'Registered', NULL, '{"model": "M", "version": 1, "artifact": "a", "digest": "d", "metrics": {}}');
INSERT INTO events VALUES (31, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'Released', NULL, '{"model": "M", "version": 2, "previous": null, "because": "", "rollback": true, "by": ""}');
INSERT INTO events VALUES (32, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'ApprovalAsked', NULL, '{"model": "M", "version": 2, "champion": 1, "because": "gates"}');
INSERT INTO events VALUES (33, '2026-01-01T12:00:00.000+00:00', '', 'j', 'Evaluated', NULL, '{"model": "M", "version": 2, "metrics": {"auc": 0.5}, "drift": [{"column": "a", "value": 0.1}], "error": ""}');
INSERT INTO events VALUES (34, '2026-01-01T12:00:00.000+00:00', '', '', 'AliasMoved', NULL, '{"model": "M", "found": "3", "expected": "2"}');
INSERT INTO events VALUES (35, '2026-01-01T12:00:00.000+00:00', 'r', '', 'DataChecked', NULL, '{"step": "load", "name": "df", "rows": 3, "failures": [{"column": "a", "rows": 1, "examples": []}], "drift": []}');
INSERT INTO events VALUES (36, '2026-01-01T12:00:00.000+00:00', '', 'j', 'DataSeen', NULL, '{"files": {"a.csv": "d"}}');
INSERT INTO events VALUES (37, '2026-01-01T12:00:00.000+00:00', '', 'j', 'AlertRaised', NULL, '{"alert": "j-failed-1", "kind": "failed", "what": "w", "fix": "f", "urgent": true, "cause": "r"}');
INSERT INTO events VALUES (38, '2026-01-01T12:00:00.000+00:00', '', 'j', 'AlertSent', NULL, '{"alert": "j-failed-1", "channel": "log", "error": "e", "about": "ended", "attempt": 2}');
INSERT INTO events VALUES (39, '2026-01-01T12:00:00.000+00:00', '', 'j', 'AlertAcked', NULL, '{"alert": "j-failed-1", "until": "T", "by": "ann"}');
INSERT INTO events VALUES (40, '2026-01-01T12:00:00.000+00:00', '', 'j', 'AlertEnded', NULL, '{"alert": "j-failed-1", "because": "it ran"}');
INSERT INTO events VALUES (41, '2026-01-01T12:00:00.000+00:00', '', 'j', 'JobDrafted', NULL, '{"digest": "d", "model_run": ""}');
INSERT INTO events VALUES (42, '2026-01-01T12:00:00.000+00:00', '', 'j', 'JobApplied', NULL, '{"digest": "d", "bundle": "b", "definition": {"gates": ["a"], "model": null}, "source_digest": "", "commit": "", "rollback": false}');
INSERT INTO events VALUES (43, '2026-01-01T12:00:00.000+00:00', '', 'j', 'JobPaused', NULL, '{}');
INSERT INTO events VALUES (44, '2026-01-01T12:00:00.000+00:00', '', 'j', 'JobUnpaused', NULL, '{}');
INSERT INTO events VALUES (45, '2026-01-01T12:00:00.000+00:00', 'r', 'j', 'RunSkipped', NULL, '{"scheduled_at": "T", "because": "paused"}');
INSERT INTO events VALUES (46, '2026-01-01T12:00:00.000+00:00', 'r', '', 'Mirrored', NULL, '{"mlflow_run": "abc", "note": ""}');
INSERT INTO events VALUES (47, '2026-01-01T12:00:00.000+00:00', 'r2', 'j', 'RunClaimed', 'claim/r2', '{"process": [8, "h"]}');
INSERT INTO events VALUES (48, '2026-01-01T12:00:00.000+00:00', '', 'j', 'JobPaused', NULL, '{}');
INSERT INTO events VALUES (49, '2026-01-01T12:00:00.000+00:00', '', 'j', 'JobUnpaused', NULL, '{}');
INSERT INTO places VALUES ('openlineage', '40');
INSERT INTO places VALUES ('mlflow', '18');
INSERT INTO places VALUES ('empty', '');
SELECT pg_catalog.setval('events_id_seq', 49, true);
ALTER TABLE ONLY events
    ADD CONSTRAINT events_once_key UNIQUE (once);
ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY places
    ADD CONSTRAINT places_pkey PRIMARY KEY (name);
CREATE INDEX ix_events_job ON events USING btree (job);
CREATE INDEX ix_events_kind ON events USING btree (kind);
CREATE INDEX ix_events_run ON events USING btree (run);
