"""The commands and their arguments, in Airflow's own words for them.

Airflow imports this module at every start of ``airflow``, whatever is run: so nothing else of
Podlift is imported here, and each command's code only when it is run.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from airflow.cli.cli_config import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ActionCommand,
    Arg,
    CLICommand,
    GroupCommand,
    lazy_load_command,
)

STATES = ("pending", "running", "succeeded", "failed", "terminating", "unknown")
"""States of a pod by which ``pods`` filters."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """A span such as ``90``, ``90s``, ``15m``, ``12h`` or ``7d`` in seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no span of time: write 90s, 15m, 12h or 7d")
    return value


def _arg(flags: tuple[str, ...], **options: Any) -> Arg:
    return Arg(flags, **options)  # type: ignore[no-untyped-call]


ARG_TEAM = _arg(("--team",), help="Use the executor's settings of this team", metavar="TEAM")
ARG_NAMESPACE = _arg(
    ("-n", "--namespace"),
    help="Look into this namespace instead of those of the settings; may be given several times",
    action="append",
    metavar="NAMESPACE",
)
ARG_ALL_NAMESPACES = _arg(
    ("-A", "--all-namespaces"), help="Look into every namespace", action="store_true"
)

ARG_DAG_FILTER = _arg(("--dag-id",), help="Only of this DAG", metavar="DAG_ID")
ARG_TASK_FILTER = _arg(("--task-id",), help="Only of this task", metavar="TASK_ID")
ARG_RUN_FILTER = _arg(("--run-id",), help="Only of this DAG run", metavar="RUN_ID")
ARG_STATE = _arg(
    ("--state",),
    help="Only in this state; may be given several times",
    action="append",
    choices=STATES,
)
ARG_WATCH = _arg(
    ("-w", "--watch"),
    help="Go on with a line for every change, until Ctrl-C",
    action="store_true",
)

ARG_SUBJECT = _arg(
    ("dag_id",),
    help="The DAG's id; or, alone, the UUID of a task instance or the name of a pod",
    metavar="DAG_ID",
)
ARG_SUBJECT_TASK = _arg(("task_id",), help="The task's id", nargs="?", metavar="TASK_ID")
ARG_SUBJECT_RUN = _arg(("run_id",), help="The DAG run's id", nargs="?", metavar="RUN_ID")
ARG_MAP_INDEX = _arg(
    ("--map-index",), help="Which instance of a mapped task", type=int, metavar="INDEX"
)
ARG_TRY_NUMBER = _arg(
    ("--try-number",), help="Only this try (default: all of them)", type=int, metavar="NUMBER"
)

ARG_DAG_ID = _arg(("dag_id",), help="The DAG's id", metavar="DAG_ID")
ARG_TASK_ID = _arg(("task_id",), help="The task's id", metavar="TASK_ID")
ARG_RUN_ID = _arg(
    ("run_id",),
    help="The DAG run's id; without it, a run that is still to come is meant",
    nargs="?",
    metavar="RUN_ID",
)
ARG_SERVER_DRY_RUN = _arg(
    ("--server-dry-run",),
    help="Have the API server judge the pod first, without creating it",
    action="store_true",
)
ARG_MANIFEST_OUTPUT = _arg(
    ("-o", "--output"),
    help="Output format: yaml with remarks, or json (default: yaml)",
    choices=("yaml", "json"),
    default="yaml",
)

ARG_OLDER_THAN = _arg(
    ("--older-than",),
    help="Only pods that ended so long ago, such as 90s, 15m, 12h or 7d (default: 1h)",
    type=seconds,
    default=3600.0,
    metavar="SPAN",
)
ARG_DRY_RUN = _arg(("--dry-run",), help="Only print what would be removed", action="store_true")
ARG_YES = _arg(("-y", "--yes"), help="Do not ask", action="store_true")
ARG_STANDARD = _arg(
    ("--standard",),
    help="Also the pods of Airflow's standard Kubernetes executor",
    action="store_true",
)
ARG_NO_POD = _arg(
    ("--no-pod",), help="Do not start a pod to see whether it reaches Airflow", action="store_true"
)
ARG_TIMEOUT = _arg(
    ("--timeout",),
    help="How long that pod may take, such as 90s or 5m (default: 2m)",
    type=seconds,
    default=120.0,
    metavar="SPAN",
)

COMMANDS = (
    ActionCommand(
        name="pods",
        help="List the pods of tasks: what runs where, since when, and why it does not start",
        func=lazy_load_command("podlift.commands.entries.pods"),
        args=(
            ARG_DAG_FILTER,
            ARG_TASK_FILTER,
            ARG_RUN_FILTER,
            ARG_STATE,
            ARG_NAMESPACE,
            ARG_ALL_NAMESPACES,
            ARG_WATCH,
            ARG_TEAM,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
    ActionCommand(
        name="explain",
        help="Tell what happened to a task instance, step by step, and what to do about it",
        func=lazy_load_command("podlift.commands.entries.explain"),
        args=(
            ARG_SUBJECT,
            ARG_SUBJECT_TASK,
            ARG_SUBJECT_RUN,
            ARG_MAP_INDEX,
            ARG_TRY_NUMBER,
            ARG_NAMESPACE,
            ARG_ALL_NAMESPACES,
            ARG_TEAM,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
    ActionCommand(
        name="render",
        help="Print the pod that a task would get, and where each line of it comes from",
        func=lazy_load_command("podlift.commands.entries.render"),
        args=(
            ARG_DAG_ID,
            ARG_TASK_ID,
            ARG_RUN_ID,
            ARG_MAP_INDEX,
            ARG_SERVER_DRY_RUN,
            ARG_TEAM,
            ARG_MANIFEST_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
    ActionCommand(
        name="cleanup",
        help="Remove ended pods that nobody needs any more, after having asked",
        func=lazy_load_command("podlift.commands.entries.cleanup"),
        args=(
            ARG_OLDER_THAN,
            ARG_DRY_RUN,
            ARG_YES,
            ARG_STANDARD,
            ARG_NAMESPACE,
            ARG_ALL_NAMESPACES,
            ARG_TEAM,
            ARG_OUTPUT,
            ARG_VERBOSE,
        ),
    ),
    ActionCommand(
        name="doctor",
        help="Check whether everything that the executor needs is there",
        func=lazy_load_command("podlift.commands.entries.doctor"),
        args=(ARG_NO_POD, ARG_TIMEOUT, ARG_TEAM, ARG_OUTPUT, ARG_VERBOSE),
    ),
)


def get_cli_commands() -> list[CLICommand]:
    """What Airflow's command line asks the package for."""
    return [
        GroupCommand(
            name="podlift",
            help="Look after tasks that run in Kubernetes pods",
            description="See, explain and clean up the pods that Podlift's executor runs tasks in.",
            subcommands=COMMANDS,
        )
    ]
