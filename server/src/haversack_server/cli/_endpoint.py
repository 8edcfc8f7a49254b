"""The admin endpoint as commands see it: found, signed in to, its refusals printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status
from haversack.admin.v1 import (
    admin_pb2_grpc,
    directory_pb2_grpc,
    provisioning_pb2_grpc,
    questions_pb2_grpc,
    solutions_pb2_grpc,
    work_pb2_grpc,
)

from haversack_server.cli._output import refuse
from haversack_server.endpoints import Endpoints
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, DevelopmentIssuer
from haversack_server.settings import ADMIN_LISTEN_DEFAULT, data_folder

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
TOKEN_HOURS = 1.0

_Response = TypeVar("_Response", bound=Message)


class AdminEndpoint:
    """The admin endpoint's services; each call carries the token, and may take some seconds if that is limited."""

    def __init__(self, channel: grpc.Channel, token: str, seconds: float | None = None) -> None:
        self.organizations = admin_pb2_grpc.OrganizationServiceStub(channel)
        self.entities = admin_pb2_grpc.EntityServiceStub(channel)
        self.ingests = admin_pb2_grpc.IngestServiceStub(channel)
        self.profiles = admin_pb2_grpc.ProfileServiceStub(channel)
        self.provisioning = provisioning_pb2_grpc.ProvisioningServiceStub(channel)
        self.questions = questions_pb2_grpc.QuestionServiceStub(channel)
        self.directory = directory_pb2_grpc.DirectoryServiceStub(channel)
        self.solutions = solutions_pb2_grpc.SolutionServiceStub(channel)
        self.work = work_pb2_grpc.WorkServiceStub(channel)
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


@contextmanager
def connected(
    endpoint: str | None, token: str | None, data: Path | None, *, as_json: bool, seconds: float | None = None
) -> Iterator[AdminEndpoint]:
    """Connects to the admin endpoint; a refusal inside the block is printed, and ends the command with exit code 1.

    `seconds` limits how long each call may take.
    """
    folder = data_folder(data)
    address = endpoint or _address(folder)
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
    try:
        with grpc.insecure_channel(address, options=options) as channel:
            yield AdminEndpoint(channel, token or _minted(folder, as_json=as_json), seconds)
    except grpc.RpcError as error:
        refuse(_refusal(error, address), as_json=as_json)


def _address(folder: Path) -> str:
    running = Endpoints.read(folder)
    return running.admin if running else ADMIN_LISTEN_DEFAULT


def _minted(folder: Path, *, as_json: bool) -> str:
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
