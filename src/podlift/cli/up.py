"""`podlift up`: serve Airflow in the browser, with a pod for every task, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from podlift.cli.airflow_settings import Sections, Serving, options_from_environment
from podlift.cli.cluster_access import Cluster, LocalCluster, RealCluster
from podlift.cli.dag_check import describe
from podlift.cli.errors import BadOption
from podlift.cli.home import Home, locked
from podlift.cli.pod_template import (
    Manifest,
    local_template,
    real_template,
    with_user_template,
)
from podlift.cli.ports import choose_port
from podlift.cli.serving import EXECUTOR, Order, Served, kubernetes_options, serve
from podlift.cli.story import DAGS
from podlift.cli.views import make_view

_LOOK_SECONDS = 3.0


@dataclass(frozen=True)
class UpOptions:
    """The options of `podlift up`, as given."""

    home: Home
    dags: Path | None = None
    port: int = 8080
    host: str = "127.0.0.1"
    sandbox: str = "auto"
    pod_template: Path | None = None
    context: str | None = None
    namespace: str = "default"
    image: str | None = None
    api_url: str | None = None


async def run_up(options: UpOptions, console: Console) -> None:
    """Serve until cancelled, then stop what was started. Raises CliError, in words."""
    view = make_view(console, time.monotonic())
    check_options(options)
    options.home.create()
    with locked(options.home):
        async with serve(_order(options), view) as served:
            _welcome(console, options, served)
            await served.while_alive(_tell_broken_dags(console, served))


def check_options(options: UpOptions) -> None:
    """Refuse options that make no sense together, saying what is missing. Raises BadOption."""
    if options.dags is not None and not options.dags.is_dir():
        raise BadOption(f"There is no folder {options.dags}: give --dags a folder of DAG files.")
    if options.context is None:
        for name, value in (("--image", options.image), ("--api-url", options.api_url)):
            if value is not None:
                raise BadOption(
                    f"{name} goes with --context: the local cluster pulls no images, it runs"
                    " programs of this machine."
                )
        return
    if options.image is None:
        raise BadOption(
            f"Tasks on the cluster of context {options.context} need an image that holds Airflow,"
            " Podlift and your DAGs: name it with --image."
        )
    if options.api_url is None:
        raise BadOption(
            f"Pods on the cluster of context {options.context} report to this Airflow: give the"
            " URL at which they reach it with --api-url, and listen there with --host and --port."
        )


def _order(options: UpOptions) -> Order:
    cluster, template = _cluster(options)
    own = kubernetes_options(cluster, options.home.pod_template)
    return Order(
        home=options.home,
        cluster=cluster,
        template=with_user_template(template, options.pod_template),
        serving=Serving(
            dags=(options.dags or DAGS).resolve(),
            port=choose_port(options.port, options.host),
            host=options.host,
            executor=EXECUTOR,
            execution_api=options.api_url and f"{options.api_url.rstrip('/')}/execution/",
        ),
        environment=os.environ,
        options=_on_top(options_from_environment(os.environ), own),
    )


def _cluster(options: UpOptions) -> tuple[Cluster, Manifest]:
    if options.context is not None:
        return RealCluster(options.context, options.namespace), real_template(options.image or "")
    local = LocalCluster(options.home, os.environ, options.sandbox)
    return local, local_template(options.home, local.kubeconfig, os.environ)


def _on_top(base: Sections, top: Sections) -> Sections:
    return {section: base.get(section, {}) | top.get(section, {}) for section in {**base, **top}}


def _welcome(console: Console, options: UpOptions, served: Served) -> None:
    lines = {
        "Airflow": served.url,
        "User": served.user,
        "Password": served.password,
        "DAGs": str((options.dags or DAGS).resolve()),
        "Home": str(options.home.root),
        "kubectl": f"KUBECONFIG={served.cluster.kubeconfig} kubectl get pods -w"
        if served.cluster.kubeconfig
        else f"kubectl --context {options.context} -n {options.namespace} get pods -w",
    }
    console.print()
    for name, value in lines.items():
        console.print(f"  {name:<9} {value}", soft_wrap=True, markup=False, highlight=False)
    console.print("\nCtrl-C stops Airflow and everything that was started with it.")


async def _tell_broken_dags(console: Console, served: Served) -> None:
    """Go on for ever; say it when a DAG file is saved that cannot be imported."""
    known: set[str] = set()
    while True:
        now = {describe(each) for each in await served.api.import_problems()}
        for line in sorted(now - known):
            console.print(f"Cannot import {line}", soft_wrap=True, markup=False, style="red")
        known = now
        await asyncio.sleep(_LOOK_SECONDS)
