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

    def close(self) -> None:
        """Closes the database; later calls raise STAGING_FAILED."""

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

    def add_organization(self, name: str, staging: Staging) -> None:
        """Serves an organization from now on. Its index is loaded at first use. May be called before `start`."""

    def statistics(self) -> str:
        """JSON: `streams`, and `organizations`, a list of objects.

        Each has name, streams, loaded, lsn, revision, rows, index_bytes, live_views. It looks at every bitmap of the
        index: not for every second.
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

def schema_proto(model: bytes, entities: list[str]) -> str:
    """Returns proto3 source for the row messages of these entities (all offline ones if the list is empty)."""
