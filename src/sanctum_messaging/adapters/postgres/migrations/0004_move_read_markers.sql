-- runs with: 0001

-- Moves read markers, without the log lock; a marker never moves back. For each move n: whether its user is in the
-- conversation now, and whether the seq is at most the conversation's last. The rows are locked in the order of their
-- keys, so that two of these never wait for one another; a locked row is read as it is then.
CREATE FUNCTION move_read_markers(tenants text[], user_ids text[], conversation_ids text[], seqs bigint[])
RETURNS TABLE (n bigint, present boolean, in_range boolean)
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
BEGIN
    RETURN QUERY
    WITH wanted AS MATERIALIZED (
        SELECT w.*
        FROM unnest(tenants, user_ids, conversation_ids, seqs) WITH ORDINALITY
            AS w (tenant, user_id, conversation_id, seq, n)
    ), place AS MATERIALIZED (
        SELECT k.*,
            (SELECT e.seq FROM event e WHERE e.conversation_id = k.conversation_id AND e.seq > 0
                ORDER BY e.seq DESC LIMIT 1) AS last_seq
        FROM (
            SELECT DISTINCT w.conversation_id COLLATE "C" AS conversation_id, w.user_id COLLATE "C" AS user_id, w.tenant
            FROM wanted w ORDER BY 1, 2
        ) AS k
        CROSS JOIN LATERAL (
            SELECT p.read_seq FROM participant p
            WHERE p.conversation_id = k.conversation_id AND p.user_id = k.user_id AND p.tenant = k.tenant
                AND p.left_at IS NULL
            LIMIT 1 FOR NO KEY UPDATE
        ) AS p
    ), judged AS MATERIALIZED (
        SELECT w.*, p.user_id IS NOT NULL AS present, coalesce(w.seq <= p.last_seq, false) AS in_range
        FROM wanted w
        LEFT JOIN place p ON p.conversation_id = w.conversation_id AND p.user_id = w.user_id AND p.tenant = w.tenant
    ), moved AS (
        UPDATE participant SET read_seq = j.seq
        FROM (
            SELECT g.conversation_id, g.user_id, max(g.seq) AS seq FROM judged g WHERE g.in_range
            GROUP BY g.conversation_id, g.user_id
        ) AS j
        WHERE participant.conversation_id = j.conversation_id AND participant.user_id = j.user_id
            AND participant.read_seq < j.seq
    )
    SELECT j.n, j.present, j.in_range FROM judged j ORDER BY j.n;
END
$$;
