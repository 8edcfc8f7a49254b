"""Where the demo plays: its server, its data, its people, and who tells of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from haversack.admin.v1 import provisioning_pb2
from haversack.model.v1 import model_pb2

from haversack_server.demo import checks
from haversack_server.demo.dataset import MANAGER, REPRESENTATIVE, DataSet, Role
from haversack_server.demo.devices import Person
from haversack_server.demo.narration import Narrator
from haversack_server.demo.organization import Organization, read_profile
from haversack_server.demo.server import DemoServer

NAME = "adventure-works"
ROOT_UNIT = "Adventure Works Cycles"
REPRESENTATIVES, MANAGERS = "sales-representative", "territory-manager"
DAYS = 400
"""How far back the profile files reach."""

Follow = Callable[[Iterator[provisioning_pb2.Provisioning]], provisioning_pb2.Provisioning]
"""Shows where provisioning stands, again and again; returns how it stands at the end."""


@dataclass(frozen=True)
class Stage:
    """Where the demo plays.

    Attributes:
        folder: For the server's data and the devices' databases.
        server: The server.
        data: The rows to begin with.
        profiles: Folder of the profile files.
        narrator: Tells.
        follow: Shows provisioning as the command line does.
    """

    folder: Path
    server: DemoServer
    data: DataSet
    profiles: Path
    narrator: Narrator
    follow: Follow

    @property
    def organization(self) -> Organization:
        """The organization, on the server as it runs now."""
        return Organization(self.server.channel, self.server.admin_token(), NAME)

    @property
    def databases(self) -> Path:
        """Folder of the organization's databases."""
        return self.server.data / "organizations" / NAME

    def people(self) -> list[Person]:
        """Whoever carries a device."""
        users = self.data.users()
        return [
            Person("Pamela", users["pamela0"], REPRESENTATIVES, checks.REPRESENTATIVE),
            Person("Lynn", users["lynn0"], REPRESENTATIVES, checks.REPRESENTATIVE),
            Person("Stephen", users["stephen0"], MANAGERS, checks.MANAGER),
        ]

    def roles(self) -> dict[str, Role]:
        """Their roles, by id of the user."""
        return {it.user: REPRESENTATIVE if it.profile == REPRESENTATIVES else MANAGER for it in self.people()}

    def profile(self, name: str, days: int = DAYS) -> model_pb2.Profile:
        """A profile of the files for its people, with opportunities of so many days instead of `DAYS`."""
        members = [it.user for it in self.people() if it.profile == name]
        draft = read_profile(self.profiles / f"{name}.yaml", members)
        for item in draft.items:
            for association in item.associations:
                if association.HasField("filter"):
                    limit = association.filter
                    limit.fetch_xml = limit.fetch_xml.replace(f'value="{DAYS}"', f'value="{days}"')
        return draft


def open_data(data_set: Path) -> DataSet:
    """Opens the data set, with dates that end yesterday; raises FileNotFoundError if it is none."""
    return DataSet(data_set, datetime.now(UTC).date())
