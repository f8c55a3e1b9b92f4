"""``airflow podlift pods``: what runs where, since when, and why it does not start."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from podlift.commands.looking import (
    Namespaces,
    events_of_pods,
    list_pods,
    namespaces_of,
    selector_of,
)
from podlift.commands.printing import is_structured, iso, print_one, print_rows
from podlift.commands.rows import Row, Wanted, needs_events, row_of
from podlift.commands.running import settings_for, with_cluster
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.kube.resources import PODS
from podlift.kube.view import WatchEvent
from podlift.kube.watching import watch
from podlift.pods.reading import Pod


def pods(args: Namespace) -> None:
    """List pods; with ``--watch``, go on with a line for every change."""
    settings = settings_for(args.team)
    namespaces = namespaces_of(settings, args.namespace, args.all_namespaces)
    wanted = Wanted(
        dag_id=args.dag_id or "",
        task_id=args.task_id or "",
        run_id=args.run_id or "",
        states=frozenset(args.state or ()),
    )
    if args.watch:
        with_cluster(settings, lambda client: _follow(client, namespaces, wanted, args.output))
        return
    found = with_cluster(settings, lambda client: _look(client, namespaces, wanted))
    _print(found, args.output)


async def _look(client: Client, namespaces: Namespaces, wanted: Wanted) -> list[Row]:
    found = await list_pods(client, namespaces, selector_of(wanted.labels))
    events = await events_of_pods(client, [pod for pod in found if needs_events(pod)])
    rows = [row_of(pod, events.get(pod.metadata.uid, ())) for pod in found]
    return sorted(filter(wanted.takes, rows), key=_order)


def _order(row: Row) -> tuple[str, ...]:
    moment = iso(row.since) or ""
    return row.dag_id, row.run_id, row.task_id, f"{row.map_index or 0:09}", moment, row.pod


def _print(rows: Sequence[Row], output: str) -> None:
    if is_structured(output):
        print_rows([row.data() for row in rows], output)
        return
    now = datetime.now(UTC)
    print_rows([row.cells(now) for row in rows], output, empty="There are no such pods.")


async def _follow(client: Client, namespaces: Namespaces, wanted: Wanted, output: str) -> None:
    """Tell of every pod that is there, then of every change, for ever."""
    news: asyncio.Queue[WatchEvent[Pod] | KubeError] = asyncio.Queue()
    watching = [asyncio.create_task(_watch(client, each, wanted, news)) for each in namespaces]
    told: dict[str, Row] = {}
    try:
        while True:
            event = await news.get()
            if isinstance(event, KubeError):
                raise event
            if event.object is not None:
                await _tell(client, event.object, event.kind == "DELETED", wanted, told, output)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _watch(
    client: Client,
    namespace: str | None,
    wanted: Wanted,
    news: asyncio.Queue[WatchEvent[Pod] | KubeError],
) -> None:
    selector = selector_of(wanted.labels)
    changes = watch(client, PODS, namespace, label_selector=selector, type=Pod)
    try:
        async with aclosing(changes):
            async for event in changes:
                await news.put(event)
    except KubeError as error:  # one that no patience helps against
        await news.put(error)


async def _tell(
    client: Client, pod: Pod, gone: bool, wanted: Wanted, told: dict[str, Row], output: str
) -> None:
    """Print the pod's row if it says anything new."""
    events = await events_of_pods(client, [pod] if needs_events(pod) and not gone else [])
    row = row_of(pod, events.get(pod.metadata.uid, ()))
    before = told.pop(pod.metadata.uid, None)
    if not gone:
        told[pod.metadata.uid] = row
    news = gone or row != before
    if not news or not any(each and wanted.takes(each) for each in (row, before)):
        return
    now = datetime.now(UTC)
    if is_structured(output):
        print_one({"at": now, "gone": gone, **row.data()}, output)
    else:
        print(line(row, now, gone), flush=True)


def line(row: Row, now: datetime, gone: bool) -> str:
    """One change, for people."""
    state = "gone" if gone else row.state
    task = row.task_id if row.map_index is None else f"{row.task_id}[{row.map_index}]"
    whose = f"{row.dag_id}.{task} run {row.run_id} try {row.try_number}"
    reason = f": {row.reason}" if row.reason and not gone else ""
    where = f" on {row.node}" if row.node and state == "running" else ""
    clock = now.astimezone().strftime("%H:%M:%S")
    return f"{clock}  {state:<11}  {row.namespace}/{row.pod}  {whose}{where}{reason}"
