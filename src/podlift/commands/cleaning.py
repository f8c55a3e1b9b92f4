"""``airflow podlift cleanup``: remove pods that nobody needs any more."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from podlift.commands.leavings import (
    STANDARD_PODS,
    Case,
    Known,
    is_of_operator,
    judge,
    task_key,
)
from podlift.commands.looking import Namespaces, list_pods, namespaces_of, selector_of
from podlift.commands.printing import duration, is_structured, print_rows, say
from podlift.commands.rows import row_of
from podlift.commands.running import settings_for, with_cluster
from podlift.commands.task_states import states_of_ids, states_of_keys
from podlift.executor.leftovers import ended_at
from podlift.executor.metadata import known
from podlift.kube.client import Client
from podlift.kube.errors import Conflict, KubeError, NotFound
from podlift.kube.resources import PODS
from podlift.pods.labels import identity_of
from podlift.pods.reading import Pod

_AT_ONCE = 16


@dataclass(frozen=True)
class Found:
    """A pod, and what is to become of it."""

    pod: Pod
    case: Case


def cleanup(args: Namespace) -> int:
    """Remove pods, after having asked; exit code 1 if any of them is still there."""
    settings = settings_for(args.team)
    namespaces = namespaces_of(settings, args.namespace, args.all_namespaces)
    now = datetime.now(UTC)
    pods = with_cluster(settings, lambda client: _list(client, namespaces, args.standard))
    found = judge_all(pods, args.older_than, now)
    going = [each for each in found if each.case is Case.REMOVE]
    _print(going, args.output, now)
    _say_what_stays(found)
    if not going or args.dry_run:
        return 0
    if not (args.yes or _agreed(len(going))):
        say("Nothing was removed.")
        return 1
    removed = with_cluster(settings, lambda client: _remove(client, going))
    say(f"{removed} of {len(going)} pods removed.")
    return 0 if removed == len(going) else 1


def judge_all(pods: Sequence[Pod], older_than: float, now: datetime) -> list[Found]:
    """What is to become of each pod, by what Airflow's database says of its task."""
    ids = {identity.ti_id for pod in pods if (identity := identity_of(pod))}
    named = (pod for pod in pods if identity_of(pod) is None or is_of_operator(pod))
    keys = {key for pod in named if (key := task_key(pod))}
    facts = Known(
        ids=frozenset().union(*(known(kind, ids) for kind in _kinds(pods))) if ids else frozenset(),
        by_id=states_of_ids(ids),
        by_key=states_of_keys(keys),
    )
    return [Found(pod, judge(pod, facts, older_than, now)) for pod in pods]


def _kinds(pods: Sequence[Pod]) -> set[str]:
    return {identity.workload for pod in pods if (identity := identity_of(pod))}


async def _list(client: Client, namespaces: Namespaces, standard: bool) -> list[Pod]:
    pods = await list_pods(client, namespaces, selector_of({}))
    if standard:
        have = {pod.metadata.uid for pod in pods}
        others = await list_pods(client, namespaces, STANDARD_PODS)
        pods += [pod for pod in others if pod.metadata.uid not in have]
    return pods


def _print(going: Sequence[Found], output: str, now: datetime) -> None:
    rows = [row_of(each.pod) for each in going]
    if is_structured(output):
        print_rows([row.data() for row in rows], output)
        return
    cells = []
    for row, each in zip(rows, going, strict=True):
        cell = row.cells(now)
        cell["for"] = duration((now - ended_at(each.pod)).total_seconds())
        cells.append({name: cell[name] for name in ("pod", "dag", "task", "run", "state", "for")})
    print_rows(cells, output, empty="There are no pods to remove.")


def _say_what_stays(found: Sequence[Found]) -> None:
    for case, number in sorted(Counter(each.case for each in found).items()):
        if case is not Case.REMOVE:
            say(f"{number} left alone: {case.value}")


def _agreed(number: int) -> bool:
    print(f"Remove these {number} pods? [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


async def _remove(client: Client, going: Sequence[Found]) -> int:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(pod: Pod) -> bool:
        name, namespace = pod.metadata.name, pod.metadata.namespace
        try:
            async with slots:
                await client.delete(PODS, name, namespace, uid=pod.metadata.uid)
        except (NotFound, Conflict):  # somebody else removed it; another may have its name by now
            return True
        except KubeError as error:
            say(f"Pod {name} in namespace {namespace} is still there: {error}")
            return False
        return True

    return sum(await asyncio.gather(*(one(each.pod) for each in going)))
