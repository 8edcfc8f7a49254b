"""The Rust core: staging databases, ingest, filter and model checks, and the sync endpoint.

Every call that can block releases the GIL. Bytes cross the border as serialized messages of the contract.
Errors of every call are one `CoreError`; its `reason` is a name of `haversack.error.v1.ErrorReason` without its prefix.
"""

class CoreError(Exception):
    """A named failure. `str(error)` says what to do next."""

    reason: str

class Staging:
    """An organization's staging database: one SQLite file, one writer at a time, any number of readers."""

    @staticmethod
    def create(path: str) -> Staging:
        """Makes a new database with a fresh epoch. Raises STAGING_FAILED if the file exists."""

    @staticmethod
    def open(path: str) -> Staging:
        """Opens an existing database."""

    @property
    def epoch(self) -> bytes:
        """Identity of this database, 16 bytes."""

    def head(self) -> int:
        """Position of the last commit."""

    def publish(self, model: bytes) -> int:
        """Stores a serialized `haversack.model.v1.Model` (checked by `check_model`); returns the LSN it drew.

        Live devices follow it at once. Its revision must be above the last one (REQUEST_INVALID). A model that no
        engine can follow is refused (PROFILE_INVALID, one breach a line).
        """

    def statistics(self) -> list[tuple[int, int, int]]:
        """(entity number, rows not deleted, their bytes) for every entity that has any; reads no payload."""

    def ingest(
        self,
        model: bytes,
        entity: str,
        *,
        format: str,
        action: str,
        atomic: bool,
        file_name: str,
    ) -> Ingest:
        """Starts an ingest into `entity` of a serialized Model (metadata is enough; it need not be published).

        `format` is "csv" or "json-lines"; `action` is "upsert", "patch" or "delete".
        """

    def replicate(self, source: Staging, entity: int, *, rows_max: int) -> bytes:
        """Takes what changed of one entity (by its number) in another database since this one last did, in one commit.

        At most `rows_max` rows (at least one) and 4 MiB are taken. How far it has come is kept in this database, in
        the same commit: any number of processes may call at once, and a crash repeats nothing. Rows that are already so
        draw no LSN. Another source than before means from the beginning; at the end of that, rows that it does not have
        are deleted here. Raises LIMIT_REACHED if another process held the write lock for too long.

        The answer is UTF-8 JSON: `read`, `inserted`, `updated`, `deleted`, `unchanged`, `bytes` (of rows that are new
        or other than before), `left` and `lsn` (the head of this database). `left` is 0 exactly when the source has no
        more; else it is the number of rows still to look at in a first pass, and an upper bound afterwards.
        """

    def replicate_anew(self, entity: int) -> None:
        """Has the next `replicate` of an entity begin anew: what is as it was draws no LSN, what is gone there goes."""

    def replicate_no_more(self, entity: int) -> bool:
        """Has an entity follow no record database any more; returns whether it did. Its rows stay.

        What devices write to it then waits for the organization's source outside, as it does with every entity that
        was never replicated.
        """

    def position(self, entity: int) -> bytes | None:
        """Returns how far an entity follows its source outside, with 0 all of them together; None if it never has."""

    def set_position(self, entity: int, position: bytes | None) -> None:
        """Replaces such a position, or forgets it, in a commit of its own: a source is then read from the beginning."""

    def write_back(self, record: Staging, *, rows_max: int) -> bytes:
        """Takes what devices have changed here to the organization's record database, in order, each change once.

        At most `rows_max` changes (at least one, at most 5,000) are taken. A replication that runs meanwhile, in
        whatever process, undoes none of them. Call it before each `replicate`, and until it is done before this
        database is given up. The answer is UTF-8 JSON: `written`, and `is_last`, which is true when there was nothing
        left to write. Raises LIMIT_REACHED if another process held a write lock for too long.
        """

    def export_ledger(self, after: int, *, entries_max: int) -> tuple[bytes, int]:
        """A page of what became of devices' mutations, and the `after` of the next page; no bytes behind the last one.

        Begin with 0. At most `entries_max` entries (at most 10,000) and some MiB are in a page. Keep the pages as they
        are for as long as the organization has no database: whoever gets none of them does old mutations twice. Changes
        that have not been written back do not travel, but what waits for a source outside does.
        """

    def import_ledger(self, page: bytes) -> int:
        """Enters a page of `export_ledger` or `export_devices`; returns how many entries are new here. Idempotent.

        Raises REQUEST_INVALID for other bytes.
        """

    def refusals(self, after: int, *, entries_max: int) -> bytes:
        """Mutations of devices that were refused, behind a place, in the order in which they were judged.

        The answer is UTF-8 JSON: `last`, which is the next `after` (begin with 0), and `entries`, each with `place`,
        `install` and `user` (UUIDs), `number`, `entity` (its number), `id`, `kind`, `outcome` and `reason` (names
        without prefix), `message`, `fields` (numbers), `written_at_us`, `received_at_us`, `resolution` ("OPEN",
        "RETRIED", "DISCARDED", "WITHDRAWN") and `mutation` (a serialized `haversack.sync.v1.Mutation`, in hexadecimal).
        `SyncServer.retry_mutation` has one judged again.
        """

    def list_devices(self, request: bytes) -> bytes:
        """Devices that have called, those that called last first.

        Takes a serialized `haversack.admin.v1.ListDevicesRequest` (its organization does not matter), and returns a
        `ListDevicesResponse`. At most 1,000 are in a page. Raises REQUEST_INVALID for what is no id or no page.
        """

    def get_device(self, install: str, user: str) -> bytes:
        """The devices of an install, of one user or (empty) of all, as a serialized `GetDeviceResponse`.

        Raises DEVICE_UNKNOWN if there is none.
        """

    def order_device(
        self, order: str, install: str, user: str, *, reason: str, offers_outbox: bool, at_us: int
    ) -> bytes:
        """Gives an order to the devices of an install, of one user or (empty) of all; durable when it returns.

        `order` is "check", "block", "unblock", "wipe", "cancel-wipe" or "forget". `reason` is for "block" and "wipe",
        `offers_outbox` for "wipe". Returns the devices that it was possible for as a serialized `GetDeviceResponse`.
        Raises DEVICE_UNKNOWN, DEVICE_ORDER_IMPOSSIBLE, or ORGANIZATION_NOT_PROVISIONED once the ledger is closed.
        """

    def forget_devices(self, since_us: int) -> int:
        """Forgets devices that have not called since and have no order; returns how many."""

    def export_devices(self, behind: str) -> tuple[bytes, str]:
        """A page of the registry of devices for `import_ledger`, and the `behind` of the next; begin with none.

        No bytes behind the last page.
        """
    def queued_writes(self, model: bytes, *, except_places: list[int] = ..., writes_max: int) -> bytes:
        """Mutations that wait for a source outside and that nothing before them holds up, in turn.

        At most `writes_max`, without those at `except_places` of the ledger (those that are being written, say). Of
        each row there is one at most. `model` is a serialized Model with the organization's metadata.

        The answer is a UTF-8 JSON list of objects: `place`, `key` (stable, of no other mutation), `entity` (its logical
        name), `id`, `kind` ("create", "update", "delete"), `values` and `old_values` (by logical name, as an ingest
        reads them: dates as text, sets of choices as "1,2", decimals as text, lookups with `<name>_type`; null for
        NULL; the primary key is not among them), `etag` (what the source calls the version of staging's row, or null),
        `user` (a systemuserid), `detect_conflicts` (whether the organization's policy looks for them), `merges`
        (whether it merges), `conflicts` (names of attributes that others have changed since it was judged, and which
        `values` lacks) and `is_overtaken` (a deletion of a row that others have changed since). Raises STAGING_FAILED,
        LIMIT_REACHED, EntityUnknown.
        """

    def settle_writes(self, model: bytes, settlements: str) -> bytes:
        """Says what the source made of queued mutations, all in one commit with its rows.

        `settlements` is a JSON array. Each has `place` and `entity` of the mutation, and `outcome` ("APPLIED",
        "OVERRULED": nothing was left to write, "UNKNOWN": the source does not have what it was asked for, or
        "CONFLICT", "FORBIDDEN", "INVALID", "NOT_FOUND"), with APPLIED `row` (the source's row, as a line of JSON Lines;
        left out if it has none now) and `etag`, `overruled` (names of attributes that gave way), and for refusals
        `message` and `fields`. What depends on a refused creation is blocked with it.

        The answer is a UTF-8 JSON array in the same order: `outcome`, `lsn` and `blocked`; after UNKNOWN the outcome is
        QUEUED if the mutation is to be written now, else what it had been judged to be; null for what was settled
        before. Raises ROWS_INVALID for a row that cannot be read; then all of them stay queued.
        """

    def queue_standing(self) -> bytes:
        """How the queue for a source outside stands; costs the same however much waits.

        UTF-8 JSON: `waiting` (mutations), `bytes` (what they weigh) and `oldest_at_us` (0: none).
        """

    def bind_queue(self, source: bytes) -> None:
        """Accepts mutations for this source from now on, told from all others by a mark.

        Those that wait stay with what they were accepted for.
        """

    def queue_source(self) -> bytes:
        """The source that mutations are accepted for, as `bind_queue` was told; empty if it never was."""

    def refuse_replaced(self, *, every: bool = False) -> int:
        """Refuses queued mutations that were accepted for another source than that of now (SOURCE_REPLACED).

        With `every` all of them. Takes some in one commit and returns how many; to be called until it returns 0.
        """

    def close_ledger(self) -> None:
        """Has no more mutations of devices be judged here, by whatever process. Idempotent.

        Uploads, and orders for devices, hear ORGANIZATION_NOT_PROVISIONED from now on. To be called before the last
        `write_back` and `export_ledger` of a database that is about to be given up.
        """

    def discard_refusal(self, place: int) -> None:
        """Puts a refused mutation aside.

        Raises REQUEST_INVALID if none is open at this place, WRITE_WITHDRAWN if its user has given it up.
        """

    def build_indexes(self) -> None:
        """Makes a database that was just filled ready to serve; idempotent.

        Builds indexes that are missing, checks it whole (STAGING_FAILED with the first contradiction), gathers
        statistics and moves the write-ahead log into the file. A new database has all its indexes from the start:
        loading without the one of LSNs was measured to save less than a tenth.
        """

    def rows(
        self,
        model: bytes,
        entity: str,
        *,
        attributes: list[str],
        attribute: str = "",
        values: list[str] = ...,
        after: int | None = None,
        rows_max: int,
    ) -> tuple[int, int | None, bytes]:
        """Reads `attributes` of rows of `entity`: LSN up to which it was read, where the next page begins, JSON lines.

        With `attribute`, only rows in which it is one of `values` (ids in lower case). At most `rows_max` rows; the
        next page is read with `after`, which is None when there is none. An object has the attributes that are not
        NULL, by logical name, lookups that may point at several entities with the entity's name in `<name>_type`; ids
        are text, decimals too, times are microseconds since the Unix epoch, dates are days since it. Every row of the
        entity is passed, on whichever page.
        """

    def has_row(self, model: bytes, entity: str, id: str) -> bool:
        """Whether there is a row of this id that is not deleted."""

    def write_together(
        self, model: bytes, parts: list[tuple[str, str, bytes]], *, seen: int, basis: list[str]
    ) -> bytes:
        """Changes rows of several entities in one commit, or none.

        A part is (entity, action as in `ingest`, JSON lines); parts are taken in order. `basis` are the entities that
        the changes rest on, read up to LSN `seen`. Returns UTF-8 JSON: {"lsn"} of the head after the commit; {"errors"}
        as in an ingest's report, if a row is bad; {"stale": true}, if a row of the basis has changed since.
        """

    def begin_epoch(self) -> bytes:
        """Replaces the epoch, because history was lost: every device starts over. Returns the new one, 16 bytes."""

    def copy_to(self, path: str) -> Copying:
        """Begins to copy the database to a new file, as it is when this returns, while others may write to it.

        The copy is made by a thread of its own. Raises STAGING_FAILED if it cannot begin.
        """

    def close(self) -> None:
        """Closes the database; later calls raise STAGING_FAILED."""

