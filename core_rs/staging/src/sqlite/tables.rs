//! The tables of the SQLite file, version by version.

/// `rows` is keyed by entity and ordinal in one integer, so that a run of ordinals is one range of the table.
/// `entity` and `ordinal` take no space. A deleted row keeps its key, id and LSN, so that followers hear of it.
/// `entities` is written with every commit: the next ordinal, and counters that make statistics cheap.
pub(super) const TABLES: &str = "
CREATE TABLE meta (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    epoch BLOB NOT NULL,
    secret BLOB NOT NULL,
    head INTEGER NOT NULL
) STRICT;
CREATE TABLE rows (
    row_key INTEGER PRIMARY KEY,
    entity INTEGER GENERATED ALWAYS AS (row_key >> 32) VIRTUAL,
    ordinal INTEGER GENERATED ALWAYS AS (row_key & 4294967295) VIRTUAL,
    id ANY NOT NULL,
    lsn INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    etag TEXT,
    payload BLOB
) STRICT;
CREATE TABLE entities (
    entity INTEGER PRIMARY KEY,
    next_ordinal INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL
) STRICT;
CREATE TABLE models (
    revision INTEGER PRIMARY KEY,
    lsn INTEGER NOT NULL,
    model BLOB NOT NULL
) STRICT;
";

/// By id to find rows, by LSN to follow them.
pub(super) const INDEXES: &str = "
CREATE UNIQUE INDEX IF NOT EXISTS rows_by_id ON rows (entity, id);
CREATE INDEX IF NOT EXISTS rows_by_lsn ON rows (lsn);
";

/// What later versions have added, in order.
pub(super) const ADDED: [(i64, &str); 9] = [
    (2, MARKS),
    (3, LEDGER),
    (4, DEVICES),
    (5, INTAKE),
    (6, QUEUE),
    (7, HISTORIES),
    (8, QUEUE_STATE),
    (9, REPEATS),
    (10, DOUBTED),
];

/// Version 2: how far each entity follows another database. `stage` and `next` are a [`crate::Stage`].
const MARKS: &str = "
CREATE TABLE marks (
    entity INTEGER PRIMARY KEY,
    source BLOB NOT NULL,
    lsn INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    next INTEGER NOT NULL,
    sweep_end INTEGER NOT NULL
) STRICT;
";

/// Version 3: what became of the devices' mutations, see [`crate::Entry`]. Their `place` is the order in which they were
/// judged. `mutation` is there while the entry is in the log of refusals, `effect` until it is written back.
/// `ledger_end` has its row once the ledger is closed.
const LEDGER: &str = "
CREATE TABLE mutations (
    place INTEGER PRIMARY KEY,
    install BLOB NOT NULL,
    user BLOB NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    entity INTEGER NOT NULL,
    id ANY NOT NULL,
    kind INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    before INTEGER NOT NULL,
    lsn INTEGER NOT NULL,
    answer BLOB NOT NULL,
    written_at_us INTEGER NOT NULL,
    received_at_us INTEGER NOT NULL,
    resolution INTEGER NOT NULL,
    mutation BLOB,
    effect BLOB
) STRICT;
CREATE UNIQUE INDEX mutations_by_number ON mutations (install, user, number);
CREATE UNIQUE INDEX mutations_by_lsn ON mutations (lsn) WHERE lsn > 0;
CREATE INDEX mutations_refused ON mutations (place) WHERE mutation IS NOT NULL;
CREATE INDEX mutations_refused_by_row ON mutations (install, user, entity, id, number) WHERE mutation IS NOT NULL;
CREATE INDEX mutations_unwritten ON mutations (place) WHERE effect IS NOT NULL;
CREATE INDEX mutations_unwritten_by_row ON mutations (entity, id, place) WHERE effect IS NOT NULL;
CREATE TABLE ledger_end (singleton INTEGER PRIMARY KEY CHECK (singleton = 1)) STRICT;
";

/// Version 4: the registry of devices, see [`crate::About`] and [`crate::Orders`]. `standing` is the number of a
/// [`crate::Standing`]. The version in `device_orders` rises with every order.
const DEVICES: &str = "
CREATE TABLE devices (
    install BLOB NOT NULL,
    user BLOB NOT NULL,
    name TEXT NOT NULL,
    app TEXT NOT NULL,
    client TEXT NOT NULL,
    report BLOB NOT NULL,
    stage INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    first_seen_us INTEGER NOT NULL,
    last_seen_us INTEGER NOT NULL,
    checkpoint_lsn INTEGER NOT NULL,
    checkpoint_at_us INTEGER NOT NULL,
    full_syncs INTEGER NOT NULL,
    block_reason TEXT,
    blocked_at_us INTEGER NOT NULL,
    wipe_reason TEXT,
    wipe_ordered_us INTEGER NOT NULL,
    offers_outbox INTEGER NOT NULL,
    wiped_at_us INTEGER NOT NULL,
    check_ordered_us INTEGER NOT NULL,
    checked_at_us INTEGER NOT NULL,
    standing INTEGER GENERATED ALWAYS AS (
        CASE WHEN wiped_at_us > 0 THEN 4 WHEN wipe_reason IS NOT NULL THEN 3 WHEN block_reason IS NOT NULL THEN 2 ELSE 1 END
    ) VIRTUAL,
    PRIMARY KEY (install, user)
) STRICT;
CREATE INDEX devices_by_seen ON devices (last_seen_us, install, user);
CREATE INDEX devices_by_user ON devices (user, last_seen_us);
CREATE INDEX devices_ordered ON devices (install, user) WHERE standing > 1 OR checked_at_us < check_ordered_us;
CREATE TABLE device_orders (singleton INTEGER PRIMARY KEY CHECK (singleton = 1), version INTEGER NOT NULL) STRICT;
INSERT INTO device_orders VALUES (1, 0);
";

