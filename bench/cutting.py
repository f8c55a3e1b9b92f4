"""A line to the API server that can be cut, in a process of its own.

    python -m bench.cutting HOST PORT

Says the port that it listens on. `cut` ends all connections and lets no new one through until
`mend`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


class Line:
    """Passes bytes on between clients and one server."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._whole = asyncio.Event()
        self._whole.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        print(listening.sockets[0].getsockname()[1], flush=True)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            if line == b"cut\n":
                self._whole.clear()
                for writer in list(self._writers):
                    writer.transport.abort()
            else:
                self._whole.set()
            print("done", flush=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await self._whole.wait()
            upstream, downstream = await asyncio.open_connection(*self._server)
            await asyncio.gather(self._pass(reader, downstream), self._pass(upstream, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.close()


if __name__ == "__main__":
    asyncio.run(Line(sys.argv[1], int(sys.argv[2])).run())
