"""Kept logs that another process has on its disk: asked for at the log servers of the schedulers.

A scheduler whose executor says ``serve_logs`` serves its log folder over HTTP, signed requests only
(``[logging] worker_log_server_port``); that is how Airflow reads the logs of its other executors'
workers too. Which scheduler kept what is not written anywhere: all of those that are alive are
asked, by the names that Airflow's database has of them, or else by the addresses of the pods that
have these names.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from podlift.compat import fetch_served_log
from podlift.executor.archive import index_name, listed

logger = logging.getLogger(__name__)

_PIECE = 1 << 16
_LONGEST_INDEX = 1 << 20

Fetch = Callable[[str, str], Any]
Resolve = Callable[[str], str | None]


@dataclass
class Found:
    """Kept logs, and what there is to say about where they are from."""

    sources: list[str] = field(default_factory=list)
    responses: list[Any] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    """Schedulers that are alive but were not reached, with the reason."""

    def streams(self) -> list[Iterator[str]]:
        """The lines of each, to be read once."""
        return [lines_of(response) for response in self.responses]


class LogServers:
    """Asks schedulers for kept logs. ``resolve`` gives the address of a host that DNS lacks."""

    def __init__(
        self, hosts: Iterable[str], port: int, resolve: Resolve, fetch: Fetch = fetch_served_log
    ) -> None:
        self._hosts = hosts
        self._port = port
        self._resolve = resolve
        self._fetch = fetch

    def find(self, log_path: str) -> Found:
        """Everything that is kept for the log with this relative path."""
        found = Found()
        for host in self._hosts:
            try:
                self._ask(host, log_path, found)
            except requests.RequestException as error:
                found.unreachable.append(f"{host} ({_reason(error)})")
        return found

    def _ask(self, host: str, log_path: str, found: Found) -> None:
        base = self._base(host)
        folder, _, name = log_path.rpartition("/")
        # A worker's own log is there too where workers and scheduler share a volume.
        for each in [name, *self._index(base, log_path, name)]:
            path = f"{folder}/{each}" if folder else each
            url, response = self._get(base, path)
            if response is not None:
                found.sources.append(url)
                found.responses.append(response)

    def _index(self, base: str, log_path: str, name: str) -> list[str]:
        _, response = self._get(base, index_name(log_path))
        if response is None:
            return []
        with response:
            text = response.raw.read(_LONGEST_INDEX, decode_content=True)
        return listed(text.decode("utf-8", "replace"), name)

    def _get(self, base: str, path: str) -> tuple[str, Any]:
        url = f"{base}{quote(path)}"
        response = self._fetch(url, path)
        if response.status_code == requests.codes.not_found:
            response.close()
            return url, None
        if response.status_code == requests.codes.forbidden:
            response.close()
            raise requests.HTTPError(
                "it refuses the request: all components need the same [api] secret_key, and "
                "clocks that agree"
            )
        response.raise_for_status()
        return url, response

    def _base(self, host: str) -> str:
        address = host
        try:
            socket.getaddrinfo(host, self._port)
        except OSError:
            address = self._resolve(host) or host
        bracketed = f"[{address}]" if ":" in address else address
        return f"http://{bracketed}:{self._port}/log/"


def lines_of(response: Any) -> Iterator[str]:
    """The lines of an HTTP answer, read as they are asked for."""
    with response:
        pieces = response.iter_content(_PIECE)
        yield from split_lines(pieces)


def split_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Text lines without their newlines, of bytes that come in any pieces."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)
