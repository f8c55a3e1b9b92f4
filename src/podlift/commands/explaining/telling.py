"""The command: find out which task instance is meant, ask everybody, and tell."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from podlift.commands.errors import BadArgument, NotKnown
from podlift.commands.explaining.cluster import Traces, find_pod, look
from podlift.commands.explaining.conclusion import Conclusion, conclude
from podlift.commands.explaining.logs import read_lines
from podlift.commands.explaining.records import Key, Records, Try, key_of_id, key_of_pod, read
from podlift.commands.explaining.steps import Step, steps_of
from podlift.commands.looking import Namespaces, namespaces_of
from podlift.commands.printing import is_structured, print_data, print_rows, say
from podlift.commands.running import settings_for, with_cluster
from podlift.kube.errors import KubeError
from podlift.settings import Settings

_CLOCK = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Story:
    """All that is to be told."""

    records: Records
    tries: Sequence[Try]
    traces: Traces
    steps: Sequence[Step]
    conclusion: Conclusion


def explain(args: Namespace) -> None:
    """Tell what happened to a task instance."""
    settings = settings_for(args.team)
    namespaces = namespaces_of(settings, args.namespace, args.all_namespaces)
    records = read(_key(args, settings, namespaces))
    story = _find_out(settings, namespaces, records, args.try_number)
    if is_structured(args.output):
        print_data(_data(story), args.output)
    else:
        _tell(story, args.output)


def _key(args: Namespace, settings: Settings, namespaces: Namespaces) -> Key:
    if args.task_id and args.run_id:
        return Key(args.dag_id, args.task_id, args.run_id, args.map_index)
    if args.task_id:
        raise BadArgument(
            "Say DAG_ID TASK_ID RUN_ID, or the UUID of a task instance or a pod's name alone; "
            f"`airflow dags list-runs {args.dag_id}` lists the runs."
        )
    key = _key_of_id(args.dag_id) or _key_of_pod(args.dag_id, settings, namespaces)
    if key is None:
        raise NotKnown(
            f"{args.dag_id} is neither the UUID of a task instance that Airflow knows nor the name "
            "of a pod of one."
        )
    return key


def _key_of_id(text: str) -> Key | None:
    try:
        return key_of_id(UUID(text))
    except ValueError:
        return None


def _key_of_pod(name: str, settings: Settings, namespaces: Namespaces) -> Key | None:
    if key := key_of_pod(name):
        return key
    try:
        identity = with_cluster(settings, lambda client: find_pod(client, namespaces, name))
    except KubeError as error:
        say(f"The cluster could not be asked for a pod of this name: {error}")
        return None
    return None if identity is None else key_of_id(UUID(identity.ti_id))


def _find_out(
    settings: Settings, namespaces: Namespaces, records: Records, number: int | None
) -> Story:
    tries = [each for each in records.tries if number in (None, each.number)]
    if not tries:
        known = ", ".join(str(each.number) for each in records.tries)
        raise BadArgument(f"{records.label} has no try {number}; it has {known}.")
    try:
        traces = with_cluster(settings, lambda client: look(client, namespaces, records, settings))
    except KubeError as error:
        traces = Traces(problem=str(error))
    lines = read_lines(records, [each.number for each in tries])
    steps = steps_of(records, traces, lines, tries)
    return Story(records, tries, traces, steps, conclude(tries[-1], records, traces, lines))


def _data(story: Story) -> dict[str, Any]:
    records, conclusion = story.records, story.conclusion
    return {
        "dag_id": records.dag_id,
        "task_id": records.task_id,
        "run_id": records.run_id,
        "map_index": records.map_index,
        "tries": [vars(each) for each in story.tries],
        "steps": [vars(each) for each in story.steps],
        "conclusion": vars(conclusion),
        "cluster_problem": story.traces.problem or None,
    }


def _tell(story: Story, output: str) -> None:
    last = story.tries[-1]
    print(f"{story.records.label}: {last.state or 'no state'} (try {last.number})\n")
    if output == "plain":
        rows = [{"at": each.at, "who": each.who, "what": each.what} for each in story.steps]
        print_rows(rows, output, empty="Nothing is known of it.")
    else:
        _print_steps(story.steps)
    if story.traces.problem:
        print(f"\n{story.traces.problem}")
    print(f"\n{story.conclusion.sentence}")
    if story.conclusion.remedy:
        print(story.conclusion.remedy)
    cause = f"cause {story.conclusion.cause}, " if story.conclusion.cause else ""
    print(f"({cause}known from {story.conclusion.known_from})")


def _print_steps(steps: Sequence[Step]) -> None:
    """A list with a hanging indent: sentences are longer than a table's columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        table.add_row(_moment(step.at), step.who, step.what)
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(table)


def _moment(at: datetime | None) -> str:
    return at.astimezone().strftime(_CLOCK) if at else ""
