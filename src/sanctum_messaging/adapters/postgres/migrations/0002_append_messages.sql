-- runs with: 0001

-- Appends a run of sends; each succeeds or fails alone. One row for each draft, and one with n = 0 for the log's end just
-- before: its position and tag. outcome is
--   new        appended, at position and seq
--   twin       the same as draft number "twin" of this run
--   stored     an earlier send of this client message id put it there; the message's columns follow
--   own        as stored, under this very id: an earlier attempt of this call was committed, at position with tag, behind
--              the event with before_tag; true whatever became of the sender since, as his message is in the log
--   reused     the client message id has other content
--   not_found, forbidden, reply_not_found
--
-- The lock comes first, in a statement of its own: a statement sees what was committed when it began, and one that waits
-- for a lock began before. Each later statement of a volatile function has a snapshot of its own, taken under the lock.
--
-- The plan is made once per session, maybe when the tables are empty and all indexes look alike, and must stay right when
-- they are not. So: index scans, whatever the statistics say; each lookup a subquery of its own for one draft (LATERAL,
-- LIMIT), which the planner can't turn round; and where several indexes would do, either each is bound by all its columns
-- or an expression (|| '') or an order keeps out those that would serve badly.
--
-- To give it other parameters, add an overload beside it: instances of the version before go on calling this one.
CREATE FUNCTION append_messages(
    ids text[], tenants text[], conversation_ids text[], sender_ids text[], device_ids text[], client_message_ids text[],
    types text[], bodies text[], metadatas text[], replies text[], times bigint[], content_hashes text[],
    any_ranks boolean[], tags text[]
) RETURNS TABLE (
    n bigint, outcome text, "position" bigint, tag text, seq bigint, twin bigint, before_tag text,
    m_id text, m_conversation_id text, m_seq bigint, m_sender_id text, m_device_id text, m_client_message_id text,
    m_type text, m_body text, m_metadata text, m_reply_to text, m_created_at bigint, m_edited_at bigint,
    m_deleted_at bigint, m_version bigint
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
    head_position bigint;
    head_tag text;
BEGIN
    -- The log lock.
    PERFORM pg_advisory_xact_lock(23434227459839309);

    SELECT e.position, e.tag INTO head_position, head_tag FROM event e ORDER BY e.position DESC LIMIT 1;
    IF NOT FOUND THEN
        SELECT f.position, f.tag INTO STRICT head_position, head_tag FROM log_floor f WHERE f.one = 1;
    END IF;

    RETURN QUERY SELECT 0::bigint, NULL, head_position, head_tag, NULL::bigint, NULL::bigint, NULL, NULL, NULL,
        NULL::bigint, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint;

    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT d.*, p.role, m.id AS stored_id, m.content_hash AS stored_hash, m.seq AS stored_seq,
            c.base_seq,
            d.reply_to IS NULL OR EXISTS (
                SELECT 1 FROM message r
                WHERE r.id = d.reply_to AND r.conversation_id || '' = d.conversation_id AND (
                    c.visibility = 'all' OR EXISTS (
                        SELECT 1 FROM membership i
                        WHERE i.tenant = d.tenant AND i.user_id = d.sender_id AND i.conversation_id = d.conversation_id
                        AND r.seq BETWEEN i.first_seq AND coalesce(i.last_seq, r.seq)))) AS reply_fits
        FROM unnest(ids, tenants, conversation_ids, sender_ids, device_ids, client_message_ids, types, bodies,
            metadatas, replies, times, content_hashes, any_ranks, tags) WITH ORDINALITY
            AS d (id, tenant, conversation_id, sender_id, device_id, client_message_id, type, body, metadata, reply_to,
                at, content_hash, any_rank, tag, n)
        LEFT JOIN LATERAL (
            SELECT c.visibility, c.base_seq FROM conversation c
            WHERE c.id = d.conversation_id AND c.tenant || '' = d.tenant AND c.deleted_at IS NULL LIMIT 1
        ) AS c ON true
        LEFT JOIN LATERAL (
            SELECT p.role FROM participant p
            WHERE c.visibility IS NOT NULL AND p.tenant = d.tenant AND p.conversation_id = d.conversation_id
                AND p.user_id = d.sender_id AND p.left_at IS NULL LIMIT 1
        ) AS p ON true
        LEFT JOIN LATERAL (
            SELECT m.id, m.content_hash, m.seq FROM message m
            WHERE (m.conversation_id || E'\n' || m.sender_id || E'\n' || m.client_message_id)
                = (d.conversation_id || E'\n' || d.sender_id || E'\n' || d.client_message_id) LIMIT 1
        ) AS m ON true
    ), judged AS (
        -- Of twins, the first that may be appended is; the others are compared with it.
        SELECT f.*, min(f.n) FILTER (WHERE f.role IS NOT NULL AND f.stored_id IS NULL AND f.reply_fits
            AND (f.role <> 'observer' OR f.any_rank)) OVER (
                PARTITION BY f.conversation_id COLLATE "C", f.sender_id COLLATE "C", f.client_message_id COLLATE "C"
            ) AS first
        FROM found f
    ), decided AS (
        SELECT j.*, CASE
            WHEN j.stored_id = j.id THEN 'own'
            WHEN j.role IS NULL THEN 'not_found'
            WHEN j.stored_id IS NOT NULL THEN
                CASE WHEN coalesce(j.stored_hash, j.content_hash) = j.content_hash THEN 'stored' ELSE 'reused' END
            WHEN j.first = j.n THEN 'new'
            WHEN j.first < j.n THEN
                CASE WHEN content_hashes[j.first] = j.content_hash THEN 'twin' ELSE 'reused' END
            WHEN j.role = 'observer' AND NOT j.any_rank THEN 'forbidden'
            ELSE 'reply_not_found' END AS outcome
        FROM judged j
    ), counted AS (
        SELECT d.*, count(*) FILTER (WHERE d.outcome = 'new') OVER (
            PARTITION BY d.conversation_id COLLATE "C" ORDER BY d.n) AS nth
        FROM decided d
    ), numbered AS MATERIALIZED (
        -- A conversation's last seq is looked up once, by its first new message.
        SELECT k.*, head_position + count(*) FILTER (WHERE k.outcome = 'new') OVER (ORDER BY k.n) AS position,
            k.nth + max(CASE WHEN k.outcome = 'new' AND k.nth = 1 THEN coalesce(
                (SELECT e.seq FROM event e WHERE e.conversation_id = k.conversation_id AND e.seq > 0
                    ORDER BY e.seq DESC LIMIT 1), k.base_seq) END)
                OVER (PARTITION BY k.conversation_id COLLATE "C") AS seq
        FROM counted k
    ), messages AS (
        INSERT INTO message (id, conversation_id, seq, sender_id, device_id, client_message_id, type, body, metadata,
            reply_to, created_at, version, content_hash)
        SELECT f.id, f.conversation_id, f.seq, f.sender_id, f.device_id, f.client_message_id, f.type, f.body,
            f.metadata, f.reply_to, f.at, 1, f.content_hash
        FROM numbered f WHERE f.outcome = 'new'
    ), events AS (
        INSERT INTO event (position, tag, tenant, conversation_id, seq, kind, actor_id, at, message_id)
        SELECT f.position, f.tag, f.tenant, f.conversation_id, f.seq, 'message.created', f.sender_id, f.at, f.id
        FROM numbered f WHERE f.outcome = 'new'
    )
    SELECT f.n, f.outcome,
        CASE f.outcome WHEN 'new' THEN f.position ELSE o.position END,
        o.tag,
        CASE f.outcome WHEN 'new' THEN f.seq END,
        CASE f.outcome WHEN 'twin' THEN f.first END,
        CASE f.outcome WHEN 'own' THEN coalesce(
            (SELECT b.tag FROM event b WHERE b.position = o.position - 1),
            (SELECT l.tag FROM log_floor l WHERE l.one = 1 AND l.position = o.position - 1)) END,
        s.id, s.conversation_id, s.seq, s.sender_id, s.device_id, s.client_message_id, s.type, s.body, s.metadata,
        s.reply_to, s.created_at, s.edited_at, s.deleted_at, s.version
    FROM numbered f
    LEFT JOIN LATERAL (
        SELECT * FROM message s WHERE f.outcome IN ('stored', 'own') AND s.id = f.stored_id LIMIT 1
    ) AS s ON true
    LEFT JOIN LATERAL (
        SELECT e.position, e.tag FROM event e
        WHERE f.outcome = 'own' AND e.conversation_id = f.conversation_id AND e.seq >= f.stored_seq
        ORDER BY e.seq LIMIT 1
    ) AS o ON true
    ORDER BY f.n;
END
$$;
