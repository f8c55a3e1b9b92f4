"""The program of the local cluster's process: ``serve_local.py HOME SANDBOX``.

It ends on SIGTERM, and when whoever holds its standard input is gone.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from podlift.local import ClusterOptions, LocalCluster


async def _serve(home: Path, sandbox: Any) -> None:
    """What the cluster's process does until it is to end."""
    cluster = LocalCluster(ClusterOptions(home, sandbox=sandbox))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    endpoint = await cluster.start()
    ready = {"url": endpoint.url, "token": endpoint.token}
    (home / "ready.json.new").write_text(json.dumps(ready))
    (home / "ready.json.new").rename(home / "ready.json")
    try:
        await stop.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        await cluster.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))
