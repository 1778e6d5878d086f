-- runs with: 0001

-- Tokens withdrawn before they expire. An id is one more than the highest, and the highest row is never deleted: ids are
-- not given twice.
CREATE TABLE revocation (
    id bigint PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    not_before bigint NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX revocation_by_age ON revocation (created_at);

-- The lock is held to the commit and taken in a statement of its own, so that ids are committed in their order: nobody
-- who follows them passes over one that is not committed yet.
CREATE FUNCTION add_revocation(
    new_tenant text, new_kind text, new_value text, new_not_before bigint, new_created_at bigint
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(23434227459381293);
    INSERT INTO revocation (id, tenant, kind, value, not_before, created_at)
    SELECT coalesce((SELECT r.id FROM revocation r ORDER BY r.id DESC LIMIT 1), 0) + 1,
        new_tenant, new_kind, new_value, new_not_before, new_created_at
    RETURNING id INTO new_id;
    RETURN new_id;
END
$$;

-- Every use of a service token.
CREATE TABLE audit (
    at bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    bearer text COLLATE "C" NOT NULL,
    act_as text COLLATE "C",
    token_id text,
    session text NOT NULL,
    address text,
    action text NOT NULL,
    request_id text NOT NULL,
    PRIMARY KEY (at, id)
);

-- Rows are added and never changed. 7776000000 ms are 90 days, after which retention may delete them. now() is the same
-- in all of a transaction, for the statement that deletes as for the trigger.
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at <= (extract(epoch FROM now()) * 1000)::bigint - 7776000000 THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'the audit log is kept for 90 days';
    END IF;
    RAISE EXCEPTION 'the audit log is not changed';
END
$$;
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
