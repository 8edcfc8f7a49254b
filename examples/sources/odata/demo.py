"""A Dataverse in small, served by odatapy, as an organization's system of record: `make demo-odata`.

It begins at an empty directory: a source is set and checked, the organization provisioned from it, a device synced.
Rows change at the source and on the device, and after every step both sides are compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc, source_pb2, source_pb2_grpc
from haversack.model.v1 import model_pb2
from haversack_client import Device
from haversack_server.demo.narration import Narrator
from haversack_server.demo.organization import Organization
from haversack_server.demo.server import DemoServer
from rich.console import Console

HERE = Path(__file__).parent
NAME = "acme"
WAIT_SECONDS_MAX = 60.0
RIGHTS = ("ReadAccount", "CreateAccount", "WriteAccount", "DeleteAccount", "ReadMobileOfflineProfile")
CITIES = ("Vienna", "Graz", "Salzburg", "Linz")
ACCOUNTS = 20


def made_id(number: int) -> str:
    """The id of this number."""
    return str(uuid.UUID(int=number))


UNIT, USER, ROLE = made_id(1), made_id(2), made_id(3)


class Service:
    """The system of record, as its own people use it: over HTTP, with no idea of Haversack."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, headers={"If-Match": "*"})

    def add(self, entity_set: str, **row: Any) -> None:
        """Makes a row."""
        self._http.post(entity_set, json=row).raise_for_status()

    def change(self, number: str, **columns: Any) -> None:
        """Changes an account."""
        self._http.patch(f"accounts({number})", json=columns).raise_for_status()

    def delete(self, number: str) -> None:
        """Deletes an account."""
        self._http.delete(f"accounts({number})").raise_for_status()

    def accounts(self) -> dict[str, tuple[Any, ...]]:
        """Name and city of every account."""
        body = self._http.get("accounts?$select=accountid,name,address1_city").raise_for_status().json()
        return {it["accountid"]: (it["name"], it["address1_city"]) for it in body["value"]}

    def fill(self) -> None:
        """Makes a company: a unit, a user, a role and what it grants, accounts."""
        self.add("businessunits", businessunitid=UNIT, name="Acme")
        user = {"systemuserid": USER, "fullname": "Ada", "domainname": "ada@acme.example", "isdisabled": False}
        self.add("systemusers", **user, _businessunitid_value=UNIT)
        self.add("roles", roleid=ROLE, name="Salesperson", _businessunitid_value=UNIT)
        self.add("systemuserrolescollection", systemuserroleid=made_id(4), systemuserid=USER, roleid=ROLE)
        for number, right in enumerate(RIGHTS, 10):
            self.add("privileges", privilegeid=made_id(number), name=f"prv{right}")
            granted = {"roleprivilegeid": made_id(number + 50), "privilegeid": made_id(number)}
            self.add("roleprivilegescollection", **granted, roleid=ROLE, privilegedepthmask=8)
        for number in range(1, ACCOUNTS + 1):
            row = {"accountid": made_id(100 + number), "name": f"Account {number}", "statecode": 0}
            self.add("accounts", **row, address1_city=CITIES[number % len(CITIES)], _ownerid_value=USER)


@contextmanager
def serving() -> Iterator[Service]:
    """Runs odatapy while the block runs."""
    command = [sys.executable, str(HERE / "service.py"), str(HERE / "metadata.xml")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Service(process.stdout.readline().strip())
        finally:
            process.stdin.close()


@dataclass
class Stage:
    """Where the demo plays."""

    folder: Path
    server: DemoServer
    service: Service
    narrator: Narrator

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.server.admin_token()}"),)

    @property
    def organization(self) -> Organization:
        """The organization."""
        return Organization(self.server.channel, self.server.admin_token(), NAME)

    def device(self) -> Device:
        """Ada's device."""
        token = self.server.device_token(NAME, USER)
        return Device.open(self.folder / "ada.db", f"https://{self.server.sync}", token, ca_file=self.server.ca_file)


def held(device: Device) -> dict[str, tuple[Any, ...]]:
    """Name and city of every account that a device has."""
    rows = device.query("SELECT accountid, name, address1_city FROM account")
    return {it["accountid"]: (it["name"], it["address1_city"]) for it in rows}


