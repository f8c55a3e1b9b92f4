"""Ports on the loopback address."""

from __future__ import annotations

import socket

from podlift.cli.errors import PortTaken


def choose_port(asked: int, host: str = "127.0.0.1") -> int:
    """Return `asked` if it is free, or any free port for 0.

    Raises PortTaken, which says what to do. Another program may still take the port between this
    answer and its use; the process that then cannot listen ends and is reported.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port that only has old connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, asked))
        except OSError as error:
            raise PortTaken(
                f"Port {asked} on {host} cannot be used ({error.strerror}): choose another with"
                " --port NUMBER, or --port 0 for any free one."
            ) from error
        port: int = probe.getsockname()[1]
        return port