class OdataPage:
    """An answer of an OData service, read and not yet written."""

    @staticmethod
    def read(
        staging: Staging,
        model: bytes,
        entity: str,
        body: bytes,
        *,
        partial_below: int | None = None,
        watermark: str | None = None,
    ) -> OdataPage:
        """Reads the JSON body of an answer with rows of `entity` of a serialized Model.

        What a row lacks is NULL; with `partial_below`, a row that has fewer columns than that changes those alone.
        `watermark` is the logical name of a column of instants. Raises SOURCE_ANSWER_INVALID if the body is no whole
        page, and ENTITY_UNKNOWN.
        """

    @property
    def next_link(self) -> str | None:
        """Where the page goes on, as the service wrote it."""

    @property
    def delta_link(self) -> str | None:
        """Where what changes from here on is asked for, as the service wrote it."""

    @property
    def watermark_us(self) -> int | None:
        """Latest instant of the watermark's column, in microseconds since the Unix epoch."""

    @property
    def has_versions(self) -> bool:
        """Whether rows say which version of them this is."""

    @property
    def rows(self) -> int:
        """Rows of the page, refused ones and deletions among them."""

    def errors(self) -> bytes:
        """UTF-8 JSON: `rejected`, how many rows or values of rows cannot be taken, and `errors`, the first of them."""

    def take(
        self,
        staging: Staging,
        *,
        before: bytes | None,
        after: bytes | None,
        begins_pass: bool = False,
        keeps_newer: bool = False,
        keys_only: bool = False,
    ) -> bytes:
        """Writes the rows, and the position `after` in the same commit; a large page takes several commits.

        Does nothing if the entity's position is not `before`. With `begins_pass` a full read begins: what it does not
        meet until it is swept is gone. With `keys_only` rows are only met. With `keeps_newer` rows that are older than
        what is here (by Dataverse's row versions) are left out.

        The answer is UTF-8 JSON: `is_stale` (nothing was done), `read`, `inserted`, `updated`, `deleted`, `unchanged`,
        `bytes`, `lsn`, and `differing`: ids of a page of keys that are not here, or in another version.
        """

