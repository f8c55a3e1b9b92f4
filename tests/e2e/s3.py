"""An S3 server of the tests' own, whose buckets are folders; gone afterwards."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.listening import wait_until_listening
from tests.real import building

from podlift.cli.ports import choose_port

_REGION = "us-east-1"


@dataclass(frozen=True)
class Bucket:
    """A bucket, as clients and as the disk know it."""

    name: str
    folder: Path
    endpoint: str
    key: str
    secret: str

    def connection(self, conn_id: str) -> dict[str, Any]:
        """Airflow's connection to the server, as its REST API takes it."""
        extra = {"endpoint_url": self.endpoint, "region_name": _REGION}
        return {
            "connection_id": conn_id,
            "conn_type": "aws",
            "login": self.key,
            "password": self.secret,
            "extra": json.dumps(extra),
        }

    def objects(self) -> dict[str, str]:
        """What the bucket holds, by key."""
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return {str(file.relative_to(self.folder)): file.read_text() for file in files}


@contextmanager
def bucket(address: str, folder: Path, name: str = "logs") -> Iterator[Bucket]:
    """Serve one empty bucket at ``address``, on a free port."""
    (folder / name).mkdir(parents=True)
    port = choose_port(0, address)
    made = Bucket(
        name,
        folder / name,
        f"http://{address}:{port}",
        key=secrets.token_hex(8),
        secret=secrets.token_hex(16),
    )
    program = str(building.s3_server() / "versitygw")
    access = ("--access", made.key, "--secret", made.secret, "--region", _REGION)
    command = [program, *access, "--port", f"{address}:{port}", "posix", str(folder)]
    with (folder.parent / "s3.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_listening(address, port, server)
        yield made
    finally:
        server.terminate()
        server.wait(10)
