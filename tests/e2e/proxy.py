"""A TCP proxy between a device and the sync endpoint: counts bytes, cuts, stalls. Real sockets, nothing faked."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

CHUNK_BYTES = 16 * 1024


class Proxy:
    """Forwards connections to `target` and counts what flows to the device.

    `at(count, action)` runs `action` once, when that many bytes have flowed. `stall()` stops the flow to devices.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._actions: list[tuple[int, Callable[[], None]]] = []
        self.received = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Where devices connect."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flowing.set()
        self._listener.close()
        self.cut()

    def at(self, count: int, action: Callable[[], None]) -> None:
        """Runs `action` once, as soon as `count` bytes in all have flowed to devices."""
        with self._lock:
            self._actions.append((count, action))

    def cut(self) -> None:
        """Cuts every connection, as a lost network does."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for end in sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def stall(self) -> None:
        """Stops the flow to devices until `resume`."""
        self._flowing.clear()

    def resume(self) -> None:
        """Lets bytes flow again."""
        self._flowing.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                device, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._sockets += [device, server]
                threading.Thread(target=self._pump, args=(device, server, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, device, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, to_device: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if to_device:
                    self._flowing.wait()
                    self._count(len(data))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self, size: int) -> None:
        with self._lock:
            self.received += size
            due = [action for count, action in self._actions if self.received >= count]
            self._actions = [(count, action) for count, action in self._actions if self.received < count]
        for action in due:
            action()
