"""Brings up a whole server for the demo, tells the story against it, and takes it down again."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from haversack_server.demo.narration import Narrator
from haversack_server.demo.server import DemoServer
from haversack_server.demo.stage import Follow, Stage, open_data
from haversack_server.demo.story import tell


def play(data_set: Path, folder: Path | None, narrator: Narrator, follow: Follow) -> None:
    """Plays the demo in `folder` (a scratch folder if None); the narrator knows afterwards whether all agreed.

    Raises FileNotFoundError if `data_set` is none, and FileExistsError if `folder` is not empty.
    """
    data = open_data(data_set)
    with ExitStack() as cleanup:
        if folder is None:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="haversack-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty; the demo needs a folder of its own")
        server = cleanup.enter_context(DemoServer(folder))
        tell(Stage(folder, server, data, data_set / "profiles", narrator, follow))
