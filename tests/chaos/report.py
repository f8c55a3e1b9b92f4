"""The chaos report, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.faults import Fault
from tests.chaos.judging import PROMISES, Violation
from tests.chaos.plans import Blow, Mishap, Plan, Work
from tests.chaos.rows import TaskEnd


@dataclass(frozen=True)
class Result:
    """One judged run."""

    seed: int
    seconds: float
    plans: Sequence[Plan]
    ends: Sequence[TaskEnd]
    violations: Sequence[Violation]
    faults: Counter[Fault]
    partitions: int
    mishaps: Counter[Mishap]
    blows: Counter[Blow]
    pods: int
    requests: Counter[str]
    slowest_heartbeat: float


def report(results: Sequence[Result], cluster: str) -> str:
    """All runs on one page."""
    tasks = sum(len(result.plans) for result in results)
    broken = sum(len(result.violations) for result in results)
    lines = [
        "# Chaos report",
        "",
        f"{len(results)} runs on the {cluster} cluster, {tasks} task instances, "
        f"{broken} broken promises.",
        "",
        "| Seed | Tasks | Pods | Seconds | Succeeded | Failed | Other "
        "| Schedulers killed / stopped | Faults | Mishaps | Broken promises |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *map(_row, results),
        "",
        "## Promises",
        "",
        "| Promise | Broken |",
        "|---|---|",
        *(f"| {each} | {_times(results, each)} |" for each in PROMISES),
        "",
        "## Faults between executor and server",
        "",
        "| Fault | Who does such a thing | Times |",
        "|---|---|---|",
        *_fault_rows(results),
        "",
        "## What was done to pods",
        "",
        "| Mishap | Times |",
        "|---|---|",
        *(
            f"| {mishap.value} | {sum(result.mishaps[mishap] for result in results)} |"
            for mishap in Mishap
            if mishap is not Mishap.NONE
        ),
        "",
        "## What was done to schedulers",
        "",
        "| Blow | Times |",
        "|---|---|",
        *(f"| {b.value} | {sum(result.blows[b] for result in results)} |" for b in Blow),
        "",
        "## What the tasks were to do",
        "",
        "| Task | How many | Succeeded | Failed |",
        "|---|---|---|---|",
        *_work_rows(results),
    ]
    if broken:
        lines += ["", "## Broken promises", ""]
        lines += [
            f"- seed {result.seed}: **{each.promise}**: {each.what}"
            for result in results
            for each in result.violations
        ]
    return "\n".join(lines) + "\n"


def _row(result: Result) -> str:
    states = Counter(end.state for end in result.ends)
    others = len(result.ends) - states["success"] - states["failed"]
    cells = (
        result.seed,
        len(result.plans),
        result.pods,
        round(result.seconds),
        states["success"],
        states["failed"],
        others,
        f"{result.blows[Blow.KILL]} / {result.blows[Blow.STOP]}",
        result.faults.total() + result.partitions,
        result.mishaps.total(),
        len(result.violations),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _times(results: Sequence[Result], promise: str) -> int:
    return sum(each.promise == promise for result in results for each in result.violations)


def _fault_rows(results: Sequence[Result]) -> list[str]:
    rows = [
        f"| {fault.sentence} | {fault.cause.value} | "
        f"{sum(result.faults[fault] for result in results)} |"
        for fault in Fault
    ]
    cut = sum(result.partitions for result in results)
    return [
        *rows,
        f"| every connection cut, nothing gets through for seconds | the network | {cut} |",
    ]


def _work_rows(results: Sequence[Result]) -> list[str]:
    rows = []
    for work in Work:
        ends = [
            end.state
            for result in results
            for plan, end in zip(result.plans, result.ends, strict=True)
            if plan.work is work
        ]
        rows.append(
            f"| {work.value} | {len(ends)} | {ends.count('success')} | {ends.count('failed')} |"
        )
    return rows
