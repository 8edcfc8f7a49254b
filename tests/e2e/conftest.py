"""A filled organization on a server process, for every fault test."""

import base64
import csv
import io
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
from e2e.processes import ServerProcess
from haversack.model.v1 import model_pb2
from haversack_server.demo.organization import Organization

ROWS = 40_000
NAME = "faults"
USER = "5b0c1e52-0000-4000-8000-000000000001"
UNIT = "5b0c1e52-0000-4000-8000-0000000000b0"
ROLE = "5b0c1e52-0000-4000-8000-0000000000c0"
READ, GLOBAL = 2, 8


@dataclass(frozen=True)
class Field:
    """The organization that the fault tests play in."""

    server: ServerProcess
    organization: Organization

    @property
    def token(self) -> str:
        """The user's token."""
        return self.server.device_token(NAME, USER)

    def write(self, start: int, count: int, note: str) -> None:
        """Inserts or replaces contacts by number."""
        header = ["contactid", "fullname", "jobtitle", "emailaddress1", "address1_line1", "description"]
        rows = [
            [
                contact(number),
                f"Contact {number}",
                note,
                f"c{number}@example.com",
                f"{number} Field Lane",
                noise(number, note),
            ]
            for number in range(start, start + count)
        ]
        self.organization.ingest("contact", table([header, *rows]))


def contact(number: int) -> str:
    """A contact's id."""
    return str(uuid.UUID(int=(0xC0 << 120) | (4 << 76) | (8 << 60) | number))


def noise(number: int, note: str) -> str:
    """Text that hardly compresses, so that what travels is what the rows weigh."""
    return base64.b64encode(random.Random(f"{note} {number}").randbytes(180)).decode()


def table(rows: list[list[str]]) -> bytes:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A server process with an organization of `ROWS` contacts that one user carries."""
    server = ServerProcess(tmp_path_factory.mktemp("server"))
    server.start()
    with grpc.insecure_channel(server.admin) as channel:
        organization = server.organization(channel, NAME)
        organization.create()
        organization.ingest("businessunit", table([["businessunitid", "name"], [UNIT, "Unit"]]))
        users = [["systemuserid", "fullname", "businessunitid"], [USER, "Tester", UNIT]]
        organization.ingest("systemuser", table(users))
        organization.ingest("role", table([["roleid", "name", "businessunitid"], [ROLE, "Reader", UNIT]]))
        assignments = [["systemuserroleid", "systemuserid", "roleid"], [str(uuid.uuid4()), USER, ROLE]]
        organization.ingest("systemuserroles", table(assignments))
        rights = [["roleprivilegeid", "roleid", "entityname", "accessright", "depth"]]
        readable = ("contact", "mobileofflineprofile")
        rights += [[str(uuid.uuid4()), ROLE, entity, str(READ), str(GLOBAL)] for entity in readable]
        organization.ingest("roleprivileges", table(rights))
        organization.enable("contact")
        item = model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_ALL)
        organization.publish(model_pb2.Profile(name="all", users=[USER], items=[item]))
        play = Field(server, organization)
        play.write(0, ROWS, "first")
        yield play
    server.kill()
