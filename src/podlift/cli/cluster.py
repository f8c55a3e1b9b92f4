"""`podlift cluster …`: the local cluster by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from podlift.cli.console import make_console
from podlift.cli.errors import ClusterProblem
from podlift.cli.home import Home
from podlift.cli.invoking import command
from podlift.cli.running import run_until_stopped
from podlift.local import ClusterOptions, Endpoint, LocalCluster, daemon
from podlift.local.errors import LocalError

if TYPE_CHECKING:
    from podlift.local.kubelet.contract import SandboxChoice


def start(home: Home, *, port: int, sandbox: str, detach: bool) -> None:
    """Start the cluster of this home, in the foreground or detached. Raises CliError."""
    home.create()
    # The command's own choices are these three.
    kept_apart = cast("SandboxChoice", sandbox)
    options = ClusterOptions(home=home.cluster, port=port, sandbox=kept_apart)
    with _in_words():
        if detach:
            _tell(daemon.start_detached(options), stop_with=command("cluster down", home))
        else:
            run_until_stopped(_foreground(options), stopped_is_success=True)


def show_status(home: Home) -> None:
    """Print whether the cluster runs; exit with 1 if it does not."""
    with _in_words():
        status = daemon.status(home.cluster)
    if status.endpoint is None:
        raise ClusterProblem(
            f"No local cluster runs from {home.root}: start one with {command('cluster up', home)}."
        )
    _say(
        f"The local cluster runs at {status.endpoint.url} (process {status.pid}).",
        f"  export KUBECONFIG={status.endpoint.kubeconfig}",
    )


def stop(home: Home) -> None:
    """Stop the cluster of this home. Raises CliError when none runs."""
    with _in_words():
        daemon.stop(home.cluster)
    _say("The local cluster is stopped.")


async def _foreground(options: ClusterOptions) -> None:
    cluster = LocalCluster(options)
    endpoint = await cluster.start()
    try:
        _tell(endpoint, stop_with="Ctrl-C")
        await cluster.wait()
    finally:
        await cluster.stop()


def _tell(endpoint: Endpoint, stop_with: str) -> None:
    _say(
        f"The local cluster is ready at {endpoint.url}. {stop_with} stops it.",
        f"  export KUBECONFIG={endpoint.kubeconfig}",
        "  kubectl get pods --all-namespaces",
    )


def _say(*lines: str) -> None:
    console = make_console()
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        raise ClusterProblem(str(error)) from error