/// Version 5: what follows a source outside, see [`crate::Intake`]. `positions` has 0 for the whole organization. `seen` has
/// rows below the end of their entity's pass, and not below `next`, which is where its sweep goes on.
const INTAKE: &str = "
CREATE TABLE positions (entity INTEGER PRIMARY KEY, position BLOB NOT NULL) STRICT;
CREATE TABLE passes (
    entity INTEGER PRIMARY KEY,
    sweep_end INTEGER NOT NULL,
    next INTEGER NOT NULL
) STRICT;
CREATE TABLE seen (row_key INTEGER PRIMARY KEY) STRICT;
";

/// Version 6: mutations that wait for a source outside, see [`crate::queue`], in order of `turn`; `depends_on` has the numbers
/// of the device's mutations, eight bytes each, big endian. `settled` counts the answers that became final after the first.
const QUEUE: &str = "
CREATE TABLE queue (
    turn INTEGER PRIMARY KEY AUTOINCREMENT,
    place INTEGER NOT NULL UNIQUE,
    install BLOB NOT NULL,
    user BLOB NOT NULL,
    number INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    id ANY NOT NULL,
    kind INTEGER NOT NULL,
    judged_at_us INTEGER NOT NULL,
    depends_on BLOB NOT NULL,
    mutation BLOB NOT NULL,
    effect BLOB NOT NULL,
    old BLOB NOT NULL,
    etag TEXT,
    policy INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_by_row ON queue (entity, id, turn);
CREATE INDEX queue_by_device ON queue (install, user, turn);
ALTER TABLE mutations ADD COLUMN settled INTEGER;
CREATE UNIQUE INDEX mutations_settled ON mutations (settled) WHERE settled IS NOT NULL;
CREATE INDEX mutations_settled_by_device ON mutations (install, user, settled) WHERE settled IS NOT NULL;
";

/// Version 7: the histories of the database, each with the first LSN that was drawn in it, see
/// [`haversack_engine::ids::History`]. What came before the first of them is history 0.
const HISTORIES: &str = "
CREATE TABLE histories (
    lsn INTEGER PRIMARY KEY,
    history INTEGER NOT NULL
) STRICT;
ALTER TABLE marks ADD COLUMN history INTEGER NOT NULL DEFAULT 0;
";

/// Version 8: how the queue stands, kept by triggers, so that to ask costs the same however much waits; the source that
/// mutations are accepted for now, and that each was accepted for ([`crate::queue::bind`]); and indexes for those that wait
/// longest and for those that depend on others.
const QUEUE_STATE: &str = "
CREATE TABLE queue_state (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    source BLOB NOT NULL,
    writes INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO queue_state
    SELECT 1, x'', count(*), ifnull(sum(length(mutation) + length(effect) + length(old)), 0) FROM queue;
CREATE TRIGGER queue_grows AFTER INSERT ON queue BEGIN
    UPDATE queue_state SET writes = writes + 1,
        bytes = bytes + length(NEW.mutation) + length(NEW.effect) + length(NEW.old);
END;
CREATE TRIGGER queue_shrinks AFTER DELETE ON queue BEGIN
    UPDATE queue_state SET writes = writes - 1,
        bytes = bytes - length(OLD.mutation) - length(OLD.effect) - length(OLD.old);
END;
CREATE TRIGGER queue_changes AFTER UPDATE OF old ON queue BEGIN
    UPDATE queue_state SET bytes = bytes + length(NEW.old) - length(OLD.old);
END;
CREATE INDEX queue_by_age ON queue (judged_at_us);
CREATE INDEX queue_dependants ON queue (install, user, turn) WHERE length(depends_on) > 0;
DROP INDEX queue_by_device;
ALTER TABLE queue ADD COLUMN source BLOB NOT NULL DEFAULT x'';
";

/// Version 9: whether the source may have what waits for it, by the number of a [`crate::queue::Repeat`], and the answer that
/// is given if it does not.
const REPEATS: &str = "
ALTER TABLE queue ADD COLUMN repeat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN otherwise BLOB;
";

/// Version 10: the last place of the ledger as it was when the epoch began: what was refused up to there may have been judged
/// again in a history that was lost. And the weight of the queue follows effects that are taken back.
const DOUBTED: &str = "
ALTER TABLE queue_state ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER queue_changes;
CREATE TRIGGER queue_changes AFTER UPDATE OF old, effect ON queue BEGIN
    UPDATE queue_state SET bytes = bytes + length(NEW.old) + length(NEW.effect) - length(OLD.old) - length(OLD.effect);
END;
";
