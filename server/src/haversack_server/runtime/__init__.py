"""A whole server in one process: `async with Server(settings) as server`."""

from haversack_server.runtime._server import Server

__all__ = ["Server"]
