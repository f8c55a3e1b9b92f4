"""What the figures hold for: the machine, every version, the commit."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version

from bench.machine import machine_facts
from bench.side_by_side.contenders import ROOT, STANDARD_PYTHON
from bench.side_by_side.sites import Site

STANDARD = "apache-airflow-providers-cncf-kubernetes"
_STANDARD = {
    STANDARD: STANDARD,
    "apache-airflow-core": "its apache-airflow-core",
    "kubernetes": "its kubernetes",
}


def facts(site: Site, *, standard: bool) -> dict[str, str]:
    """What the figures hold for, in words."""
    return {
        "commit": _commit(),
        "server": site.kind,
        **machine_facts(),
        "kubernetes_asyncio": version("kubernetes_asyncio"),
        **(_standard_versions() if standard else {}),
        **_server_versions(),
    }


def _standard_versions() -> dict[str, str]:
    code = (
        "import json, sys; from importlib.metadata import version;"
        "print(json.dumps([version(name) for name in sys.argv[1:]]))"
    )
    command = [str(STANDARD_PYTHON), "-c", code, *_STANDARD]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(_STANDARD.values(), json.loads(done.stdout), strict=True))


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", ROOT, *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{commit}, with changes" if git("status", "--porcelain", "--", "src") else commit


def _server_versions() -> dict[str, str]:
    """The pinned releases of what the server is built from."""
    found = {}
    pins = ROOT / "tests" / "real" / "go"
    for folder, module in (
        ("kubernetes-1.36", "k8s.io/kubernetes"),
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("kwok", "sigs.k8s.io/kwok"),
    ):
        for line in (pins / folder / "go.mod").read_text().splitlines():
            words = line.removeprefix("require").split()
            if words[:1] == [module]:
                found[module] = words[1]
    return found
