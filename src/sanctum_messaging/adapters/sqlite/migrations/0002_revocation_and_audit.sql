-- runs with: 0001

-- Tokens withdrawn before they expire. An id is one more than the highest, and the highest row is never deleted: ids are
-- not given twice.
CREATE TABLE revocation (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX revocation_by_age ON revocation (created_at);

-- Every use of a service token.
CREATE TABLE audit (
    at INTEGER NOT NULL,
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    bearer TEXT NOT NULL,
    act_as TEXT,
    token_id TEXT,
    session TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (at, id)
) WITHOUT ROWID;

-- Rows are added and never changed. 7776000000 ms are 90 days, after which retention may delete them. A REPLACE deletes
-- without asking the trigger for deletions, so a row that is there may not be added again.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not changed');
END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE at = NEW.at AND id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not changed');
END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN OLD.at > 1000 * CAST(strftime('%s', 'now') AS INTEGER) - 7776000000
BEGIN
    SELECT RAISE(ABORT, 'the audit log is kept for 90 days');
END;
