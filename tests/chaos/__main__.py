"""``python -m tests.chaos``: plays runs and reports; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.report import Result, report
from tests.chaos.rows import migrate, use_airflow
from tests.chaos.running import Scene, run
from tests.e2e.postgres import postgres
from tests.functional.conftest import start_cluster, stop_cluster

ROOT = Path(__file__).resolve().parents[2]
_SEED = 20260
_ROOM = 192
"""Tasks that are queued or running at the same time: what two schedulers would take."""
_SINGLE_NODE = 32
"""The same for Kubernetes on a machine of two cores. To start a container there takes about a
second of one of them; with many more at once everything is late for seconds, the run's own parts
too, and a run tells of the machine and of nothing else."""

_LOCAL_HEALING, _HEALING = 8.0, 40.0
"""Seconds that a pod without its Secret is given: a kubelet looks again after ten to fifteen."""


def main() -> int:
    """Parse, play, report."""
    options = _options()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is cleaned up
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_folder(options.keep)))
        kubeconfig = stack.enter_context(_cluster(options.cluster, folder))
        database = stack.enter_context(postgres())
        environment = _environment(folder, database)
        migrate(environment)
        use_airflow(environment)
        # It warns of each write to a connection that the proxy has cut.
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        scene = Scene(
            kubeconfig=kubeconfig,
            database=database,
            environment=environment,
            folder=folder,
            mount_desk=options.cluster != "local",
            patience=options.patience,
            settling=options.settling,
            healing=_LOCAL_HEALING if options.cluster == "local" else _HEALING,
            at_once=options.at_once or (_ROOM if options.cluster == "local" else _SINGLE_NODE),
        )
        results = []
        for seed in range(options.seed, options.seed + options.runs):
            results.append(asyncio.run(run(scene, seed, options.tasks)))
            _tell(results[-1])
    text = report(results, options.cluster)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(text)
    print(text)
    return 1 if any(result.violations for result in results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=_SEED, help="of the first run")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--at-once", type=int, help="tasks queued or running; the cluster's room")
    parser.add_argument("--cluster", default="local", metavar="local|real|KUBECONFIG")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds for one run")
    parser.add_argument("--settling", type=float, default=60.0, help="seconds until all is gone")
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "chaos.md")
    parser.add_argument("--keep", type=Path, help="folder for logs and journals, kept afterwards")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


@contextmanager
def _folder(keep: Path | None) -> Iterator[str]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield str(keep.resolve())
        return
    with tempfile.TemporaryDirectory(prefix="podlift-chaos-") as folder:
        Path(folder).chmod(0o755)
        yield folder


@contextmanager
def _cluster(chosen: str, folder: Path) -> Iterator[Path]:
    if chosen == "local":
        # Containers without a sandbox start faster, and see the desk's folder as it is.
        cluster, process = start_cluster(folder / "cluster", sandbox="none")
        try:
            yield cluster.kubeconfig
        finally:
            stop_cluster(process)
    elif chosen == "real":
        runs = _node("status").returncode == 0
        started = _node("up")
        if started.returncode != 0:
            raise RuntimeError(started.stderr)
        try:
            yield Path(started.stdout.splitlines()[-1])
        finally:
            if not runs:
                _node("down")
    else:
        yield Path(chosen)


def _node(command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "tests.real", command]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)


def _environment(folder: Path, database: str) -> Mapping[str, str]:
    """The Airflow that all processes share; what the caller's shell says of it is left out."""
    options = {
        "CORE__EXECUTOR": "podlift.executor.KubernetesExecutor",
        "CORE__PARALLELISM": "96",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__FERNET_KEY": "",
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:1/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "LOGGING__LOGGING_LEVEL": "WARNING",
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
        "SCHEDULER__TASK_QUEUED_TIMEOUT": "600",
        "SCHEDULER__MAX_TIS_PER_QUERY": "32",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    mine = {f"AIRFLOW__{name}": value for name, value in options.items()}
    return {**kept, **mine, "AIRFLOW_HOME": str(folder / "airflow")}


def _tell(result: Result) -> None:
    print(
        f"seed {result.seed}: {len(result.plans)} tasks, {result.pods} pods, "
        f"{result.seconds:.0f} s, {result.faults.total()} faults, "
        f"{len(result.violations)} broken promises",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
