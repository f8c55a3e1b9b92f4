"""Waits for servers that the tests start."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 30.0


@contextmanager
def listening(
    command: list[str],
    address: str,
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """A server that runs meanwhile, once it answers there."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_until_listening(address, port, server)
        yield
    finally:
        server.terminate()
        server.wait(10)


def wait_until_listening(address: str, port: int, server: subprocess.Popen[bytes]) -> None:
    """Return once something answers there; fails where the server ends or takes too long."""
    end = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except ConnectionRefusedError:
            assert server.poll() is None, f"{server.args!r} ended with {server.returncode}"
            assert time.monotonic() < end, f"{server.args!r} does not listen"
            time.sleep(0.05)
