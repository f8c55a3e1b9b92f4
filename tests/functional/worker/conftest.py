"""An execution API for workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.functional.worker.pod import ExecutionApi


@pytest.fixture
def api() -> Iterator[ExecutionApi]:
    server = ExecutionApi()
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
