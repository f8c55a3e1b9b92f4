"""Where binaries are cached and where a running node keeps its state."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podlift" / "real"
RUN = Path("/var/lib/podlift-real")
"""The node's state. Not under the cache: the kubelet bind-mounts below it, and it is wiped."""
KUBECONFIG = RUN / "kubeconfig"
PROCESSES = RUN / "processes.json"
LOGS = RUN / "logs"
