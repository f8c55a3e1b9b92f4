"""An S3 server of the tests' own, whose buckets are folders; gone afterwards."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.listening import listening
from tests.e2e.stores import CONNECTION, PREFIX, Store
from tests.real import building

from podlift.cli.ports import choose_port

_REGION = "us-east-1"
_BUCKET = "logs"


@contextmanager
def s3(address: str, folder: Path) -> Iterator[Store]:
    """Serve one empty bucket at ``address``, on a free port."""
    bucket = folder / _BUCKET
    bucket.mkdir(parents=True)
    port = choose_port(0, address)
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    program = str(building.s3_server() / "versitygw")
    command = [program, "--access", key, "--secret", secret, "--region", _REGION]
    command += ["--port", f"{address}:{port}", "posix", str(folder)]
    extra = {"endpoint_url": f"http://{address}:{port}", "region_name": _REGION}
    connection = {
        "connection_id": CONNECTION,
        "conn_type": "aws",
        "login": key,
        "password": secret,
        "extra": json.dumps(extra),
    }
    with listening(command, address, port, folder.parent / "s3.log"):
        yield Store(f"s3://{_BUCKET}/{PREFIX}", connection, lambda: _files(bucket))


def _files(bucket: Path) -> dict[str, str]:
    files = (file for file in bucket.rglob("*") if file.is_file())
    return {str(file.relative_to(bucket)): file.read_text() for file in files}
