"""The tables of the ledger and how they came to be: numbered migrations, applied in order, never edited.

``docs/reference/ledger.md`` says what each table and column means.  Narrow rows (``attempt``, ``event``) stand
apart from what is large (``blob``), so that listing 100,000 runs reads no order and no exit record.
"""

from __future__ import annotations

#: ``PRAGMA application_id``: the letters CMPG, so that another program's database is never taken for a ledger.
APPLICATION_ID = 0x434D5047

_FIRST = """
CREATE TABLE meta (
    schema INTEGER NOT NULL,
    epoch INTEGER NOT NULL
);
INSERT INTO meta (schema, epoch) VALUES (0, 0);

CREATE TABLE blob (
    id INTEGER PRIMARY KEY,
    hash TEXT UNIQUE,
    data BLOB NOT NULL
);

CREATE TABLE campaign (
    id TEXT PRIMARY KEY,
    submission TEXT UNIQUE,
    name TEXT NOT NULL,
    about TEXT,
    spec TEXT NOT NULL,
    state TEXT NOT NULL,
    run_root TEXT NOT NULL,
    snapshot TEXT,
    plan_hash TEXT NOT NULL,
    seed INTEGER NOT NULL,
    tier TEXT,
    total INTEGER,
    parallel INTEGER NOT NULL,
    orphans TEXT NOT NULL,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    exit_status INTEGER
);
CREATE INDEX campaign_newest ON campaign (created_at);

CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL REFERENCES campaign (id),
    key TEXT NOT NULL,
    origin TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    parent TEXT,
    run TEXT NOT NULL,
    token TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    digest TEXT NOT NULL,
    cause TEXT NOT NULL,
    instance TEXT NOT NULL,
    cell TEXT NOT NULL,
    seed INTEGER NOT NULL,
    directory TEXT NOT NULL,
    state TEXT NOT NULL,
    verdict TEXT,
    reason TEXT,
    kind TEXT,
    message TEXT,
    fingerprint TEXT,
    again TEXT,
    admitted_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT,
    duration_s REAL,
    order_blob INTEGER NOT NULL REFERENCES blob (id),
    exit_blob INTEGER REFERENCES blob (id)
);
CREATE UNIQUE INDEX attempt_key ON attempt (campaign, key, origin, attempt);
CREATE UNIQUE INDEX attempt_token ON attempt (token);
CREATE INDEX attempt_fingerprint ON attempt (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX attempt_open ON attempt (campaign, state) WHERE state != 'done';
CREATE INDEX attempt_again ON attempt (campaign) WHERE again IS NOT NULL;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL,
    key TEXT NOT NULL,
    origin TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    "from" TEXT,
    "to" TEXT NOT NULL,
    cause TEXT,
    epoch INTEGER NOT NULL,
    at TEXT NOT NULL,
    verdict TEXT,
    reason TEXT
);

CREATE TABLE control (
    id INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL,
    prefix TEXT NOT NULL,
    verb TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE hold (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,
    slot TEXT NOT NULL,
    slot_index INTEGER NOT NULL,
    why TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX hold_token ON hold (token);

CREATE TABLE judgement (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,
    source TEXT NOT NULL,
    at TEXT NOT NULL,
    oracles BLOB NOT NULL,
    decision BLOB NOT NULL
);
CREATE INDEX judgement_token ON judgement (token);
"""

#: Remarks and marks; what ``clean`` has forgotten but not yet removed from the disk.
_SECOND = """
CREATE TABLE note (
    id INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX note_campaign ON note (campaign);

CREATE TABLE mark (
    campaign TEXT NOT NULL,
    key TEXT NOT NULL,
    why TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (campaign, key)
);

CREATE TABLE removal (
    id INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL,
    path TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX removal_campaign ON removal (campaign);
"""

#: What is asked for beside the plan: replays, repeats, minimizing; and which of it an attempt belongs to.
_THIRD = """
CREATE TABLE request (
    id TEXT PRIMARY KEY,
    campaign TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT,
    instance TEXT NOT NULL,
    settings BLOB NOT NULL,
    state TEXT NOT NULL,
    at TEXT NOT NULL,
    ended_at TEXT,
    result BLOB
);
CREATE INDEX request_campaign ON request (campaign);
CREATE INDEX request_parent ON request (parent) WHERE parent IS NOT NULL;
CREATE INDEX request_open ON request (campaign) WHERE state = 'open';

ALTER TABLE attempt ADD COLUMN request TEXT;
CREATE INDEX attempt_request ON attempt (request) WHERE request IS NOT NULL;
"""

#: Iterations towards a target, and their steps.
_FOURTH = """
CREATE TABLE iteration (
    id TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    settings BLOB NOT NULL,
    state TEXT NOT NULL,
    at TEXT NOT NULL,
    ended_at TEXT,
    result BLOB
);

CREATE TABLE step (
    iteration TEXT NOT NULL REFERENCES iteration (id),
    number INTEGER NOT NULL,
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    settings BLOB NOT NULL,
    submission TEXT UNIQUE,
    campaign TEXT,
    state TEXT NOT NULL,
    at TEXT NOT NULL,
    ended_at TEXT,
    result BLOB,
    PRIMARY KEY (iteration, number)
);
CREATE INDEX step_campaign ON step (campaign) WHERE campaign IS NOT NULL;
"""

#: Migration *n* takes a ledger of schema *n* - 1 to schema *n*; what has shipped is never edited.
MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND, _THIRD, _FOURTH)
#: The schema that this version reads and writes.
SCHEMA = len(MIGRATIONS)
