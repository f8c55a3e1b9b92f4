"""A server of the tests' own that answers as Azure's Blob Storage does: Azurite."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.e2e.listening import listening
from tests.e2e.stores import CONNECTION, PREFIX, Store

from podlift.cli.ports import choose_port

_CONTAINER = "airflow-logs"
_ACCOUNT = "tests"


@contextmanager
def azure(address: str, folder: Path) -> Iterator[Store]:
    """Serve one empty container at ``address``, on a free port."""
    program = shutil.which("azurite-blob")
    assert program, "azurite-blob is not in the PATH: npm install azurite"
    folder.mkdir(parents=True)
    port = choose_port(0, address)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    command = [program, f"--blobHost={address}", f"--blobPort={port}", f"--location={folder}"]
    command += ["--skipApiVersionCheck", "--disableTelemetry"]
    accounts = {**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"}
    reached = (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={key};"
        f"BlobEndpoint=http://{address}:{port}/{_ACCOUNT};"
    )
    connection = {
        "connection_id": CONNECTION,
        "conn_type": "wasb",
        "extra": json.dumps({"connection_string": reached}),
    }
    container = {"AIRFLOW__AZURE_REMOTE_LOGGING__REMOTE_WASB_LOG_CONTAINER": _CONTAINER}
    with listening(command, address, port, folder.parent / "azure.log", accounts):
        _container(reached).create_container()
        yield Store(f"wasb://{PREFIX}", connection, lambda: _objects(reached), container)


def _container(reached: str) -> Any:
    # Not in the environment that types are checked in.
    blob: Any = import_module("azure.storage.blob")
    return blob.BlobServiceClient.from_connection_string(reached).get_container_client(_CONTAINER)


def _objects(reached: str) -> dict[str, str]:
    container = _container(reached)
    blobs = container.list_blobs()
    return {blob.name: container.download_blob(blob.name).readall().decode() for blob in blobs}
