"""The admin endpoint as commands see it: found, signed in to, its refusals printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import typer
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status
from haversack.admin.v1 import (
    admin_pb2_grpc,
    apps_pb2_grpc,
    devices_pb2_grpc,
    directory_pb2_grpc,
    entities_pb2_grpc,
    profiles_pb2_grpc,
    provisioning_pb2_grpc,
    questions_pb2_grpc,
    security_pb2_grpc,
    solutions_pb2_grpc,
    source_pb2_grpc,
    sync_errors_pb2_grpc,
    work_pb2_grpc,
)

from haversack_server.cli._options import CA_FILE_VARIABLE
from haversack_server.cli._output import refuse
from haversack_server.endpoints import Endpoints, reachable
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, DevelopmentIssuer
from haversack_server.places import ADMIN_LISTEN_DEFAULT, data_folder, is_loopback

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
TOKEN_HOURS = 1.0

_Response = TypeVar("_Response", bound=Message)


class AdminEndpoint:
    """The admin endpoint's services; each call carries the token, and may take some seconds if that is limited.

    Attributes:
        as_json: Whether the command's answer goes to a program.
    """

    def __init__(self, channel: grpc.Channel, token: str, *, as_json: bool, seconds: float | None = None) -> None:
        self.as_json = as_json
        self.organizations = admin_pb2_grpc.OrganizationServiceStub(channel)
        self.entities = entities_pb2_grpc.EntityServiceStub(channel)
        self.ingests = admin_pb2_grpc.IngestServiceStub(channel)
        self.profiles = profiles_pb2_grpc.ProfileServiceStub(channel)
        self.apps = apps_pb2_grpc.AppServiceStub(channel)
        self.provisioning = provisioning_pb2_grpc.ProvisioningServiceStub(channel)
        self.access = security_pb2_grpc.AccessServiceStub(channel)
        self.audit = security_pb2_grpc.AuditServiceStub(channel)
        self.questions = questions_pb2_grpc.QuestionServiceStub(channel)
        self.directory = directory_pb2_grpc.DirectoryServiceStub(channel)
        self.solutions = solutions_pb2_grpc.SolutionServiceStub(channel)
        self.work = work_pb2_grpc.WorkServiceStub(channel)
        self.sources = source_pb2_grpc.SourceServiceStub(channel)
        self.sync_errors = sync_errors_pb2_grpc.SyncErrorServiceStub(channel)
        self.devices = devices_pb2_grpc.DeviceServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._seconds = seconds

    def call(self, method: Callable[..., Any], request: Any, answer: type[_Response]) -> _Response:
        """Calls a method of one of the services; `answer` is the type of what it returns."""
        response = method(request, metadata=self._metadata, timeout=self._seconds)
        if not isinstance(response, answer):
            raise TypeError(f"the endpoint answered {type(response).__name__} where {answer.__name__} was due")
        return response

    def stream(self, method: Callable[..., Any], request: Any, answer: type[_Response]) -> Iterator[_Response]:
        """Calls a method that answers again and again, for as long as that takes."""
        for response in method(request, metadata=self._metadata):
            if not isinstance(response, answer):
                raise TypeError(f"the endpoint answered {type(response).__name__} where {answer.__name__} was due")
            yield response

    def attempt(
        self, method: Callable[..., Any], request: Any, answer: type[_Response], *, unless: Collection[str]
    ) -> _Response | str:
        """Calls a method as `call` does; returns the message of a refusal that has one of these reasons."""
        try:
            return self.call(method, request, answer)
        except grpc.RpcError as error:
            refusal = _refusal(error, "")
            if refusal["reason"] in unless:
                return refusal["message"]
            raise


@contextmanager
def connected(
    endpoint: str | None,
    token: str | None,
    data: Path | None,
    *,
    as_json: bool,
    ca_file: Path | None = None,
    seconds: float | None = None,
) -> Iterator[AdminEndpoint]:
    """Connects to the admin endpoint; a refusal inside the block is printed, and ends the command with exit code 1.

    Without `ca_file`, HAVERSACK_CA_FILE counts. `seconds` limits how long each call may take.
    """
    ca_file = ca_file or (Path(os.environ[CA_FILE_VARIABLE]) if os.environ.get(CA_FILE_VARIABLE) else None)
    folder = data_folder(data)
    running = Endpoints.read(folder)
    address, encrypted = _address(endpoint, running, ca_file)
    try:
        with _channel(address, _authorities(ca_file, running, as_json=as_json) if encrypted else None) as channel:
            minted = token or _minted(folder, running, as_json=as_json)
            yield AdminEndpoint(channel, minted, as_json=as_json, seconds=seconds)
    except grpc.RpcError as error:
        refuse(_refusal(error, address), as_json=as_json)


def _address(endpoint: str | None, running: Endpoints | None, ca_file: Path | None) -> tuple[str, bool]:
    """Returns "host:port" and whether to speak TLS there."""
    if endpoint is None:
        if running is not None:
            return reachable(running.admin), running.tls
        return ADMIN_LISTEN_DEFAULT, ca_file is not None
    scheme, separator, address = endpoint.rpartition("://")
    if separator and scheme not in ("http", "https"):
        raise typer.BadParameter(f"{scheme}:// is neither http:// nor https://", param_hint="--admin")
    if separator:
        return address.rstrip("/"), scheme == "https"
    if running is not None and endpoint == running.admin:
        return address, running.tls
    return address, ca_file is not None or not is_loopback(address)


def _authorities(ca_file: Path | None, running: Endpoints | None, *, as_json: bool) -> bytes:
    """Returns PEM of the authorities to trust; empty means those of the system."""
    path = ca_file or (Path(running.ca_file) if running and running.ca_file else None)
    try:
        return path.read_bytes() if path else b""
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}; name the authority's certificate with --ca-file"
        refuse({"reason": "CONFIGURATION_INVALID", "message": message}, as_json=as_json)


def _channel(address: str, authorities: bytes | None) -> grpc.Channel:
    """Opens a channel; without authorities it is plain text."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
    if authorities is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities or None), options=options)


def _minted(folder: Path, running: Endpoints | None, *, as_json: bool) -> str:
    if running is not None and not running.development:
        message = "the server runs in production mode; give --token, or HAVERSACK_TOKEN, one of its issuers' tokens"
        refuse({"reason": "TOKEN_MISSING", "message": message}, as_json=as_json)
    if not folder.is_dir():
        message = f"no --token, and no data folder at {folder} to make one with; give one of them"
        refuse({"reason": "TOKEN_MISSING", "message": message}, as_json=as_json)
    issuer = DevelopmentIssuer.open(folder)
    return issuer.token(user="haversack-cli", organization=ANY_ORGANIZATION, audience=ADMIN_AUDIENCE, hours=TOKEN_HOURS)


def _refusal(error: grpc.RpcError, address: str) -> dict[str, str]:
    """Returns the reason that the server gave, else the status code, and its message."""
    if not isinstance(error, grpc.Call):
        raise error
    reason = error.code().name
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    message = error.details() or ""
    if reason == grpc.StatusCode.UNAVAILABLE.name:
        message = f"no server answers at {address}; start one with `haversack serve` ({message})"
    return {"reason": reason, "message": message}
