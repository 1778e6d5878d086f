-- runs with: 0001

-- Takes a run of sessions over, each as if alone: raises its generation, unless the one who asks is not its owner or shows
-- an outdated token. For each that was taken over: its number n in the run, its cursor and the new generation. The rows
-- are taken in the order of their ids, so that two of these never wait for one another, and each by its id.
CREATE FUNCTION take_over_sessions(
    ids text[], tenants text[], user_ids text[], device_ids text[], session_ids text[], presented_hashes text[],
    successor_hashes text[], at_time bigint, grace bigint
) RETURNS TABLE (n bigint, "cursor" text, generation bigint)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT w.*
        FROM unnest(ids, tenants, user_ids, device_ids, session_ids, presented_hashes, successor_hashes) WITH ORDINALITY
            AS w (id, tenant, user_id, device_id, session_id, presented, successor, number)
        ORDER BY w.id COLLATE "C", w.number
    LOOP
        RETURN QUERY
        UPDATE resume_state s SET generation = s.generation + 1, secret_hash = wanted.successor,
            session_id = wanted.session_id, previous_hash = wanted.presented,
            previous_until = CASE WHEN s.secret_hash = wanted.presented THEN at_time + grace ELSE s.previous_until END
        WHERE s.id = wanted.id AND s.tenant = wanted.tenant AND s.user_id = wanted.user_id
            AND s.device_id = wanted.device_id AND s.expires_at > at_time AND (
                s.secret_hash = wanted.presented
                OR (s.previous_hash = wanted.presented AND s.previous_until > at_time))
        RETURNING wanted.number, s.cursor, s.generation;
    END LOOP;
END
$$;
