-- Times are milliseconds since the epoch. metadata and facts are JSON kept as text, so that bytes stay as sent.
-- Ids compare by code point, as in SQLite, whatever the database's locale is.

-- log_id names this log, bus_key authenticates what instances tell one another; probe is written to prove that writes
-- work.
CREATE TABLE installation (
    one smallint PRIMARY KEY CHECK (one = 1),
    log_id text NOT NULL,
    bus_key text NOT NULL,
    probe bigint NOT NULL DEFAULT 0
);
INSERT INTO installation (one, log_id, bus_key)
VALUES (1, replace(gen_random_uuid()::text, '-', ''),
    replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

-- A copy of an embedded installation into this database that is not finished: of which log, with which end, and the last
-- row copied, by its table and its key as a JSON array. No instance serves while the row is there.
CREATE TABLE copy_progress (
    one smallint PRIMARY KEY CHECK (one = 1),
    log_id text NOT NULL,
    head text NOT NULL,
    table_name text,
    last_key text,
    copied bigint NOT NULL DEFAULT 0
);

-- Where the log begins. Moved by retention alone.
CREATE TABLE log_floor (
    one smallint PRIMARY KEY CHECK (one = 1),
    position bigint NOT NULL,
    tag text NOT NULL
);
INSERT INTO log_floor (one, position, tag) VALUES (1, 0, '00000000');

CREATE TABLE conversation (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    title text,
    metadata text NOT NULL,
    visibility text NOT NULL,
    created_by text NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    members_version bigint NOT NULL,
    base_seq bigint NOT NULL DEFAULT 0,
    direct_key text COLLATE "C",
    deleted_at bigint
);
CREATE UNIQUE INDEX conversation_direct ON conversation (tenant, direct_key) WHERE direct_key IS NOT NULL;

-- A user's place in a conversation; the row stays when he leaves. Read markers move often and no index holds them, so
-- that with some room left on each page a move touches the row alone.
CREATE TABLE participant (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    joined_at bigint NOT NULL,
    left_at bigint,
    left_position bigint,
    version bigint NOT NULL,
    read_seq bigint NOT NULL,
    muted boolean NOT NULL DEFAULT false,
    hidden boolean NOT NULL DEFAULT false,
    pinned boolean NOT NULL DEFAULT false,
    PRIMARY KEY (conversation_id, user_id)
) WITH (fillfactor = 80);
CREATE INDEX participant_present ON participant (conversation_id, user_id, role) WHERE left_at IS NULL;
CREATE INDEX participant_of_user ON participant (tenant, user_id, conversation_id) WHERE left_at IS NULL;
CREATE INDEX participant_gone ON participant (tenant, user_id, left_position) WHERE left_at IS NOT NULL;

-- The times of his membership, both ends included; the last ones are null while it lasts.
CREATE TABLE membership (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    first_position bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_position bigint,
    last_seq bigint,
    PRIMARY KEY (tenant, user_id, conversation_id, first_position)
);
CREATE INDEX membership_open ON membership (conversation_id, user_id) WHERE last_position IS NULL;

CREATE TABLE message (
    id text COLLATE "C" PRIMARY KEY,
    conversation_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    sender_id text COLLATE "C" NOT NULL,
    device_id text NOT NULL,
    client_message_id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    body text,
    metadata text,
    reply_to text COLLATE "C",
    created_at bigint NOT NULL,
    edited_at bigint,
    deleted_at bigint,
    version bigint NOT NULL,
    content_hash text
);
CREATE UNIQUE INDEX message_by_seq ON message (conversation_id, seq);
-- One expression, so that no other index looks as good for it to a planner without statistics. No id holds a newline.
CREATE UNIQUE INDEX message_by_client_id ON message
    ((conversation_id || E'\n' || sender_id || E'\n' || client_message_id));
CREATE INDEX message_unread ON message (conversation_id, seq, sender_id) WHERE deleted_at IS NULL;

-- The log. facts is the body of all events but those of messages, whose text is joined when they are read;
-- audience is the one user who sees a private change.
CREATE TABLE event (
    position bigint PRIMARY KEY,
    tag text NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    actor_id text NOT NULL,
    at bigint NOT NULL,
    message_id text COLLATE "C",
    audience text COLLATE "C",
    facts text
);
CREATE INDEX event_by_position ON event (conversation_id, position);
CREATE UNIQUE INDEX event_by_seq ON event (conversation_id, seq);

-- attempt is drawn anew for each append, so that its repeat after a lost connection knows the row for its own; before is
-- the position that the append's events stand behind.
CREATE TABLE idempotency (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    answer text NOT NULL,
    created_at bigint NOT NULL,
    attempt text,
    before bigint,
    PRIMARY KEY (tenant, user_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE resume_state (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    session_id text NOT NULL,
    cursor text NOT NULL,
    generation bigint NOT NULL,
    secret_hash text NOT NULL,
    previous_hash text,
    previous_until bigint NOT NULL DEFAULT 0,
    expires_at bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX resume_state_by_age ON resume_state (expires_at);
