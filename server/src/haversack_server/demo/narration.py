"""What the demo says, and whether everything that it looked at was as it should be."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table


class Narrator:
    """Tells on a console: numbered scenes, tables, and checks, which it counts.

    Attributes:
        console: Where it tells.
        checked: How many things were looked at.
        failed: How many of them were not as they should be.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.checked = 0
        self.failed = 0
        self._scenes = 0

    def scene(self, title: str) -> None:
        """Begins a scene."""
        self._scenes += 1
        self.console.print(f"\n[bold]{self._scenes}. {escape(title)}[/bold]")

    def say(self, text: str) -> None:
        """Says a line."""
        self.console.print(f"  {text}", markup=False)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Shows a table; columns that are named with a leading ">" are numbers."""
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
        for name in columns:
            table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left")
        for row in rows:
            table.add_row(*map(escape, row))
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def check(self, statement: str, *, holds: bool) -> None:
        """Says a statement, and whether it holds."""
        self.checked += 1
        if holds:
            self.console.print(f"  [green]✓[/green] {escape(statement)}")
            return
        self.failed += 1
        self.console.print(f"  [bold red]✗ not so:[/bold red] [red]{escape(statement)}[/red]")
