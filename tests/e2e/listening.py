"""Waits for servers that the tests start."""

from __future__ import annotations

import socket
import subprocess
import time

_SECONDS = 30.0


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
