"""What all tests share: an Airflow of their own, and the choice of the cluster they run on."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# On a busy machine an example may take any time; that says nothing about what is tested.
hypothesis.settings.register_profile(
    "podlift", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("podlift")

# Airflow reads its environment when it is imported, which is before any fixture runs.
_HOME = tempfile.mkdtemp(prefix="podlift-tests-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("AIRFLOW__", "PODLIFT_"))]:
    del os.environ[_name]
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__EXECUTOR"] = "podlift.executor.KubernetesExecutor"
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = secrets.token_hex(32)

_LEFT_OUT = pytest.StashKey[Counter[str]]()
_MARKERS = (
    "local_only(reason): is about the local cluster itself",
    "real_only(reason): needs what only a real Kubernetes does",
    "postgres: needs PostgreSQL on this machine",
    "provider(name): needs that provider of Airflow in the environment",
    "own_node(reason): breaks the node, so it needs the one that tests/real starts",
    "install(reason): installs Podlift, by images put into the node that tests/real starts",
    "alone(reason): needs the cluster or the machine for itself, so nothing runs beside it",
    "since_airflow(version, reason): needs this minor version of Airflow or a later one",
    "since_minor(minor, reason): needs Kubernetes 1.minor or later",
)
_NOT_ON = {"local": ("real_only", "own_node", "install"), "real": ("local_only",)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster",
        default="local",
        metavar="local|real|KUBECONFIG",
        help="what functional tests run on: Podlift's local cluster (default), a single-node "
        "Kubernetes that is started for them, or the cluster of a kubeconfig file",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    chosen = config.getoption("--cluster")
    if chosen not in ("local", "real") and not Path(chosen).is_file():
        raise pytest.UsageError(f"--cluster is local, real or a kubeconfig; {chosen!r} is no file.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the chosen cluster cannot show, and count it by reason for the summary."""
    chosen = config.getoption("--cluster")
    reasons = {item: _why_not(item, chosen) for item in items}
    newer = [item for item in items if not reasons[item] and item.get_closest_marker("since_minor")]
    if newer and chosen != "local":  # the local cluster behaves as the newest
        reasons |= _too_old(newer, chosen)
    left_out = [item for item in items if reasons[item]]
    config.stash[_LEFT_OUT] = Counter(reason for reason in reasons.values() if reason)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not reasons[item]]


def _airflow() -> tuple[int, ...]:
    return tuple(map(int, metadata.version("apache-airflow-core").split(".")[:2]))


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _why_not(item: pytest.Item, chosen: str) -> str | None:
    """Why a test says nothing about the chosen cluster or Airflow; None where it does."""
    if (marker := item.get_closest_marker("since_airflow")) is not None:
        needed, reason = marker.args
        if _airflow() < tuple(map(int, needed.split("."))):
            return f"since_airflow: {needed}: {reason}"
    if (marker := item.get_closest_marker("provider")) is not None:
        [name] = marker.args
        if not _is_installed(f"apache-airflow-providers-{name}"):
            return f"provider: {name} is not in this environment; make test-remote-logs has one"
    markers = _NOT_ON.get(chosen, ("local_only", "own_node", "install"))
    for name in markers:
        if (marker := item.get_closest_marker(name)) is not None:
            return f"{name}: {marker.args[0]}"
    fixtures: list[str] = getattr(item, "fixturenames", [])
    if "machine" in fixtures and chosen not in ("local", "real"):
        return "runs this machine's Python in its pods, which a cluster elsewhere does not have"
    own = any(item.get_closest_marker(name) for name in _NOT_ON["local"])
    functional = item.get_closest_marker("functional") is not None and not own
    if chosen != "local" and functional and "cluster" not in fixtures:
        return "uses no cluster, or one of its own: the run on the local cluster covers it"
    return None


def _too_old(items: list[pytest.Item], chosen: str) -> dict[pytest.Item, str | None]:
    """Which of these tests say nothing about a cluster of this age; it is asked for its version."""
    from tests.versions import VersionUnknown, minor_of

    try:
        minor = minor_of(chosen)
    except VersionUnknown as error:
        raise pytest.UsageError(str(error)) from error
    found: dict[pytest.Item, str | None] = {}
    for item in items:
        marker = item.get_closest_marker("since_minor")
        assert marker is not None
        needed, reason = marker.args
        if minor < needed:
            found[item] = f"since_minor: Kubernetes 1.{minor} is older than 1.{needed}: {reason}"
    return found


def pytest_sessionfinish(session: pytest.Session) -> None:
    # pytest-xdist collects in its workers; what they leave out is told by the process above them.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        left_out = session.config.stash.get(_LEFT_OUT, None)
        output["left_out"] = dict(left_out or {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Every worker collects everything, so each of them tells the same.
    told: dict[str, int] = getattr(node, "workeroutput", {}).get("left_out", {})
    node.config.stash[_LEFT_OUT] = Counter(told)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left_out = config.stash.get(_LEFT_OUT, Counter())
    if left_out:
        terminalreporter.section(f"left out with --cluster={config.getoption('--cluster')}")
        for reason, count in sorted(left_out.items()):
            terminalreporter.line(f"{count:4} {reason}")
