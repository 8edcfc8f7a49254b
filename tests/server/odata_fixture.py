"""An OData service of the tests' own, over real sockets, that misbehaves when it is told to.

It does what Dataverse does and odatapy does not: delta links on the last page, tokens that expire, `$filter` refused
under change tracking, throttling, client credentials that end. And what the network does: answers that are cut off,
damaged, or lost after they have had their effect.
"""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from server.odata_model import Served, dataverse, metadata
from server.odata_query import Unknown, parsed_filter, sort_key

ROOT = "/api/data/v9.2/"
SECRET = "the secret of the tests"
ANNOTATION = "Microsoft.Dynamics.CRM.lookuplogicalname"


@dataclass
class Asked:
    """A request that was made."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Fault:
    """What happens to requests that match, as often as it says.

    Attributes:
        match: Part of the address.
        method: Of the request.
        times: How often it happens.
        status: An error that is answered in place of what was asked for; 0: none.
        headers: Of that error.
        message: The error's words.
        cut: Whether the answer ends in its middle.
        damage: Whether the answer is whole but no JSON.
        lose: Whether the connection is closed after the request has had its effect.
    """

    match: str = ""
    method: str = ""
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "so the test says"
    cut: bool = False
    damage: bool = False
    lose: bool = False


@dataclass
class Table:
    """The rows of an entity set, and what became of each."""

    served: Served
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[int, str]] = field(default_factory=list)


class OdataFixture:
    """The service; its methods are what a test does behind Haversack's back."""

    def __init__(self, namespace: str = "Microsoft.Dynamics.CRM", sets: list[Served] | None = None) -> None:
        self.namespace = namespace
        self.tables = {it.name: Table(it) for it in (sets if sets is not None else dataverse())}
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.definitions: dict[str, dict[str, Any]] | None = None
        self.role_privileges: dict[str, list[dict[str, Any]]] = {}
        self.signs_in = False
        self.token_seconds = 3_600
        self.absolute_links = True
        self.repeats_rows = False
        self.heeds_versions = True
        self.pages_max = 5_000
        self.clock_ahead = timedelta()
        self.tells_time = True
        self.circle = 0
        self._walked = 0
        self._tokens: set[str] = set()
        self._cursors: dict[str, tuple[Any, int]] = {}
        self._version = 1_000
        self._expired_below = 0
        self._lock = threading.RLock()
        self.url = ""

    def put(self, name: str, row: Mapping[str, Any], *, modified: bool = True) -> dict[str, Any]:
        """Inserts a row, or changes the columns of one."""
        with self._lock:
            table = self.tables[name]
            key = str(row[table.served.key])
            self._version += 1
            kept = {**table.rows.get(key, {}), **row, "@version": self._version}
            for column in ("modifiedon", "ModifiedAt"):
                if modified and column in table.served.properties and column not in row:
                    kept[column] = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            table.rows[key] = kept
            table.log.append((self._version, key))
            return kept

    def now(self) -> datetime:
        """The service's clock."""
        return datetime.now(UTC) + self.clock_ahead

    def delete(self, name: str, key: str) -> None:
        """Deletes a row."""
        with self._lock:
            self._version += 1
            del self.tables[name].rows[key]
            self.tables[name].log.append((self._version, key))

    def rows(self, name: str) -> dict[str, dict[str, Any]]:
        """The rows by key."""
        with self._lock:
            return {key: dict(row) for key, row in self.tables[name].rows.items()}

    def expire_changes(self) -> None:
        """Has the service forget all changes up to now."""
        self._expired_below = self._version

    def expire_tokens(self) -> None:
        """Has the service refuse every access token that it has given out."""
        self._tokens.clear()

    def fail(self, **what: Any) -> None:
        """Has something happen to the next requests that match."""
        self.faults.append(Fault(**what))

    def asked_for(self, match: str, method: str = "GET") -> list[Asked]:
        """The requests that were made."""
        return [it for it in self.asked if match in it.path and it.method == method]

    def fault_for(self, asked: Asked) -> Fault | None:
        """What happens to a request."""
        with self._lock:
            for fault in self.faults:
                if fault.match in asked.path and fault.method in ("", asked.method) and fault.times > 0:
                    fault.times -= 1
                    return fault
            return None

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        """Answers a request: status, headers, body."""
        with self._lock:
            parts = urlsplit(asked.path)
            if parts.path == "/token":
                return self._token(asked)
            if self.signs_in and asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
                return _error(401, "the token is not valid")
            if not parts.path.startswith(ROOT):
                return _error(404, "nothing is here")
            options = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            try:
                return self._served(asked, unquote(parts.path.removeprefix(ROOT)), options)
            except Unknown as error:
                return _error(400, str(error))

    def _token(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if form.get("client_secret") != SECRET or form.get("grant_type") != "client_credentials":
            return 401, {}, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}
        token = uuid.uuid4().hex
        self._tokens.add(token)
        return 200, {}, {"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds}

    def _served(self, asked: Asked, path: str, options: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        if path == "$metadata":
            return 200, {"Content-Type": "application/xml"}, metadata(self.namespace, self._sets())
        if path == "WhoAmI":
            return 200, {}, {"UserId": asked.headers.get("MSCRMCallerID") or str(uuid.UUID(int=1))}
        if path.startswith("EntityDefinitions"):
            return self._definition(path)
        if path.startswith("RetrieveRolePrivilegesRole"):
            return 200, {}, {"RolePrivileges": self.role_privileges.get(options["@role"], [])}
        name, _, rest = path.partition("(")
        if name not in self.tables:
            return _error(404, f"Resource not found for the segment '{name}'")
        table = self.tables[name]
        if rest:
            return self._row(asked, table, rest.removesuffix(")").strip("'").replace("''", "'"), options)
        if asked.method == "POST":
            return self._post(asked, table)
        return self._page(asked, table, options)

    def _sets(self) -> list[Served]:
        return [it.served for it in self.tables.values()]

    def _definition(self, path: str) -> tuple[int, dict[str, str], Any]:
        if self.definitions is None:
            return _error(404, "Resource not found for the segment 'EntityDefinitions'")
        if path == "EntityDefinitions":
            return 200, {}, {"value": list(self.definitions.values())}
        name = path.split("'")[1]
        if name not in self.definitions:
            return _error(404, "no such entity")
        definition = self.definitions[name]
        if "/Attributes/" not in path:
            plain = [
                {k: v for k, v in it.items() if k not in ("OptionSet", "Targets")} for it in definition["Attributes"]
            ]
            return 200, {}, {**definition, "Attributes": plain}
        kind = path.rpartition("Microsoft.Dynamics.CRM.")[2].removesuffix("AttributeMetadata")
        return 200, {}, {"value": [it for it in definition["Attributes"] if it["AttributeType"] == kind]}

    def _page(self, asked: Asked, table: Table, options: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        served = table.served
        columns = [it for it in options.get("$select", "").split(",") if it] or list(served.properties)
        if self.circle:
            self._walked += 1
            link = self._link(served.name, {"$skiptoken": f"round {self._walked % self.circle}"})
            return 200, {}, {"value": [], "@odata.nextLink": link}
        if unknown := [it for it in columns if it not in served.properties]:
            raise Unknown(f"Could not find a property named '{unknown[0]}' on type '{served.type}'.")
        if "$deltatoken" in options:
            return self._delta(asked, table, options, columns)
        prefer = asked.headers.get("Prefer", "")
        tracks = "odata.track-changes" in prefer and served.tracked
        if tracks and {"$filter", "$orderby"} & set(options):
            return _error(400, 'The "$filter" query parameter isn\'t supported when Change Tracking is enabled.')
        rows = list(table.rows.values())
        if "$filter" in options:
            test = parsed_filter(options["$filter"], served.properties)
            rows = [it for it in rows if test(it)]
        place = sort_key(",".join(it for it in (options.get("$orderby"), served.key) if it))
        rows.sort(key=place)
        cursor = self._cursors.get(options.get("$skiptoken", ""))
        began = cursor[1] if cursor else self._version
        # Pages go on behind the last row, wherever the rows before it have gone.
        start = sum(place(it) <= cursor[0] for it in rows) if cursor else 0
        size = self._page_size(prefer)
        page = rows[max(start - (1 if self.repeats_rows else 0), 0) : start + size]
        body: dict[str, Any] = {"@odata.context": f"{self.url}$metadata#{served.name}"}
        body["value"] = [self._shown(served, it, columns, prefer) for it in page]
        kept = {name: value for name, value in options.items() if name != "$skiptoken"}
        if start + size < len(rows):
            token = f'<cookie page="{len(self._cursors)}"/>'
            self._cursors[token] = (place(rows[start + size - 1]), began)
            body["@odata.nextLink"] = self._link(served.name, {**kept, "$skiptoken": token})
        elif tracks:
            body["@odata.deltaLink"] = self._link(served.name, {**kept, "$deltatoken": str(began)})
        return 200, {"Preference-Applied": "odata.track-changes"} if tracks else {}, body

    def _page_size(self, prefer: str) -> int:
        asked = next((it for it in prefer.split(",") if it.startswith("odata.maxpagesize=")), "")
        return min(int(asked.partition("=")[2] or self.pages_max), self.pages_max)

    def _delta(
        self, asked: Asked, table: Table, options: dict[str, str], columns: list[str]
    ) -> tuple[int, dict[str, str], Any]:
        since, _, place = options["$deltatoken"].partition("!")
        if int(since) < self._expired_below:
            return _error(400, "Version stamp associated with the client has expired. Please perform a full sync.")
        changed = list(dict.fromkeys(key for version, key in table.log if version > int(since)))
        # Dataverse tells what is new or changed first, and then what is deleted.
        changed.sort(key=lambda key: key not in table.rows)
        start, end = (int(it) for it in (place or f"0!{self._version}").split("!"))
        prefer = asked.headers.get("Prefer", "")
        size = self._page_size(prefer)
        body: dict[str, Any] = {"@odata.context": f"{self.url}$metadata#{table.served.name}/$delta", "value": []}
        for key in changed[start : start + size]:
            if key in table.rows:
                body["value"].append(self._shown(table.served, table.rows[key], columns, prefer))
            else:
                context = f"{self.url}$metadata#{table.served.name}/$deletedEntity"
                body["value"].append({"@odata.context": context, "id": key, "reason": "deleted"})
        kept = {name: value for name, value in options.items() if name != "$deltatoken"}
        if start + size < len(changed):
            link = {**kept, "$deltatoken": f"{since}!{start + size}!{end}"}
            body["@odata.nextLink"] = self._link(table.served.name, link)
        else:
            body["@odata.deltaLink"] = self._link(table.served.name, {**kept, "$deltatoken": str(end)})
        return 200, {}, body

    def _link(self, name: str, options: dict[str, str]) -> str:
        query = "&".join(f"{option}={quote(value)}" for option, value in options.items())
        return f"{self.url if self.absolute_links else ''}{name}?{query}"

    def _shown(self, served: Served, row: Mapping[str, Any], columns: list[str], prefer: str) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if served.versioned:
            shown["@odata.etag"] = f'W/"{row["@version"]}"'
        for name in dict.fromkeys([*columns, served.key]):
            shown[name] = row.get(name)
            target = row.get(f"{name}@{ANNOTATION}")
            if target and ANNOTATION in prefer:
                shown[f"{name}@{ANNOTATION}"] = target
        return shown

    def _row(self, asked: Asked, table: Table, key: str, options: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        row = table.rows.get(key)
        if asked.method == "GET":
            if row is None:
                return _error(404, f"{table.served.type} With Id = {key} Does Not Exist")
            columns = [it for it in options.get("$select", "").split(",") if it] or list(table.served.properties)
            return 200, {}, self._shown(table.served, row, columns, asked.headers.get("Prefer", ""))
        match = asked.headers.get("If-Match") if self.heeds_versions else None
        if row is None and match is not None:
            return _error(404, f"{table.served.type} With Id = {key} Does Not Exist")
        if row is not None and asked.headers.get("If-None-Match") == "*":
            return _error(412, "A record with matching key values already exists.")
        if row is not None and match not in (None, "*", f'W/"{row["@version"]}"'):
            return _error(412, "The version of the existing record doesn't match the RowVersion property provided.")
        if asked.method == "DELETE":
            if row is None:
                return _error(404, f"{table.served.type} With Id = {key} Does Not Exist")
            self.delete(table.served.name, key)
            return 204, {}, None
        return self._change(asked, table, key, 200 if row is not None else 201)

    def _post(self, asked: Asked, table: Table) -> tuple[int, dict[str, str], Any]:
        key = str(json.loads(asked.body)[table.served.key])
        if key in table.rows:
            return _error(409, "a row of this key exists")
        return self._change(asked, table, key, 201)

    def _change(self, asked: Asked, table: Table, key: str, status: int) -> tuple[int, dict[str, str], Any]:
        body = json.loads(asked.body)
        changes: dict[str, Any] = {}
        for name, value in body.items():
            link, bound, _ = name.partition("@odata.bind")
            if bound:
                _, here, _ = table.served.links[link]
                changes[here] = value.partition("(")[2].removesuffix(")").strip("'") if value else None
                changes[f"{here}@{ANNOTATION}"] = (
                    value.partition("(")[0].strip("/").removesuffix("s") if value else None
                )
            elif name in table.served.properties:
                changes[name] = value
            else:
                return _error(400, f"Could not find a property named '{name}' on type '{table.served.type}'.")
        if len(str(changes.get("name", ""))) > 160:
            return _error(400, "A validation error occurred.  The length of the 'name' attribute exceeded 160.")
        changes.setdefault(
            table.served.key, key if table.served.properties[table.served.key] != "Edm.Int32" else int(key)
        )
        row = self.put(table.served.name, changes)
        prefer = asked.headers.get("Prefer", "")
        if "return=representation" in prefer:
            return status, {}, self._shown(table.served, row, list(table.served.properties), prefer)
        return 204, {"OData-EntityId": f"{self.url}{table.served.name}({key})"}, None


def _error(status: int, message: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"error": {"code": "", "message": message}}


@contextmanager
def serving(fixture: OdataFixture, tls: ssl.SSLContext | None = None) -> Iterator[OdataFixture]:
    """Serves on loopback while the block runs; with TLS as `localhost`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fixture))
    server.daemon_threads = True
    fixture.url = f"http://127.0.0.1:{server.server_address[1]}{ROOT}"
    if tls is not None:
        # The handshake is the thread's that serves the connection, and who ends it badly ends no more than that.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that trusts nobody
        fixture.url = fixture.url.replace("http://127.0.0.1", "https://localhost")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fixture
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(fixture: OdataFixture) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(size))
            fixture.asked.append(asked)
            fault = fixture.fault_for(asked) or Fault()
            if fault.status:
                status, headers, body = fault.status, fault.headers, {"error": {"message": fault.message}}
            else:
                status, headers, body = fixture.answer(asked)
            if fault.lose:
                self.close_connection = True
                return
            content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
            if fault.damage:
                content = content[: len(content) // 2]
            self.send_response(status)
            named = {"Content-Type": "application/json"}
            if fixture.tells_time:
                named["Date"] = format_datetime(fixture.now(), usegmt=True)
            for name, value in {**named, **headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault.cut else content)
            self.close_connection = self.close_connection or fault.cut

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)

    for method in ("GET", "POST", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._serve)
    return Handler
