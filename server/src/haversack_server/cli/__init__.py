"""The command line: `haversack serve`, and everything an administrator does, through the admin endpoint.

Exit codes: 0 done; 1 refused or failed, or rows were refused; 2 the command was misused. Every command takes `--json`.
Imports that take long lie inside the commands that need them, so that `--help` answers at once.
"""

from haversack_server.cli._app import app

__all__ = ["app"]