def until(device: Device, wanted: Callable[[], bool]) -> float | None:
    """Syncs until something is so; returns the seconds that it took, or None if it does not come to be."""
    began = time.monotonic()
    while time.monotonic() - began < WAIT_SECONDS_MAX:
        device.sync()
        if wanted():
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def connect(stage: Stage) -> None:
    """Sets the source, and lets it be checked."""
    tell = stage.narrator
    tell.scene("An organization whose system of record is an OData service")
    organizations = admin_pb2_grpc.OrganizationServiceStub(stage.server.channel)
    organizations.CreateOrganization(admin_pb2.CreateOrganizationRequest(name=NAME), metadata=stage.metadata)
    sources = source_pb2_grpc.SourceServiceStub(stage.server.channel)
    settings = json.dumps({"url": stage.service.url, "interval_seconds": 1})
    request = source_pb2.SetSourceRequest(organization=NAME, kind="odata", settings_json=settings)
    sources.SetSource(request, metadata=stage.metadata)
    tell.say(f"odatapy serves a small Dataverse at {stage.service.url}; `haversack source check` says:")
    findings = []
    for answer in sources.CheckSource(source_pb2.CheckSourceRequest(organization=NAME), metadata=stage.metadata):
        findings.append(answer.finding)
    failure = source_pb2.SOURCE_VERDICT_FAILURE
    good = [(it.subject, it.what) for it in findings if it.verdict == source_pb2.SOURCE_VERDICT_OK]
    tell.table(("about", "found"), good)
    tell.check("nothing is found that would keep it from working", holds=all(it.verdict != failure for it in findings))


def provision(stage: Stage) -> None:
    """Provisions the organization from its source."""
    tell = stage.narrator
    tell.scene("Provisioning reads the service's metadata, its users and roles, and its rows")
    organization = stage.organization
    organization.provision()
    organization.enable("account")
    draft = model_pb2.Profile(name="field", users=[USER])
    draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    organization.publish(draft)
    tell.check("it is provisioned, and a profile is published", holds=organization.get().revision > 0)


def sync(stage: Stage, device: Device) -> None:
    """Syncs a device for the first time."""
    tell = stage.narrator
    tell.scene("Ada's device syncs; what she may see was decided at the service")
    device.sync()
    there = stage.service.accounts()
    tell.check(f"her device holds the {len(there)} accounts of the service", holds=held(device) == there)


def change_at_the_source(stage: Stage, device: Device) -> None:
    """Changes, makes and deletes accounts at the service."""
    tell = stage.narrator
    tell.scene("Somebody works at the service")
    stage.service.change(made_id(101), name="Renamed at the service", address1_city="Innsbruck")
    stage.service.delete(made_id(102))
    stage.service.add("accounts", accountid=made_id(500), name="New at the service", address1_city="Graz", statecode=0)
    seconds = until(device, lambda: held(device) == stage.service.accounts())
    tell.check("a change, a deletion and a new account are on the device", holds=seconds is not None)
    tell.say(f"It took {seconds or 0:.1f} seconds; the service is asked for changes every second.")


def write_offline(stage: Stage, device: Device) -> None:
    """Writes on the device."""
    tell = stage.narrator
    tell.scene("Ada works without a network, and comes back")
    made = device.create("account", {"name": "Made in the field", "address1_city": "Bregenz"})
    device.update("account", made_id(103), {"name": "Changed in the field"})
    device.delete("account", made_id(104))
    there = stage.service.accounts()
    tell.check("the service knows nothing of it", holds=made not in there and made_id(104) in there)
    seconds = until(device, lambda: device.outbox() == [] and held(device) == stage.service.accounts())
    there = stage.service.accounts()
    arrived = there.get(made) == ("Made in the field", "Bregenz") and made_id(104) not in there
    tell.check("the service has what she made, changed and deleted", holds=seconds is not None and arrived)


def disagree(stage: Stage, device: Device) -> None:
    """Changes one account on both sides."""
    tell = stage.narrator
    tell.scene("Both change one account: the service decides by its versions")
    settings = model_pb2.Settings(conflict_policy=model_pb2.CONFLICT_POLICY_SERVER_WINS)
    stage.organization.set_settings(settings)
    stage.organization.publish_customizations()
    device.sync()
    device.update("account", made_id(105), {"name": "Ada's name"})
    stage.service.change(made_id(105), name="The service's name")
    until(device, lambda: bool(device.refused()))
    refused = device.refused()
    tell.check("her change is refused as a conflict", holds=[it.reason for it in refused] == ["WRITE_CONFLICT"])
    name = stage.service.accounts()[made_id(105)][0]
    tell.check("the service's name stays", holds=name == "The service's name")
    agreed = until(device, lambda: held(device) == stage.service.accounts())
    tell.check("the device shows it too", holds=agreed is not None)


def main() -> int:
    """Plays every scene; returns 1 if anything was not as it should be."""
    narrator = Narrator(Console(highlight=False))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="haversack-demo-") as scratch, serving() as service:
        service.fill()
        with DemoServer(Path(scratch)) as server:
            stage = Stage(Path(scratch), server, service, narrator)
            connect(stage)
            provision(stage)
            with stage.device() as device:
                for scene in (sync, change_at_the_source, write_offline, disagree):
                    scene(stage, device)
    verdict = f"{narrator.checked - narrator.failed} of {narrator.checked} checks hold"
    narrator.console.print(f"\n[bold]{verdict}, in {time.monotonic() - began:.0f} seconds.[/bold]")
    return 1 if narrator.failed else 0


if __name__ == "__main__":
    sys.exit(main())
