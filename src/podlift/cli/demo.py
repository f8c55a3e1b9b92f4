"""`podlift demo`: run the demo's DAG in pods of a local cluster, show it, and judge it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from podlift.cli.airflow_api import AirflowApi
from podlift.cli.airflow_settings import Serving
from podlift.cli.board import Board
from podlift.cli.cluster_access import LocalCluster, connect
from podlift.cli.dag_check import refuse_broken
from podlift.cli.errors import BadOption, CliError, ClusterProblem, DemoFailed, NotReady
from podlift.cli.home import Home, locked
from podlift.cli.invoking import command
from podlift.cli.pod_template import local_template
from podlift.cli.ports import choose_port
from podlift.cli.rows import rows
from podlift.cli.serving import EXECUTOR, Order, Served, kubernetes_options, serve, unless
from podlift.cli.story import DAG_ID, DAGS, STORY, problems, task_instances
from podlift.cli.summary import print_summary
from podlift.cli.views import View, make_view
from podlift.kube import PODS, Client, watch
from podlift.kube.errors import KubeError
from podlift.local import daemon
from podlift.pods.labels import selector_for
from podlift.pods.reading import Pod

_RUN_ID = "demo"
_POLL_SECONDS = 1.0
_DAG_SECONDS = 60.0
_RUN_SECONDS = 600.0
_LAST_NEWS_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a demo went."""

    board: Board
    wrong: list[str]
    seconds: float


async def run_demo(home: Home, sandbox: str, console: Console, dags: Path = DAGS) -> Outcome:
    """Run the demo in an emptied home, print its summary, and leave nothing running.

    Raises DemoFailed when the demo ended, but not as its story says; another CliError when it
    could not be run.
    """
    started = time.monotonic()
    view = make_view(console, started)
    home.create()
    with locked(home):
        empty_for_demo(home)
        order = _order(home, sandbox, dags)
        board = Board(DAG_ID, _RUN_ID)
        async with serve(order, view) as served:
            await served.while_alive(_run(served, board, view))
    outcome = Outcome(board, problems(board), time.monotonic() - started)
    print_summary(console, board, outcome.wrong, outcome.seconds, home)
    if outcome.wrong:
        raise DemoFailed("The demo did not go as it should: see above, and the logs it names.")
    return outcome


def empty_for_demo(home: Home) -> None:
    """Make an empty home. What an earlier demo left is removed, anything else refused.

    Raises BadOption for a home that served somebody's DAGs, ClusterProblem for one in use.
    """
    if (home.airflow / "airflow.db").exists() and not home.demo_marker.exists():
        raise BadOption(
            f"{home.root} holds an Airflow that is no demo's, and the demo would remove it:"
            " choose another folder with --home FOLDER."
        )
    if daemon.status(home.cluster).running:
        raise ClusterProblem(
            f"A cluster runs from {home.root}, and the demo needs one of its own: stop it with"
            f" {command('cluster down', home)}, or choose another folder with --home."
        )
    home.empty()
    home.create()
    home.demo_marker.touch()


def _order(home: Home, sandbox: str, dags: Path) -> Order:
    cluster = LocalCluster(home, os.environ, sandbox)
    return Order(
        home=home,
        cluster=cluster,
        template=local_template(home, cluster.kubeconfig, os.environ),
        serving=Serving(dags=dags, port=choose_port(0), executor=EXECUTOR),
        environment=os.environ,
        options=kubernetes_options(cluster, home.pod_template),
        triggerer=False,  # nothing in the demo is deferred
        check_dags=False,  # the wait for the DAG notices what is wrong with it
    )


async def _run(served: Served, board: Board, view: View) -> None:
    with view.stage("Reading the demo's DAG", f"Airflow knows the DAG {DAG_ID}"):
        await _wait_for_dag(served.api)
    title = f"{task_instances()} task instances, each in a pod of its own"
    with view.watching(lambda: rows(board, [each.task_id for each in STORY], _now()), title):
        await served.api.trigger(DAG_ID, _RUN_ID)
        await unless(_until_finished(served.api, board, view), _follow_pods(served, board, view))


async def _wait_for_dag(api: AirflowApi) -> None:
    deadline = _now() + _DAG_SECONDS
    while not await api.knows_dag(DAG_ID):
        refuse_broken(await api.import_problems())
        if _now() > deadline:
            raise NotReady(f"Airflow did not read the DAG {DAG_ID} in {_DAG_SECONDS:.0f} seconds.")
        await asyncio.sleep(0.2)


async def _until_finished(api: AirflowApi, board: Board, view: View) -> None:
    deadline = _now() + _RUN_SECONDS
    state = "queued"
    while state in ("queued", "running"):
        await asyncio.sleep(_POLL_SECONDS)
        state = await api.run_state(DAG_ID, _RUN_ID)
        for instance in board.see_tasks(await api.task_instances(DAG_ID, _RUN_ID)):
            view.task(instance)
        if _now() > deadline:
            raise NotReady(f"The demo's run did not finish within {_RUN_SECONDS:.0f} seconds.")
    await _last_news(board)


async def _last_news(board: Board) -> None:
    """Airflow hears of a task's end from the task itself, a moment before its pod has ended."""
    deadline = _now() + _LAST_NEWS_SECONDS
    while _now() < deadline:
        if all(each.ended_at is not None for each in board.pods.values()):
            return
        await asyncio.sleep(0.1)


async def _follow_pods(served: Served, board: Board, view: View) -> CliError:
    """Keep the board's pods up to date; return only if that becomes impossible."""
    cluster = served.cluster
    try:
        async with Client(await connect(cluster)) as client:
            events = watch(client, PODS, cluster.namespace, label_selector=selector_for(), type=Pod)
            async for event in events:
                if event.object is None:
                    continue
                see = board.lose_pod if event.kind == "DELETED" else board.see_pod
                if record := see(event.object, _now()):
                    view.pod(record, _now())
    except KubeError as error:
        return ClusterProblem(f"The cluster's pods cannot be watched: {error}")
    return ClusterProblem("The watch on the cluster's pods ended.")


def _now() -> float:
    return time.monotonic()
