-- runs with: 0001

-- Appends one change whole or not at all. The change is one document (see append_change.py, which makes it):
--   tenant, now, kept_after    now is when the call was made; an idempotency row is kept until it is as old as kept_after
--   idempotency                {user_id, key, fingerprint, answer, attempt}, or nothing
--   expected                   {conversations, participants, messages, directs}: the row versions that the decision rests on
--   conversation_id, events    the events, all of this conversation, each with what it writes to the state tables:
--                              conversation, deletion, participant or message
--   joins                      the participants who join, each with the number n of his event
-- outcome is
--   appended   the events follow head_position, and the seqs last_seq
--   stale      an expected row has another version now
--   known      the idempotency key has an answer; with head_tag, this very call wrote it in an earlier attempt, and its
--              events follow head_position
--   reused     the idempotency key has an answer to something else
--
-- Lock, snapshots, plans and versions: as in append_messages.
CREATE FUNCTION append_change(change jsonb) RETURNS TABLE (
    outcome text, head_position bigint, head_tag text, last_seq bigint, answer text
)
LANGUAGE plpgsql VOLATILE
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
SET enable_material = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    v_tenant text := change ->> 'tenant';
    v_conversation_id text := change ->> 'conversation_id';
    v_key jsonb := change -> 'idempotency';
    v_known record;
    v_head bigint;
    v_tag text;
    v_seq bigint;
    v_event jsonb;
    v_n bigint;
