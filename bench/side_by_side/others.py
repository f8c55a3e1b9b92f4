"""The report's sections on what is measured beside throughput. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.side_by_side import plots
from bench.side_by_side.spread import ratios, shown, spread
from bench.side_by_side.tables import table

Found = Sequence[dict[str, Any]]


def several(figures: Sequence[float]) -> str:
    """The middle, with the least and the greatest of more than one."""
    found = spread(figures)
    if found.count == 1:
        return shown(found.middle)
    return f"{shown(found.middle)} ({shown(found.least)} to {shown(found.most)})"


def _scale(found: Found, date: str) -> str:
    rows = [
        [
            each["name"],
            f"{step['alive']:,}",
            _beats(step["idle_beats"]),
            _beats(step["event_beats"]),
            f"{step['event_cpu'] * 1e6:.0f}",
            f"{step['idle_cpu'] * 100:.1f}",
            shown(step["added_megabytes"]),
            shown(step["grown_in"]),
        ]
        for each in found
        for step in each["steps"]
    ]
    relists = [
        [
            each["name"],
            f"{again['alive']:,}",
            _heard(again),
            shown(again["cpu"]),
            _beats(again["beats"]),
        ]
        for each in found
        if (again := each.get("relist"))
    ]
    headings = [
        "", "pods", "heartbeat when idle, p50 / p99 / max ms", "during 1,000 events",
        "CPU µs an event", "CPU % when idle", "MB added", "s to have them run",
    ]  # fmt: skip
    parts = [
        "## With many pods alive",
        "An event is a change of one pod that tells the executor nothing new. It should cost the "
        "same however many pods there are.",
        f"![CPU for an event]({date}-scale.svg)",
        table(headings, rows),
    ]
    if relists:
        headings = ["", "pods", "s until an end is told", "CPU s", "heartbeat p50 / p99 / max ms"]
        parts += [
            "### A list anew",
            "The API server is killed and comes back with its history compacted, so the watch's "
            "place is forgotten. Then one pod ends. The time runs from the server's first good "
            "answer until the scheduler has heard of that end.",
            table(headings, relists),
        ]
    return "\n\n".join(parts)


def scale_plot(found: Found) -> str:
    """CPU for an event, over the pods alive."""
    series: dict[str, Sequence[tuple[float, float]]] = {
        each["name"]: [(step["alive"], step["event_cpu"] * 1e6) for step in each["steps"]]
        for each in found
    }
    return plots.lines("CPU for an event", "µs", "pods alive", series)


def _recovery(found: Found, date: str) -> str:
    rows = [
        [
            name,
            f"{each[0]['tasks']:,}",
            several([one["adopting_seconds"] for one in each]),
            ", ".join(str(one["not_adopted"]) for one in each),
            several([one["writing_ends_seconds"] for one in each]),
            ", ".join(f"{one['ends_told']:,}" for one in each),
            _last_told(each),
            several([one["cpu"] for one in each]),
            several([one["beats"]["max"] for one in each if one["beats"]]),
        ]
        for name, each in _by_name(found)
    ]
    headings = [
        "", "tasks running", "s the loop stands still to adopt them", "not adopted",
        "s to write all ends", "ends told", "s from the last end written to the last told", "CPU s",
        "longest heartbeat ms",
    ]  # fmt: skip
    return "\n\n".join(
        [
            "## After SIGKILL",
            "A scheduler's process is killed while its tasks run. A second one starts, is asked to "
            "adopt them as Airflow asks, and then all of them end.",
            table(headings, rows),
        ]
    )


def _waiting(found: Found, date: str) -> str:
    rows = []
    for kind in ("podlift", "standard"):
        each = [one[kind] for one in found]
        number = found[0]["pods"]
        rows.append(
            [
                kind,
                several([one["cpu"] * 100 for one in each]),
                several([one["memory"] / 2**20 for one in each]),
                several([one["written"] for one in each]),
                several([one["ends"] for one in each]),
                several([one["cpu_of_ends"] / number * 1e3 for one in each]),
            ]
        )
    headings = [
        "", "CPU % of a core while nothing happens", "MB of all triggers", "s to write all ends",
        "s until the last end is told", "CPU ms an end",
    ]  # fmt: skip
    return f"## A triggerer with {found[0]['pods']:,} deferred pods\n\n" + table(headings, rows)


def _start(found: Found, date: str) -> str:
    sides = [side for side in found[0] if side != "name"]
    every = {side: [start for one in found for start in one[side]] for side in sides}
    ours, theirs = ([start["seconds"] for start in every[side]] for side in sides)
    rows = [
        [
            "seconds on the clock",
            *(several([start["seconds"] for start in every[side]]) for side in sides),
            several(ratios(ours, theirs)),
        ],
        [
            "CPU seconds, supervisor's and task's process",
            *(several([start["cpu"] for start in every[side]]) for side in sides),
            several(ratios(*([start["cpu"] for start in every[side]] for side in sides))),
        ],
        [
            "modules imported in the task's process",
            *(several([start["modules"] for start in every[side]]) for side in sides),
            "",
        ],
    ]
    text = (
        "From the start of the worker's process to the first line of a task that needs only the "
        "Task SDK, alone on the machine, compiled modules there: what a pod's time from running to "
        "user code is made of."
    )
    return f"## The start of a task\n\n{text}\n\n" + table(["", *sides, "ratio"], rows)


def _whole(found: Found, date: str) -> str:
    rows = [
        [
            name,
            several([one["tasks"] / one["seconds"] for one in each]),
            f"{sum(one['tasks'] for one in each):,} of {sum(one['of'] for one in each):,}",
            several([one["scheduler_cpu"] / one["tasks"] * 1e3 for one in each]),
            several([one["until_running"]["p50"] for one in each]),
            several([one["until_running"]["max"] for one in each]),
            several([one["megabytes"] for one in each]),
        ]
        for name, each in _by_name(found)
    ]
    headings = [
        "", "tasks/s", "succeeded in the time", "scheduler's CPU ms a task",
        "queued to running: middle, s", "longest, s", "scheduler's MB",
    ]  # fmt: skip
    text = (
        "Scheduler, API server, DAG processor and PostgreSQL, and a DAG with one mapped task. No "
        "program runs in a simulated pod: its worker is played, which tells Airflow's Task "
        "Execution API of the start and the success with the token of the pod's workload. All of "
        "it shares the machine's cores. The scheduler's CPU has the executor's in it."
    )
    return f"## Whole Airflow\n\n{text}\n\n" + table(headings, rows)


def _imports(found: Found, date: str) -> str:
    rows = [
        [name, several([each[kind] for each in found])]
        for kind, name in (
            ("podlift", "`podlift.operators`"),
            ("standard", "the standard operator"),
        )
    ]
    text = "What a DAG file pays for the import of the operator, over Airflow itself."
    return f"## Import\n\n{text}\n\n" + table(["", "ms"], rows)


def _last_told(each: Sequence[dict[str, Any]]) -> str:
    told = [one["last_end_told_after"] for one in each if one["last_end_told_after"] is not None]
    missed = len(each) - len(told)
    words = several(told) if told else ""
    return f"{words} (not all of them: {missed} of {len(each)} times)".strip() if missed else words


def _heard(again: dict[str, Any]) -> str:
    if again["seconds"] is None:
        return f"not within {again['patience']:.0f}"
    return shown(again["seconds"])


def _by_name(found: Found) -> list[tuple[str, list[dict[str, Any]]]]:
    names = dict.fromkeys(each["name"] for each in found)
    return [(name, [each for each in found if each["name"] == name]) for name in names]


def _beats(beats: dict[str, float]) -> str:
    return " / ".join(shown(beats[which]) for which in ("p50", "p99", "max")) if beats else ""


SECTIONS: dict[str, Callable[[Found, str], str]] = {
    "scale": _scale,
    "recovery": _recovery,
    "waiting": _waiting,
    "imports": _imports,
    "start": _start,
    "whole": _whole,
}
"""A section for each kind of measurement, in the report's order."""
