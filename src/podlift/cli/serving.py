"""Start a cluster and an Airflow that runs its tasks there; stop both, whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from podlift.cli.airflow_api import AirflowApi
from podlift.cli.airflow_database import prepare_database
from podlift.cli.airflow_processes import (
    API_SERVER,
    DAG_PROCESSOR,
    SCHEDULER,
    TRIGGERER,
    AirflowProcesses,
)
from podlift.cli.airflow_settings import (
    ADMIN,
    Sections,
    Serving,
    airflow_environment,
    load_secrets,
    write_configuration,
)
from podlift.cli.cluster_access import Cluster, try_template
from podlift.cli.dag_check import check_dags
from podlift.cli.errors import CliError
from podlift.cli.home import Home
from podlift.cli.pod_template import Manifest, write_template
from podlift.cli.views import View

T = TypeVar("T")

EXECUTOR = "podlift.executor.KubernetesExecutor"
_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Order:
    """What to serve and how."""

    home: Home
    cluster: Cluster
    template: Manifest
    serving: Serving
    environment: Mapping[str, str]
    """The caller's; what of it concerns Airflow is taken out."""
    options: Sections = field(default_factory=dict)
    """Further Airflow options by section."""
    triggerer: bool = True
    check_dags: bool = True


@dataclass(frozen=True)
class Served:
    """An Airflow that runs."""

    api: AirflowApi
    url: str
    user: str
    password: str
    airflow: AirflowProcesses
    cluster: Cluster

    async def while_alive(self, work: Awaitable[T]) -> T:
        """Await `work`; raise at once when a process of Airflow or the cluster ends by itself."""
        return await unless(work, self.cluster.death(), self.airflow.death())


@asynccontextmanager
async def serve(order: Order, view: View) -> AsyncIterator[Served]:
    """Run the cluster and Airflow while the block runs.

    Everything that was started is stopped at the end: Airflow first, then the cluster, so that
    the executor can still say goodbye to its pods. Raises a CliError when something cannot start.
    """
    keys = load_secrets(order.home)
    write_configuration(order.home, order.serving, keys, order.options)
    write_template(order.template, order.home.pod_template)
    environment = airflow_environment(order.home, order.environment)
    airflow = AirflowProcesses(order.home, environment)
    async with AsyncExitStack() as ending:
        ending.enter_context(_logging_to(order.home.process_logs / "podlift.log"))
        ending.push_async_callback(order.cluster.stop)
        ending.push_async_callback(airflow.stop)
        api = await ending.enter_async_context(AirflowApi(order.serving.url, ADMIN, keys.password))
        with view.stage("Starting the cluster", "the cluster is ready"):
            await order.cluster.start()
            await asyncio.gather(
                unless(_cluster_ready(order), order.cluster.death()),
                prepare_database(order.home, environment),
            )
        with view.stage("Starting Airflow", f"Airflow is ready at {order.serving.url}"):
            await airflow.start(API_SERVER, SCHEDULER, DAG_PROCESSOR)
            if order.triggerer:
                await airflow.start(TRIGGERER)
            await unless(
                _ready(order, airflow, api, environment), order.cluster.death(), airflow.death()
            )
        ending.callback(view.stopping)
        yield Served(api, order.serving.url, ADMIN, keys.password, airflow, order.cluster)


async def _cluster_ready(order: Order) -> None:
    await order.cluster.wait_ready()
    await try_template(order.cluster, order.template)


async def _ready(
    order: Order, airflow: AirflowProcesses, api: AirflowApi, environment: Mapping[str, str]
) -> None:
    if order.check_dags:
        await check_dags(order.home, environment)
    await airflow.wait_ready(api, _READY_SECONDS)
    await api.log_in()


async def unless(work: Awaitable[T], *deaths: Awaitable[CliError]) -> T:
    """Await `work`, and return its result; raise the error of the first death before that."""
    task = asyncio.ensure_future(work)
    watchers = [asyncio.ensure_future(death) for death in deaths]
    try:
        await asyncio.wait([task, *watchers], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise next(each for each in watchers if each.done()).result()
    finally:
        for each in (task, *watchers):
            each.cancel()
        await asyncio.gather(task, *watchers, return_exceptions=True)


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Keep what podlift's own layers log out of the terminal, where a table is being drawn."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("podlift")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def kubernetes_options(cluster: Cluster, template: Path) -> Sections:
    """Return the options that point Podlift's executor at the cluster."""
    options = {
        "in_cluster": "False",
        "namespace": cluster.namespace,
        "pod_template_file": str(template),
    }
    if cluster.kubeconfig is not None:
        options["config_file"] = str(cluster.kubeconfig)
    if cluster.context is not None:
        options["cluster_context"] = cluster.context
    return {"podlift": options}
