"""Prints the policy as docs/security.md has it: `python -m haversack_server.security`."""

from haversack_server.security._policy import table

if __name__ == "__main__":
    print(table())
