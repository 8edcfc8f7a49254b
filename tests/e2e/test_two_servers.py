"""Two control planes on one database and one data folder: neither loses or hides what the other does."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from e2e.conftest import READ, ROLE, UNIT, USER, contact, table
from e2e.processes import ServerProcess
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc, profiles_pb2, profiles_pb2_grpc
from haversack.model.v1 import model_pb2
from haversack_client import Device, RowsChanged
from haversack_server.demo.organization import Organization
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, DevelopmentIssuer
from haversack_server.metadata import standard_documents
from postgresql import PostgresqlServer

GLOBAL = 8
NAMES = [f"made-{number}" for number in range(6)]
PUBLISHES = 10


@dataclass(frozen=True)
class Side:
    """One of the two servers."""

    process: ServerProcess
    channel: grpc.Channel

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What an administrator's call carries."""
        issuer = DevelopmentIssuer.open(self.process.data)
        token = issuer.token(user="tester", organization=ANY_ORGANIZATION, audience=ADMIN_AUDIENCE, hours=1)
        return (("authorization", f"Bearer {token}"),)

    def organization(self, name: str) -> Organization:
        """An organization, administered through this server."""
        return self.process.organization(self.channel, name)

    def create(self, name: str) -> bool:
        """Makes an organization; tells whether it was this call that made it."""
        request = admin_pb2.CreateOrganizationRequest(name=name)
        try:
            admin_pb2_grpc.OrganizationServiceStub(self.channel).CreateOrganization(request, metadata=self.metadata)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
            return False
        return True

    def publish(self, organization: str, name: str) -> profiles_pb2.PublishProfileResponse:
        """Publishes a profile's draft."""
        request = profiles_pb2.PublishProfileRequest(organization=organization, name=name)
        profiles = profiles_pb2_grpc.ProfileServiceStub(self.channel)
        response: profiles_pb2.PublishProfileResponse = profiles.PublishProfile(request, metadata=self.metadata)
        return response

    def organizations(self) -> list[admin_pb2.Organization]:
        """Every organization as this server shows it."""
        stub = admin_pb2_grpc.OrganizationServiceStub(self.channel)
        return list(stub.ListOrganizations(admin_pb2.ListOrganizationsRequest(), metadata=self.metadata).organizations)

    def profiles(self, organization: str) -> list[profiles_pb2.ProfileSummary]:
        """Every profile as this server shows it."""
        request = profiles_pb2.ListProfilesRequest(organization=organization)
        stub = profiles_pb2_grpc.ProfileServiceStub(self.channel)
        return list(stub.ListProfiles(request, metadata=self.metadata).profiles)


@pytest.fixture(scope="module")
def sides(
    request: pytest.FixtureRequest, postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Side, Side]]:
    """Two server processes, started at once on an empty database and an empty folder."""
    data, database = tmp_path_factory.mktemp("shared"), postgresql.database() if request.param == "postgresql" else ""
    processes = [ServerProcess(data, database), ServerProcess(data, database)]
    with ExitStack() as stack, ThreadPoolExecutor(2) as both:
        for process in processes:
            stack.callback(process.kill)
        list(both.map(ServerProcess.start, processes))
        one, two = (Side(it, stack.enter_context(grpc.insecure_channel(it.admin))) for it in processes)
        yield one, two


def on_both(sides: tuple[Side, Side], call: str, *calls: tuple[str, ...]) -> list[object]:
    """Makes every call on both servers, all at once."""
    with ThreadPoolExecutor(2 * len(calls)) as threads:
        made = [threads.submit(getattr(side, call), *arguments) for arguments in calls for side in sides]
        return [it.result() for it in made]


def fill(organization: Organization) -> None:
    """Gives an organization one user who may read every contact."""
    organization.import_metadata(standard())
    organization.provision()
    for entity, rows in {
        "businessunit": [["businessunitid", "name"], [UNIT, "Unit"]],
        "systemuser": [["systemuserid", "fullname", "businessunitid"], [USER, "Tester", UNIT]],
        "role": [["roleid", "name", "businessunitid"], [ROLE, "Reader", UNIT]],
        "systemuserroles": [["systemuserroleid", "systemuserid", "roleid"], [str(uuid.uuid4()), USER, ROLE]],
        "roleprivileges": [
            ["roleprivilegeid", "roleid", "entityname", "accessright", "depth"],
            [str(uuid.uuid4()), ROLE, "contact", str(READ), str(GLOBAL)],
            [str(uuid.uuid4()), ROLE, "mobileofflineprofile", str(READ), str(GLOBAL)],
        ],
    }.items():
        organization.ingest(entity, table(rows))
    organization.enable("contact")


def standard() -> list[tuple[str, bytes]]:
    """The shipped metadata."""
    return list(standard_documents())


def draft() -> model_pb2.Profile:
    """A profile of every contact."""
    item = model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_ALL)
    return model_pb2.Profile(name="all", users=[USER], items=[item])


@pytest.mark.parametrize("sides", ["sqlite", "postgresql"], indirect=True)
def test_neither_loses_doubles_or_hides_what_the_other_does(sides: tuple[Side, Side]) -> None:
    made = on_both(sides, "create", *((name,) for name in NAMES))
    assert sum(map(bool, made)) == len(NAMES)
    name = NAMES[0]
    fill(sides[0].organization(name))
    first = sides[1].organization(name).publish(draft())
    published = on_both(sides, "publish", *([(name, "all")] * PUBLISHES))
    revisions = sorted(it.revision for it in published if isinstance(it, profiles_pb2.PublishProfileResponse))
    assert revisions == list(range(first + 1, first + 1 + 2 * PUBLISHES))
    one, two = (side.organizations() for side in sides)
    assert [it.name for it in one] == NAMES
    assert one == two
    assert sides[0].profiles(name) == sides[1].profiles(name)
    assert one[0].revision == revisions[-1]


@pytest.mark.parametrize("sides", ["postgresql"], indirect=True)
def test_what_one_is_given_reaches_devices_of_the_other(sides: tuple[Side, Side], tmp_path: Path) -> None:
    one, two = sides
    organization = one.organization("reached")
    organization.create(provisioned=False)
    fill(organization)
    organization.publish(draft())
    token = two.process.device_token("reached", USER)
    with Device.open(tmp_path / "device.db", two.process.sync, token) as device:
        # No administrator has named the organization to the second server: it finds it by itself.
        device.sync()
        with device.live() as live:
            organization.ingest("contact", table([["contactid", "fullname"], [contact(1), "Ada"]]))
            assert any(isinstance(event, RowsChanged) for event in live)
        one.process.kill()
        two.organization("reached").ingest("contact", table([["contactid", "fullname"], [contact(2), "Grace"]]))
        two.publish("reached", "all")
        device.sync()
        assert {row["fullname"] for row in device.query("SELECT fullname FROM contact")} == {"Ada", "Grace"}
