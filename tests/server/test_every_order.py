"""Two devices that write the same rows, in every order, under every policy: in the end they are equal.

Each of two users writes, syncs, writes again and syncs again. A write is seen by nobody else before its device's next
sync, so what can differ is the order of the four syncs, and all six of them are run. Within one, every combination of
writes has a row of its own. In the end each device must hold exactly what one that has never written is given.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from haversack.model.v1 import model_pb2
from haversack_client import Conflict, Device, OutboxError, WriteRefusedError
from haversack_client._conflicts import OnConflict
from server.crew import custom
from server.running import Admin, RunningServer
from server.test_profiles import publish, save
from server.test_uploads import ADA, BOB, CREATE, DELETE, GLOBAL, POLICIES, READ, ROLE, UNIT, WRITE, Field, privilege

LEFT = "left"
"""A telephone number with which an account is in nobody's view."""

VISIBLE = f"<filter><condition attribute='telephone1' operator='ne' value='{LEFT}'/></filter>"

Write = Callable[[Device, str, str], None]


def rename(device: Device, row: str, who: str) -> None:
    """Both change the same attribute, to values of their own."""
    device.update("account", row, {"name": who})


def alike(device: Device, row: str, _who: str) -> None:
    """Both change the same attribute to the same value."""
    device.update("account", row, {"name": "Alike"})


def apart(device: Device, row: str, who: str) -> None:
    """Each changes an attribute of their own."""
    device.update("account", row, {"fax" if who.startswith("ada") else "emailaddress1": who})


def delete(device: Device, row: str, _who: str) -> None:
    """Somebody deletes the row."""
    device.delete("account", row)


def leave(device: Device, row: str, _who: str) -> None:
    """Somebody moves the row out of both views, their own among them."""
    device.update("account", row, {"telephone1": LEFT})


def create(device: Device, row: str, who: str) -> None:
    """Both make a row with one id."""
    device.create("account", {"accountid": row, "name": f"made by {who}"})


def create_and_delete(device: Device, row: str, who: str) -> None:
    """Somebody makes a row and deletes it before anybody has heard of it."""
    create(device, row, who)
    device.delete("account", row)


def nothing(_device: Device, _row: str, _who: str) -> None:
    """Somebody lets the row be."""


OF_A_ROW: tuple[Write, ...] = (rename, alike, apart, delete, leave)
OF_NONE: tuple[Write, ...] = (create, create_and_delete)
AFTER: tuple[Write, ...] = (nothing, rename)
"""What each may do the second time."""

SCRIPTS = [
    {"ada": (first, later), "bob": (other_first, other_later)}
    for firsts in (OF_A_ROW, OF_NONE)
    for first, other_first, later, other_later in product(firsts, firsts, AFTER, AFTER)
]
ORDERS = sorted(set(permutations(("ada", "ada", "bob", "bob"))))


@pytest.fixture
def field(server: RunningServer, admin: Admin, tmp_path: Path) -> Field:
    name = admin.organization()
    grants = [(privilege(right), ROLE, "account", right, GLOBAL) for right in (CREATE, READ, WRITE, DELETE)]
    grants.append((privilege(99), ROLE, "mobileofflineprofile", READ, GLOBAL))
    tables: dict[str, list[tuple[Any, ...]]] = {
        "businessunit": [("businessunitid", "name"), (UNIT, "All")],
        "role": [("roleid", "name", "businessunitid"), (ROLE, "Writer", UNIT)],
        "systemuser": [("systemuserid", "businessunitid", "isdisabled"), (ADA, UNIT, 0), (BOB, UNIT, 0)],
        "systemuserroles": [("systemuserroleid", "systemuserid", "roleid"), (ADA, ADA, ROLE), (BOB, BOB, ROLE)],
        "roleprivileges": [("roleprivilegeid", "roleid", "entityname", "accessright", "depth"), *grants],
    }
    for entity, rows in tables.items():
        report = admin.ingest(name, entity, "".join(",".join(map(str, row)) + "\n" for row in rows).encode())
        assert not report.rejected, (entity, report.errors)
    admin.enable(name, "account")
    draft = model_pb2.Profile(name="field", users=[ADA, BOB])
    draft.items.append(custom("account", VISIBLE))
    save(admin, name, draft)
    publish(admin, name)
    return Field(server, admin, name, tmp_path)


def ingest_accounts(field: Field, rows: list[str]) -> None:
    lines = "".join(f"{row},First,{ADA},systemuser\n" for row in rows)
    report = field.admin.ingest(field.name, "account", f"accountid,name,ownerid,ownerid_type\n{lines}".encode())
    assert not report.rejected, report.errors


def held(device: Device) -> dict[str, tuple[object, ...]]:
    """What a device shows, by id."""
    query = "SELECT accountid, name, fax, emailaddress1, telephone1, modifiedby FROM account"
    return {row["accountid"]: tuple(row) for row in device.query(query)}


def greater(conflict: Conflict) -> dict[str, object]:
    """An application that decides alike on every device."""
    return {name: max(str(it.mine), str(it.theirs)) for name, it in conflict.fields.items()}


@pytest.mark.parametrize(("policy", "decide"), [*((policy, None) for policy in POLICIES), ("MERGE", greater)])
def test_two_devices_end_equal_in_every_order(field: Field, policy: str, decide: OnConflict | None) -> None:
    field.set_policy(policy)
    with field.device(ADA, "ada.db", decide) as ada, field.device(BOB, "bob.db", decide) as bob:
        devices = {"ada": ada, "bob": bob}
        for order in ORDERS:
            rows = [str(uuid.uuid4()) for _ in SCRIPTS]
            ingest_accounts(field, [row for row, it in zip(rows, SCRIPTS, strict=True) if it["ada"][0] in OF_A_ROW])
            ada.sync()
            bob.sync()
            for at, who in enumerate(order):
                write(devices[who], who, rows, time=order[:at].count(who))
                devices[who].sync()
            settle(ada, bob)
            assert held(ada) == held(bob), order
        with field.device(ADA, "fresh.db") as fresh:
            fresh.sync()
            assert held(ada) == held(fresh)


def write(device: Device, who: str, rows: list[str], time: int) -> None:
    """What a user does for the first or second time, with all rows."""
    with device.batch():
        for row, script in zip(rows, SCRIPTS, strict=True):
            with suppress(WriteRefusedError):  # The row is gone already, or there.
                script[who][time](device, row, f"{who} {time}")


def settle(*devices: Device) -> None:
    """Everybody hears everything, and gives up what was refused."""
    for _ in range(2):
        for device in devices:
            device.sync()
            with device.batch():
                for refused in device.refused():
                    with suppress(OutboxError):  # It went along with a creation.
                        device.discard(refused.number)
    for device in devices:
        device.sync()
        assert device.outbox() == []
        assert device.status(verify=True).verified