def odata_sweep(staging: Staging, entity: int, *, before: bytes | None, after: bytes | None, rows_max: int) -> bytes:
    """Deletes what a full read has not met, at most `rows_max` rows; at its end the position becomes `after`.

    The answer is UTF-8 JSON: `is_stale` (the position is not `before`; nothing was done), `deleted`, `left`, `lsn`.
    """

class Copying:
    """A copy of a database that is under way."""

    def progress(self) -> tuple[int, int] | None:
        """Bytes that are copied, and bytes in all (0 until that is known); None once there is nothing to wait for."""

    def finish(self) -> int:
        """Waits until the copy is whole and on disk; returns the position of its last commit. Ends the copy.

        Raises STAGING_FAILED if it could not be made.
        """

    def abort(self) -> None:
        """Stops; what was made is for the caller to delete."""

class Ingest:
    """A file of rows on its way in. Parsing and writing go on in threads of their own while bytes are fed."""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the file, cut anywhere. Blocks while the writer is behind."""

    def finish(self) -> bytes:
        """Writes what remains, waits for the last commit, and returns the report. Ends the ingest.

        The report is UTF-8 JSON with the fields of `haversack.admin.v1.IngestResponse` in snake case, `errors` being a
        list of objects with file_name, line, attribute, message, reason (a name without prefix).
        """

    def abort(self) -> None:
        """Ends without committing what is not yet committed."""

class PostgresFeed:
    """A PostgreSQL database on its way into a staging database: a snapshot by COPY, then logical replication.

    How far it has come lies in staging, in the commit of the rows that it tells of. It has a thread of its own, so it
    must not be used across a fork; close it before the interpreter ends.
    """

    def __init__(self, settings: str, staging: Staging, model: bytes) -> None:
        """Prepares; nothing is connected yet.

        `settings` are JSON: `connection` (host, port, user, password, database, sslmode, ca_file), `slot`,
        `publication` and `entities`, each with `entity` and either a `table` (schema, name, key, deleted, version) and
        `attributes` (attribute, column, value, target, choices), or `rows`. `model` has the metadata.
        Raises SOURCE_INVALID or MAPPING_INVALID.
        """

    def take(self, *, rows_max: int, wait_ms: int) -> bytes:
        """Makes the next commit, of at most `rows_max` rows; waits `wait_ms` for something to do, at most.

        Returns JSON: counts (read, inserted, updated, deleted, unchanged, bytes), `left` (0 exactly when the source has
        no more), `lsn`, `stage` (connecting, catching up, copying, following), `position`, `lag_seconds`, `copied` (by
        entity, rows and how many the source expects to have), `notes` (what could not be carried, and how often) and
        `reason` (why all rows were last copied). Raises SOURCE_UNAVAILABLE, SOURCE_INVALID, MAPPING_INVALID,
        STAGING_FAILED or LIMIT_REACHED; then nothing has changed, and the next call connects anew.
        """

    def close(self) -> None:
        """Ends the connection, after a call of `take` that is under way. The slot stays."""

class Trial:
    """One organization in memory, to try filters, profiles and rights out on."""

    def __init__(self, model: bytes) -> None:
        """Follows a serialized Model with compiled filters. Raises PROFILE_INVALID, one breach a line."""

    def load(self, entity: str, json_lines: bytes) -> None:
        """Takes rows as an ingest does, one JSON object a line. Raises ROWS_INVALID, one bad row a line."""

    def view(self, user: str, instant_micros: int) -> dict[str, list[str]]:
        """Ids of the rows in a user's view, by entity, in the order in which they came.

        The instant is in microseconds since 1970 UTC; time never goes back. Raises USER_UNKNOWN, USER_DISABLED or
        PROFILE_MISSING where there is no view.
        """

    def accessible(self, user: str, entity: str, privilege: str) -> list[str]:
        """Ids of the rows that a user has a privilege on, of an entity that some profile carries.

        A privilege is "create", "read", "write", "delete", "assign", "share", "append" or "appendto".
        """

    def may_create(self, user: str, entity: str) -> bool:
        """Whether a user may make a row of an entity that the user then owns."""

class Verifier:
    """Checks bearer tokens (JWTs) against a list of issuers. Immutable, for any number of threads.

    Tokens that were verified are remembered, so that the next call with one costs next to nothing.
    """

    def __init__(self, issuers: str) -> None:
        """Takes a JSON list of objects. Unknown keys and unusable keys are refused (CONFIGURATION_INVALID).

        `issuer`: the `iss` claim of its tokens. Several entries may name one issuer; the first that fits decides.
        `audience`, or `audiences` (a list): what its tokens may be for.
        `keys`: a JWKS, as an object or as its text; or `public_key_pem`: one SubjectPublicKeyInfo. A key of a set that
        is for no allowed algorithm, or not for signatures, is passed over.
        `algorithms`: a list of EdDSA, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512. Default: what each key
        states, or else EdDSA, ES256, ES384 or RS256 by its kind.
        `user_claim`: the claim that names the user. Default "sub".
        `organization_claim`: the claim that names the organization, default "org"; or `organization`: the name itself.
        `leeway_seconds`: by how much clocks may differ, 0 (the default) to 60.
        """

    def verify(self, token: str, audience: str, now_seconds: int) -> str:
        """Returns the token's claims as JSON, with the mapped user as `sub` and the mapped organization as `org`.

        Signature, issuer, audience (which the issuer's entry must list) and lifetime (`exp`, which is required, and
        `nbf`) are checked. Raises TOKEN_INVALID or TOKEN_EXPIRED.
        """

class SyncServer:
    """The sync endpoint (tonic), on threads and a runtime of its own."""

    def __init__(self, config: str) -> None:
        """Takes a JSON object. What cannot be used is refused, and so are unknown keys (CONFIGURATION_INVALID).

        `listen`: "host:port"; port 0 picks a free one. Default "127.0.0.1:7421".
        `tls`: {"certificate_chain_pem", "private_key_pem"}; and "client_ca_pem" if devices must show a certificate.
        `plain_text`: nothing is encrypted; only on loopback. Without this and `tls` the configuration is refused.
        `issuers`: a list, see `Verifier`.
        `heartbeat_seconds`: silence after which a live stream gets a heartbeat. Default 15.
        `streams_max`: streams open at once. Default 20000.
        `queued_writes_max`, `queued_bytes_max`: mutations, and their bytes, that wait for one organization's source;
            devices keep what comes beyond (WRITE_QUEUE_FULL). Defaults 200000 and 1 GiB.
        `workers`: threads that serve; 0, the default, means one per core.
        """

    def start(self) -> str:
        """Begins to listen; returns the bound "host:port". A server starts once: make a new one after `stop`."""

    def set_issuers(self, issuers: str) -> None:
        """Believes these issuers, as in `Verifier`, and no others, from the next call on. Streams go on.

        Raises CONFIGURATION_INVALID, and goes on with what it has.
        """

    def set_tls(self, certificate_chain_pem: str, private_key_pem: str) -> None:
        """Shows this certificate to new connections. A server that was made without `tls` refuses (REQUEST_INVALID).

        Raises CONFIGURATION_INVALID, and goes on with what it has.
        """

    def add_organization(self, name: str, staging: Staging, *, queues_writes: bool = False) -> None:
        """Serves an organization from now on. Its index is loaded at first use. May be called before `start`.

        With `queues_writes` its rows are a source's outside: what devices write is judged, answered with QUEUED and
        queued for that source (`Staging.queued_writes`), and changes no row here; but for entities that follow the
        record database beside it (`Staging.replicate`), which are written as without a source.

        Raises ORGANIZATION_EXISTS if it is served already; remove it first to serve another database under its name.
        """

    def remove_organization(self, name: str) -> None:
        """Serves an organization no longer, and closes its index and its handle of the staging database.

        Its streams end with FAILED_PRECONDITION (ORGANIZATION_NOT_PROVISIONED), and so is every later call answered,
        until it is added again. May be called for a name that was never added.
        """

    def load_organization(self, name: str) -> None:
        """Builds an organization's index now and blocks until it serves; `start` must have been called.

        Raises NOTHING_PUBLISHED, STAGING_FAILED, SERVER_STOPPING, ORGANIZATION_UNKNOWN or ORGANIZATION_NOT_PROVISIONED.
        """

    def take_written(self) -> list[str]:
        """Names of organizations that devices may have written to since this was asked last, or that are served anew.

        Call `Staging.write_back` for them. It looks at one flag of each, and does not block.
        """

    def statistics(self) -> str:
        """JSON: `streams`, and `organizations`, a list of objects.

        Each has name, streams, loaded, lsn, instant_us, revision, rows, index_bytes, live_views. It looks at every
        bitmap of the index: not for every second.
        """

    def estimate(self, request: bytes, model: bytes | None) -> bytes:
        """Answers a serialized `haversack.admin.v1.EstimateRequest` with an EstimateResponse.

        This and the next four are questions about the organization that the request names, which must have been added.
        They load its index if they must, and then block for up to a minute; `start` must have been called. `model` is
        the serialized Model that is asked about, whatever the request says of its state; None stands for what is
        published. Each fails with the reasons that the contract gives.
        """

    def diff(self, request: bytes, before: bytes | None, after: bytes | None) -> bytes:
        """Answers a serialized DiffRequest with a DiffResponse; each side is a model, as in `estimate`."""

    def explain(self, request: bytes, model: bytes | None) -> bytes:
        """Answers a serialized ExplainRequest with an ExplainResponse; see `estimate`."""

    def holders(self, request: bytes) -> bytes:
        """Answers a serialized HoldersRequest with a HoldersResponse; see `estimate`."""

    def lint(self, request: bytes, model: bytes | None) -> bytes:
        """Answers a serialized LintRequest with a LintResponse; see `estimate`."""

    def retry_mutation(self, name: str, place: int, *, force: bool) -> bytes:
        """Has a refused mutation of an organization judged again, as its user's, by what holds now.

        `place` is that of `Staging.refusals`. With `force` the device's values count whatever the row is now;
        privileges and rules hold all the same. Returns a serialized `haversack.sync.v1.MutationAnswer`, which the
        device hears from now on. Raises REQUEST_INVALID if none is open at this place, WRITE_WITHDRAWN if its user has
        given it up or written it anew, USER_DISABLED and its like if the user has no view.
        """

    def stop(self, grace_seconds: float) -> None:
        """Ends every stream with UNAVAILABLE (SERVER_STOPPING) and waits at most this long. Idempotent."""

def compile_filter(model: bytes, entity: str, fetch_xml: str | bytes, criteria_max: int = 0) -> bytes:
    """Compiles FetchXML for an entity of a serialized Model; returns a serialized FilterNode.

    Bytes have to be UTF-8, which is checked.
    `criteria_max` above 0 limits the number of conditions (organization filters: 3).
    """

def describe_filter(model: bytes, entity: str, compiled: bytes) -> list[str]:
    """Says what a serialized FilterNode on an entity asks for: one line a clause, indented by two blanks a level."""

def check_model(model: bytes) -> list[str]:
    """Loads a serialized Model as the engine would; returns every breach as a sentence, empty if it is sound."""

def row_json(model: bytes, entity: str, row: bytes) -> str:
    """Reads a row's message of an entity of a serialized Model: a JSON object by logical name, without what is NULL."""

def schema_proto(model: bytes, entities: list[str]) -> str:
    """Returns proto3 source for the row messages of these entities (all offline ones if the list is empty)."""
