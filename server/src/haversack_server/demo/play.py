"""Brings up a whole server for the demo, tells the story against it, and takes it down again."""

import asyncio
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from haversack_server.demo.story import Stage, Story
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE
from haversack_server.logs import configure_logs
from haversack_server.runtime import Server
from haversack_server.security import make_development_ca
from haversack_server.settings import Mode, ServerSettings, TlsSettings

ORGANIZATION = "adventure-works"
TOKEN_HOURS = 1.0


def play(data_set: Path, folder: Path | None, console: Console) -> bool:
    """Plays the demo in `folder` (a scratch folder if None); returns whether every device agreed every time.

    Raises FileNotFoundError if `data_set` is none, and FileExistsError if `folder` is not empty.
    """
    configure_logs("warning")
    with ExitStack() as cleanup:
        if folder is None:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="haversack-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty; the demo needs a folder of its own")
        return asyncio.run(_play(data_set, folder, console))


async def _play(data_set: Path, folder: Path, console: Console) -> bool:
    authority = make_development_ca(folder / "server" / "tls", ["localhost", "127.0.0.1"], datetime.now(UTC))
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=folder / "server",
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        tls=TlsSettings(
            certificate_file=authority.certificate_file.absolute(),
            key_file=authority.key_file.absolute(),
            ca_file=authority.ca_file.absolute(),
        ),
    )
    async with Server(settings) as server:
        issuer = server.issuer
        stage = Stage(
            data_set=data_set,
            folder=folder,
            databases=settings.data / "organizations" / ORGANIZATION,
            admin=server.admin_address,
            admin_token=issuer.token(
                user="demo", organization=ANY_ORGANIZATION, audience=ADMIN_AUDIENCE, hours=TOKEN_HOURS
            ),
            sync=f"https://{server.sync_address}",
            ca_file=authority.ca_file,
            token=lambda user: issuer.token(
                user=user, organization=ORGANIZATION, audience=SYNC_AUDIENCE, hours=TOKEN_HOURS
            ),
        )
        return await asyncio.to_thread(Story(stage, console).tell)
