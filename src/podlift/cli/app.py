"""The commands and their options. Each imports what it needs when it runs: help is immediate."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from podlift import __version__
from podlift.cli.errors import CliError
from podlift.cli.home import HOME_VARIABLE, Home, default_home

app = typer.Typer(
    name="podlift",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Apache Airflow on Kubernetes: a pod for every task, and a cluster to try it on.

    [bold]New here?[/bold] See a pod for every task in a minute or so:

      podlift demo

    [bold]Then[/bold] serve your own DAGs in the browser, first here, later on a real cluster:

      podlift up --dags ~/dags
      podlift up --dags ~/dags --context staging --image registry.example/airflow:1 \\
      --host 0.0.0.0 --api-url http://192.168.1.5:8080

    [bold]Or[/bold] use the local cluster by itself:

      podlift cluster up --detach
      KUBECONFIG=~/.local/share/podlift/cluster/kubeconfig kubectl get pods
      podlift cluster down
    """,
)
cluster_app = typer.Typer(
    no_args_is_help=True,
    help="""Start, look at and stop the local cluster.

    It speaks the Kubernetes API and runs containers as processes of this machine: images are not
    pulled. It is for trying and testing, not for production.
    """,
)
app.add_typer(cluster_app, name="cluster")


class Sandbox(StrEnum):
    """How containers are kept apart."""

    auto = "auto"
    bubblewrap = "bubblewrap"
    none = "none"


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help=f"Folder for everything that is kept: database, logs, cluster."
        f" Default: ${HOME_VARIABLE}, else ~/.local/share/podlift.",
        show_default=False,
        file_okay=False,
    ),
]
SandboxOption = Annotated[
    Sandbox,
    typer.Option(
        help="How containers of the local cluster are kept apart: bubblewrap gives each its own"
        " mounts and processes, none runs them as plain processes, auto takes bubblewrap where"
        " it works."
    ),
]


@app.command()
def demo(
    home: HomeOption = None,
    sandbox: SandboxOption = Sandbox.auto,
    dags: Annotated[Path | None, typer.Option(hidden=True)] = None,
    svg: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run a real Airflow with a pod for every task, and watch it happen.

    Starts a cluster and Airflow on free ports, runs a DAG of 16 task instances (mapped, retried,
    failing on purpose, in a container of its own), shows them live, explains what failed, and
    stops everything again. Exit code 0 means that everything ended as it should.

    [bold]Examples[/bold]

      podlift demo
      podlift demo --sandbox none | tee demo.txt
    """
    from podlift.cli.console import make_console, save_picture
    from podlift.cli.demo import run_demo
    from podlift.cli.running import run_until_stopped
    from podlift.cli.story import DAGS

    root = Home(_absolute(home) if home else default_home() / "demo")
    outcome = run_until_stopped(run_demo(root, sandbox.value, make_console(), dags or DAGS))
    if svg is not None:
        save_picture(outcome, root, svg)


@app.command()
def up(
    home: HomeOption = None,
    dags: Annotated[
        Path | None,
        typer.Option(help="Folder of DAG files. Default: the DAG of the demo.", show_default=False),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the UI; 0 takes any free one.")
    ] = 8080,
    host: Annotated[str, typer.Option(help="Address that the UI listens on.")] = "127.0.0.1",
    sandbox: SandboxOption = Sandbox.auto,
    pod_template: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with a pod that is merged over Podlift's own for every task.",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            help="Run tasks on the real cluster of this kubeconfig context, not on the local one.",
            show_default=False,
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the task pods.")] = "default",
    image: Annotated[
        str | None,
        typer.Option(
            help="With --context: image with Airflow, Podlift and your DAGs.", show_default=False
        ),
    ] = None,
    api_url: Annotated[
        str | None,
        typer.Option(
            help="With --context: URL at which pods reach this Airflow.", show_default=False
        ),
    ] = None,
) -> None:
    """Serve Airflow in the browser, with a pod for every task, until Ctrl-C.

    Prints the address and the password. What ran is kept in the home folder, so that the next
    `podlift up` has the same history. Ctrl-C stops everything that was started, and nothing else:
    a cluster that was running before goes on.

    [bold]Examples[/bold]

      podlift up
      podlift up --dags ~/dags --port 0
      podlift up --home ~/.local/share/podlift/demo
    """
    from podlift.cli.console import make_console
    from podlift.cli.running import run_until_stopped
    from podlift.cli.up import UpOptions, run_up

    options = UpOptions(
        home=_home(home),
        dags=dags,
        port=port,
        host=host,
        sandbox=sandbox.value,
        pod_template=pod_template,
        context=context,
        namespace=namespace,
        image=image,
        api_url=api_url,
    )
    run_until_stopped(run_up(options, make_console()), stopped_is_success=True)


@app.command()
def version() -> None:
    """Print the versions of Podlift, Airflow and Python."""
    from importlib.metadata import version as version_of

    typer.echo(f"podlift {__version__}")
    typer.echo(f"airflow {version_of('apache-airflow-core')}")
    typer.echo(f"python {sys.version.split()[0]}")


@cluster_app.command("up")
def cluster_up(
    home: HomeOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the API server; 0 takes any free one.")
    ] = 0,
    sandbox: SandboxOption = Sandbox.auto,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once it is ready; it goes on running.")
    ] = False,
) -> None:
    """Start the local cluster; Ctrl-C stops it, unless it was started with --detach.

    [bold]Examples[/bold]

      podlift cluster up
      podlift cluster up --detach --port 6443
    """
    from podlift.cli.cluster import start

    start(_home(home), port=port, sandbox=sandbox.value, detach=detach)


@cluster_app.command("status")
def cluster_status(home: HomeOption = None) -> None:
    """Say whether the local cluster runs, and where; exit code 1 if it does not."""
    from podlift.cli.cluster import show_status

    show_status(_home(home))


@cluster_app.command("down")
def cluster_down(home: HomeOption = None) -> None:
    """Stop the local cluster and all its containers."""
    from podlift.cli.cluster import stop

    stop(_home(home))


def run() -> None:
    """Run the command; a CliError is printed in words and becomes the exit code."""
    try:
        app()
    except CliError as error:
        from podlift.cli.console import print_error

        print_error(error)
        raise SystemExit(error.exit_code) from None


def _home(chosen: Path | None) -> Home:
    return Home(_absolute(chosen) if chosen else default_home())


def _absolute(folder: Path) -> Path:
    return folder.expanduser().absolute()
