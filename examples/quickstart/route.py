"""A whole offline app: a field engineer's customers, with notes. Every command works without a network, but `sync`.

    route.py list                    customers by city; * marks what waits for the server
    route.py add NAME CITY           a new customer
    route.py note ID TEXT            a line beneath a customer's notes
    route.py close ID                a customer who is one no more
    route.py outbox                  what waits, and what was refused, with why
    route.py retry NUMBER            sends a refused write again
    route.py discard NUMBER          gives it up
    route.py sync                    takes everything to the server, and brings what is new

`ROUTE_DB` names the database (route.db), `ENDPOINT` the server, `TOKEN` is the user's.
"""

import os
import sys
from collections.abc import Mapping

from haversack_client import Conflict, Device, HaversackError, ModelAnswer, ModelChange

CUSTOMERS = """
  <fetch>
    <entity name="account">
      <attribute name="name"/> <attribute name="address1_city"/> <attribute name="description"/>
      <order attribute="address1_city"/> <order attribute="name"/>
      <filter><condition attribute="statecode" operator="eq" value="0"/></filter>
    </entity>
  </fetch>
"""
INACTIVE = {"statecode": 1, "statuscode": 2}


def keep_both(conflict: Conflict) -> Mapping[str, object]:
    """Two people wrote notes: both stay, the other's first. Of everything else, the server's value stays."""
    notes = conflict.fields.get("description")
    return {"description": f"{notes.theirs}\n{_added(notes.base, notes.mine)}"} if notes else {}


def _added(before: object, after: object) -> str:
    """What was written beneath a note."""
    return str(after).removeprefix(str(before or "")).strip()


def ask(change: ModelChange) -> ModelAnswer:
    """Tables change when the user says so; until then everything works on the old ones."""
    print("The app's data changes:", ", ".join([*change.added, *change.removed, *change.changed]))
    if not sys.stdin.isatty():
        return ModelAnswer.NOW
    return ModelAnswer.NOW if input("Now? [y/n] ").lower().startswith("y") else ModelAnswer.LATER


def show(device: Device) -> None:
    """Lists customers."""
    waiting = {write.id for write in device.outbox()}
    for customer in device.fetch(CUSTOMERS):
        mark = "*" if customer["accountid"] in waiting else " "
        print(mark, customer["accountid"], customer["name"], customer["address1_city"], sep="  ")
        for line in (customer["description"] or "").splitlines():
            print("     ", line)


def note(device: Device, row: str, text: str) -> None:
    """Adds a line beneath the notes that there are."""
    customer = next(iter(device.query("SELECT description FROM account WHERE accountid = ?", (row,))), None)
    if customer is None:
        sys.exit(f"there is no customer {row}; `route.py list` has the ids of those that there are")
    device.update("account", row, {"description": "\n".join(filter(None, (customer["description"], text)))})


def show_outbox(device: Device) -> None:
    """Lists what waits."""
    for write in device.outbox():
        print(write.number, write.state, write.kind, write.id, dict(write.values), write.message)


def sync(device: Device) -> None:
    """Shows how far it is: work can begin at stage 4."""
    result = device.sync(lambda it: print(f"{int(it.stage)} of 7, {it.fraction:.0%}", file=sys.stderr))
    print(f"{result.rows} received, {result.applied} sent, {result.refused} refused")


def main(command: str = "", *words: str) -> None:
    """Runs one command."""
    database, endpoint = os.environ.get("ROUTE_DB", "route.db"), os.environ.get("ENDPOINT", "http://127.0.0.1:7421")
    token = lambda: os.environ["TOKEN"]  # noqa: E731 (asked only where there is a network)
    with Device.open(database, endpoint, token, on_conflict=keep_both, on_model_change=ask) as device:
        match command, *words:
            case ["list"]:
                show(device)
            case ["add", name, city]:
                print(device.create("account", {"name": name, "address1_city": city}))
            case ["note", row, *text]:
                note(device, row, " ".join(text))
            case ["close", row]:
                device.update("account", row, INACTIVE)
            case ["outbox"]:
                show_outbox(device)
            case ["retry", number]:
                device.retry(int(number))
            case ["discard", number]:
                device.discard(int(number))
            case ["sync"]:
                sync(device)
            case _:
                sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except HaversackError as error:
        sys.exit(f"{type(error).__name__}: {error}")