BEGIN
    -- The log lock.
    PERFORM pg_advisory_xact_lock(23434227459839309);

    IF v_key IS NOT NULL THEN
        SELECT i.fingerprint, i.answer, i.attempt, i.before INTO v_known FROM idempotency i
        WHERE i.tenant = v_tenant AND i.user_id = v_key ->> 'user_id' AND i.key = v_key ->> 'key'
            AND i.created_at > (change ->> 'kept_after')::bigint;
        IF FOUND AND v_known.fingerprint <> v_key ->> 'fingerprint' THEN
            RETURN QUERY SELECT 'reused', NULL::bigint, NULL, NULL::bigint, NULL;
            RETURN;
        ELSIF FOUND AND v_known.attempt = v_key ->> 'attempt' THEN
            RETURN QUERY SELECT 'known', v_known.before, log_tag(v_known.before),
                (SELECT e.seq - 1 FROM event e WHERE e.position = v_known.before + 1), v_known.answer;
            RETURN;
        ELSIF FOUND THEN
            RETURN QUERY SELECT 'known', NULL::bigint, NULL, NULL::bigint, v_known.answer;
            RETURN;
        END IF;
    END IF;

    IF is_stale(v_tenant, change -> 'expected') THEN
        RETURN QUERY SELECT 'stale', NULL::bigint, NULL, NULL::bigint, NULL;
        RETURN;
    END IF;

    SELECT e.position INTO v_head FROM event e ORDER BY e.position DESC LIMIT 1;
    IF NOT FOUND THEN
        SELECT f.position INTO STRICT v_head FROM log_floor f WHERE f.one = 1;
    END IF;
    v_tag := log_tag(v_head);
    v_seq := coalesce(
        (SELECT e.seq FROM event e WHERE e.conversation_id = v_conversation_id AND e.seq > 0
            ORDER BY e.seq DESC LIMIT 1),
        (SELECT c.base_seq FROM conversation c WHERE c.id = v_conversation_id), 0);

    FOR v_event, v_n IN SELECT * FROM jsonb_array_elements(change -> 'events') WITH ORDINALITY LOOP
        PERFORM project_event(v_tenant, v_conversation_id, v_event, v_head + v_n, v_seq + v_n);
    END LOOP;
    PERFORM project_joins(v_tenant, v_conversation_id, change -> 'joins', v_head, v_seq);

    -- A snapshot of the conversation is the one right after its event.
    INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id, audience, facts)
    SELECT v_head + e.n, e.value ->> 'tag', v_tenant, v_conversation_id, v_seq + e.n, e.value ->> 'kind',
        e.value ->> 'actor_id', (e.value ->> 'at')::bigint, e.value #>> '{message,id}', e.value ->> 'audience',
        replace(e.value ->> 'facts', '"last_seq":-1', '"last_seq":' || v_seq + e.n)
    FROM jsonb_array_elements(change -> 'events') WITH ORDINALITY AS e (value, n)
    ORDER BY e.n;

    IF v_key IS NOT NULL THEN
        INSERT INTO idempotency (tenant, user_id, key, fingerprint, answer, created_at, attempt, before)
        VALUES (v_tenant, v_key ->> 'user_id', v_key ->> 'key', v_key ->> 'fingerprint', v_key ->> 'answer',
            (change ->> 'now')::bigint, v_key ->> 'attempt', v_head)
        ON CONFLICT (tenant, user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
            answer = excluded.answer, created_at = excluded.created_at, attempt = excluded.attempt,
            before = excluded.before;
    END IF;
    RETURN QUERY SELECT 'appended', v_head, v_tag, v_seq, NULL;
END
$$;

-- The functions below are parts of append_change; each of their statements has a snapshot of its own, too.

CREATE FUNCTION log_tag(wanted bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN coalesce(
        (SELECT e.tag FROM event e WHERE e.position = wanted),
        (SELECT f.tag FROM log_floor f WHERE f.one = 1 AND f.position = wanted));
END
$$;

CREATE FUNCTION is_stale(of_tenant text, expected jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (
        SELECT 1
        FROM jsonb_to_recordset(expected -> 'conversations') AS x (id text, version bigint, members_version bigint)
        WHERE NOT coalesce((
            SELECT c.version = x.version AND c.members_version = coalesce(x.members_version, c.members_version)
            FROM conversation c WHERE c.id = x.id AND c.deleted_at IS NULL), false)
    ) OR EXISTS (
        SELECT 1
        FROM jsonb_to_recordset(expected -> 'participants') AS x (conversation_id text, user_id text, version bigint)
        WHERE x.version <> coalesce((
            SELECT p.version FROM participant p
            WHERE p.conversation_id = x.conversation_id AND p.user_id = x.user_id), 0)
    ) OR EXISTS (
        SELECT 1 FROM jsonb_to_recordset(expected -> 'messages') AS x (id text, version bigint)
        WHERE x.version IS DISTINCT FROM (SELECT m.version FROM message m WHERE m.id = x.id)
    ) OR EXISTS (
        SELECT 1 FROM jsonb_array_elements_text(expected -> 'directs') AS x (key)
        WHERE (SELECT true FROM conversation c WHERE c.tenant = of_tenant AND c.direct_key = x.key)
    );
END
$$;

-- Writes what one event says: its body is the new state.
CREATE FUNCTION project_event(
    of_tenant text, of_conversation text, event jsonb, at_position bigint, at_seq bigint
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    part jsonb;
    gone text;
BEGIN
    part := event -> 'conversation';
    IF part IS NOT NULL THEN
        INSERT INTO conversation (id, tenant, kind, title, metadata, visibility, created_by, created_at, version,
            members_version, direct_key)
        VALUES (of_conversation, of_tenant, part ->> 'kind', part ->> 'title', part ->> 'metadata',
            part ->> 'visibility', part ->> 'created_by', (part ->> 'created_at')::bigint,
            (part ->> 'version')::bigint, 1, part ->> 'direct_key')
        ON CONFLICT (id) DO UPDATE SET title = excluded.title, metadata = excluded.metadata,
            visibility = excluded.visibility, version = excluded.version;
    END IF;

    part := event -> 'deletion';
    IF part IS NOT NULL THEN
        UPDATE conversation c SET deleted_at = (event ->> 'at')::bigint, version = (part ->> 'version')::bigint,
            members_version = c.members_version + 1, direct_key = NULL
        WHERE c.id = of_conversation;
        FOR gone IN SELECT p.user_id FROM participant p
            WHERE p.conversation_id = of_conversation AND coalesce(p.left_at, -1) = -1
        LOOP
            UPDATE membership i SET last_position = at_position, last_seq = at_seq
            WHERE i.tenant = of_tenant AND i.user_id = gone AND i.conversation_id = of_conversation
                AND i.last_position IS NULL;
        END LOOP;
        UPDATE participant p SET left_at = (event ->> 'at')::bigint, left_position = at_position,
            version = p.version + 1
        WHERE p.conversation_id = of_conversation AND coalesce(p.left_at, -1) = -1;
    END IF;

    part := event -> 'participant';
    IF part IS NOT NULL THEN
        PERFORM put_participants(of_tenant, of_conversation, jsonb_build_array(part || '{"n": 0}'), at_position, at_seq);
        IF event ->> 'kind' = 'participant.removed' THEN
            UPDATE membership i SET last_position = at_position, last_seq = at_seq
            WHERE i.tenant = of_tenant AND i.user_id = part ->> 'user_id' AND i.conversation_id = of_conversation
                AND i.last_position IS NULL;
        END IF;
        IF event ->> 'audience' IS NULL THEN
            UPDATE conversation c SET members_version = c.members_version + 1 WHERE c.id = of_conversation;
        END IF;
    END IF;

    part := event -> 'message';
    IF part IS NOT NULL THEN
        UPDATE message m SET body = part ->> 'body', metadata = part ->> 'metadata',
            edited_at = (part ->> 'edited_at')::bigint, deleted_at = (part ->> 'deleted_at')::bigint,
            version = (part ->> 'version')::bigint
        WHERE m.id = part ->> 'id';
    END IF;
END
$$;

-- Puts those who join, and begins their memberships.
CREATE FUNCTION project_joins(
    of_tenant text, of_conversation text, joins jsonb, head bigint, seq_before bigint
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF jsonb_array_length(joins) = 0 THEN
        RETURN;
    END IF;
    PERFORM put_participants(of_tenant, of_conversation, joins, head, seq_before);
    INSERT INTO membership (tenant, user_id, conversation_id, first_position, first_seq)
    SELECT of_tenant, j.user_id, of_conversation, head + j.n, seq_before + j.n
    FROM jsonb_to_recordset(joins) AS j (n bigint, user_id text);
    UPDATE conversation c SET members_version = c.members_version + 1 WHERE c.id = of_conversation;
END
$$;

-- A row that exists keeps its read marker unless the user joins again; then all before the join counts as read.
CREATE FUNCTION put_participants(
    of_tenant text, of_conversation text, participants jsonb, head bigint, seq_before bigint
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO participant (tenant, user_id, conversation_id, role, joined_at, left_at, left_position, version,
        read_seq, muted, hidden, pinned)
    SELECT of_tenant, x.user_id, of_conversation, x.role, x.joined_at, x.left_at,
        CASE WHEN x.left_at IS NOT NULL THEN head + x.n END, x.version, seq_before + x.n, x.muted, x.hidden, x.pinned
    FROM jsonb_to_recordset(participants) AS x (n bigint, user_id text, role text, joined_at bigint, left_at bigint,
        version bigint, muted boolean, hidden boolean, pinned boolean)
    ON CONFLICT (conversation_id, user_id) DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at,
        left_at = excluded.left_at, left_position = excluded.left_position, version = excluded.version,
        read_seq = CASE WHEN participant.left_at IS NOT NULL AND excluded.left_at IS NULL
            THEN greatest(participant.read_seq, excluded.read_seq) ELSE participant.read_seq END,
        muted = excluded.muted, hidden = excluded.hidden, pinned = excluded.pinned;
END
$$;
