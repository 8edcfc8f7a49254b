"""TLS in front of a database that is served on a Unix socket, as PostgreSQL negotiates it.

The PostgreSQL of the tests is built without TLS. What matters is at the other end: whom clients trust, and whether all
of them do; so the server's half is here, over Python's own TLS, and what is within goes on to the real server.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from types import TracebackType

import trustme
from server.running import LoopThread

SSL_REQUEST = (80_877_103).to_bytes(4)
"""PostgreSQL's "Message Formats": SSLRequest, behind its length."""

GSS_REQUEST = (80_877_104).to_bytes(4)
REQUEST_BYTES = 8
PIECE_BYTES = 1 << 16


class TlsFront:
    """A listener on loopback.

    Attributes:
        port: Where it listens.
        encrypted: Connections that have shaken hands.
        plain: Connections that came without TLS; they are not served.
    """

    def __init__(self, loop: LoopThread, socket: str, issued: trustme.LeafCert | None) -> None:
        """Prepares; without a certificate it speaks no TLS."""
        self.port = self.encrypted = self.plain = 0
        self._loop = loop
        self._socket = socket
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if issued else None
        if issued and self._context:
            issued.configure_cert(self._context)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> TlsFront:
        """Listens."""
        self._server = self._loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends every connection."""
        self._loop.run(self._end())

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A client that trusts nobody here ends the handshake; one that is killed ends the rest.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                await self._negotiate(reader, writer)
            finally:
                writer.close()

    async def _negotiate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readexactly(REQUEST_BYTES))[4:]
        if asked == GSS_REQUEST:
            writer.write(b"N")
            asked = (await reader.readexactly(REQUEST_BYTES))[4:]
        if asked != SSL_REQUEST:
            self.plain += 1
            return
        if self._context is None:
            writer.write(b"N")
            return
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(self._context)
        self.encrypted += 1
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket)
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            inner_writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carries bytes one way, and its end."""
    while piece := await source.read(PIECE_BYTES):
        sink.write(piece)
        await sink.drain()
    sink.close()
