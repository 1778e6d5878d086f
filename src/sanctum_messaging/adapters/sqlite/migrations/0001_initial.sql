-- Times are milliseconds since the epoch. metadata and facts are JSON text.

-- log_id names this log; probe is written to prove that writes work.
CREATE TABLE installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    log_id TEXT NOT NULL,
    probe INTEGER NOT NULL DEFAULT 0
);
INSERT INTO installation (one, log_id) VALUES (1, lower(hex(randomblob(16))));

-- Where the log begins. Moved by retention alone.
CREATE TABLE log_floor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    tag TEXT NOT NULL
);
INSERT INTO log_floor (one, position, tag) VALUES (1, 0, '00000000');

CREATE TABLE conversation (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT,
    metadata TEXT NOT NULL,
    visibility TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    members_version INTEGER NOT NULL,
    base_seq INTEGER NOT NULL DEFAULT 0,
    direct_key TEXT,
    deleted_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX conversation_direct ON conversation (tenant, direct_key) WHERE direct_key IS NOT NULL;

-- A user's place in a conversation; the row stays when he leaves.
CREATE TABLE participant (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    left_at INTEGER,
    left_position INTEGER,
    version INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    muted INTEGER NOT NULL DEFAULT 0,
    hidden INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;
CREATE INDEX participant_present ON participant (conversation_id, user_id, role) WHERE left_at IS NULL;
CREATE INDEX participant_of_user ON participant (tenant, user_id, conversation_id) WHERE left_at IS NULL;
CREATE INDEX participant_gone ON participant (tenant, user_id, left_position) WHERE left_at IS NOT NULL;

-- The times of his membership, both ends included; the last ones are null while it lasts.
CREATE TABLE membership (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    first_position INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_position INTEGER,
    last_seq INTEGER,
    PRIMARY KEY (tenant, user_id, conversation_id, first_position)
) WITHOUT ROWID;
CREATE INDEX membership_open ON membership (conversation_id) WHERE last_position IS NULL;

CREATE TABLE message (
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    client_message_id TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT,
    metadata TEXT,
    reply_to TEXT,
    created_at INTEGER NOT NULL,
    edited_at INTEGER,
    deleted_at INTEGER,
    version INTEGER NOT NULL,
    content_hash TEXT
);
CREATE UNIQUE INDEX message_by_seq ON message (conversation_id, seq);
CREATE UNIQUE INDEX message_by_client_id ON message (conversation_id, sender_id, client_message_id);
CREATE INDEX message_unread ON message (conversation_id, seq, sender_id) WHERE deleted_at IS NULL;

-- The log. facts is the body of all events but those of messages, whose text is joined when they are read;
-- audience is the one user who sees a private change.
CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    tag TEXT NOT NULL,
    tenant TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    message_id TEXT,
    audience TEXT,
    facts TEXT
);
CREATE UNIQUE INDEX event_by_seq ON event (conversation_id, seq);
CREATE INDEX event_by_position ON event (conversation_id, position);

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE resume_state (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    cursor TEXT NOT NULL,
    generation INTEGER NOT NULL,
    secret_hash TEXT NOT NULL,
    previous_hash TEXT,
    previous_until INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX resume_state_by_age ON resume_state (expires_at);
