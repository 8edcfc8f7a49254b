"""`python -m haversack_server`: the command line, also where no `haversack` is on the path."""

from haversack_server.cli import app

app(prog_name="haversack")
