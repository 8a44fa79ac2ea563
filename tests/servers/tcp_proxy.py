"""A line between a client and a server on this machine that can be slow, or cut as a firewall cuts: without a word."""

import contextlib
import socket
import ssl
import threading
import time

_PIECE = 65_536


class TcpProxy:
    """Forwards to a loopback port. `rate`: bytes a second towards the client, None for all there are.

    tls: what is spoken with the client, where it is more than TCP
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.rate: float | None = None
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def carries(self) -> bool:
        """Whether anybody ever came."""
        return bool(self._sockets)

    def cut(self) -> None:
        """Nothing gets through any more; both ends believe the connection is there."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        """Close everything, as a machine that goes down does."""
        self._open.set()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                client = client if self._tls is None else self._tls.wrap_socket(client, server_side=True)
                server = socket.socket()
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)  # what waits here is not on its way
                server.connect(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, slowly: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(_PIECE):
                self._open.wait()
                target.sendall(content)
                if slowly and self.rate is not None:
                    time.sleep(len(content) / self.rate)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
