"""A door on loopback that adds the bearer token: for clients that cannot send one.

The conformance suite has no option for headers. Everything else of a request, and all of the answer, passes
byte for byte, so that what the suite sees is our server; each connection carries one request.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_END_OF_HEAD = b"\r\n\r\n"
_REPLACED = (b"authorization:", b"connection:")


@contextmanager
def token_proxy(port: int, token: str) -> Iterator[int]:
    """The port of a proxy to the server at `port` of this machine, for as long as the block runs."""
    loop = asyncio.new_event_loop()
    proxy = _Proxy(port, token)
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(proxy.close())
        loop.close()


class _Proxy:
    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._added = [b"Authorization: Bearer " + token.encode("ascii"), b"Connection: close"]
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            head = await reader.readuntil(_END_OF_HEAD)
            to_server, from_client = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                from_client.write(self._with_token(head))
                # Whoever closes first ends both: a client that leaves ends its stream at the server.
                ways = {
                    asyncio.create_task(_pump(to_server, writer)),
                    asyncio.create_task(_pump(reader, from_client)),
                }
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
            finally:
                from_client.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _with_token(self, head: bytes) -> bytes:
        first, *headers = head.removesuffix(_END_OF_HEAD).split(b"\r\n")
        kept = [header for header in headers if not header.lower().startswith(_REPLACED)]
        return b"\r\n".join([first, *kept, *self._added]) + _END_OF_HEAD


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
