"""The report's sections on what is measured beside throughput. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.side_by_side import plots
from bench.side_by_side.recovery import HEARING
from bench.side_by_side.scale import EVENTS
from bench.side_by_side.spread import cell, ratios, shown, spread
from bench.side_by_side.tables import table

Found = Sequence[dict[str, Any]]


def several(figures: Sequence[float]) -> str:
    """The middle, with the least and the greatest of more than one."""
    return cell(spread(figures))


def _scale(found: Found, date: str) -> str:
    rows = [
        [
            each["name"],
            f"{step['alive']:,}",
            _beats(step["idle_beats"]),
            _middle_beats(step["events"]),
            several([events["cpu"] * 1e6 for events in step["events"]]),
            f"{step['idle_cpu'] * 100:.1f}",
            shown(step["added_megabytes"]),
            shown(step["grown_in"]),
        ]
        for each in found
        for step in each["steps"]
    ]
    headings = [
        "", "pods", "heartbeat when idle, p50 / p99 / max ms", f"during {EVENTS} events",
        "CPU µs an event", "CPU % when idle", "MB added", "s to have them run",
    ]  # fmt: skip
    parts = [
        "## With many pods alive",
        "An event is a change of one pod that tells the executor nothing new. It should cost the "
        f"same however many pods there are. {EVENTS} events are taken several times at each size, "
        "the rest once: to have so many pods takes minutes.",
        f"![CPU for an event]({date}-scale.svg)",
        table(headings, rows),
    ]
    relists = [_list_anew(each) for each in found if each.get("relists")]
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


def _list_anew(each: dict[str, Any]) -> list[str]:
    times = each["relists"]
    return [
        each["name"],
        f"{times[0]['alive']:,}",
        _all_of([again["seconds"] for again in times], times[0]["patience"]),
        several([again["cpu"] for again in times]),
        _middle_beats(times),
    ]


def scale_plot(found: Found) -> str:
    """CPU for an event, over the pods alive."""
    series: dict[str, Sequence[tuple[float, float]]] = {
        each["name"]: [(step["alive"], _event(step)) for step in each["steps"]] for each in found
    }
    return plots.lines("CPU for an event", "µs", "pods alive", series)


def _event(step: dict[str, Any]) -> float:
    return spread([events["cpu"] for events in step["events"]]).middle * 1e6


def _recovery(found: Found, date: str) -> str:
    sides = _by_name(found)
    rows = [
        [
            name,
            str(len(each)),
            several([one["starting_seconds"] for one in each]),
            several([one["adopting_seconds"] for one in each]),
            ", ".join(str(one["not_adopted"]) for one in each),
            _all_of([one["recovered_after"] for one in each], HEARING),
            several([_cpu_of(one) for one in each]),
        ]
        for name, each in sides
    ]
    headings = [
        "", "times", "s to start", "s the loop stands still to adopt", "not adopted",
        "s from the start until the ends of a few are told", "CPU s of adopting and that",
    ]  # fmt: skip
    alls = [(name, one["all"]) for name, each in sides for one in each if "all" in one]
    parts = [
        "## After SIGKILL",
        f"With {found[0]['tasks']:,} tasks running a scheduler's process and all that it started "
        "are killed. The next one starts, is asked to adopt the tasks as Airflow asks, and a few "
        "of them end; then it is killed, too. Both executors in turns, each with its own tasks.",
        table(headings, rows),
    ]
    if len(sides) == 2 and (faster := _recovered(*(each for _, each in sides))):
        parts.append(
            "Podlift adopts in a thread of its own, so what counts is when the ends are told: "
            f"after {several(faster)} of the standard executor's time, pair by pair."
        )
    if alls:
        parts += [
            "In the end all that are left end at once, once for each:",
            table(
                ["", "end", "told", "s to write them", "s from the last written to the last told",
                 "CPU s", "longest heartbeat ms"],
                [_end_of_all(name, one) for name, one in alls],
            ),
        ]  # fmt: skip
    return "\n\n".join(parts)


def _recovered(ours: Found, theirs: Found) -> Sequence[float]:
    """The ratios of those pairs of which both have been told."""
    each = [
        (our["recovered_after"], their["recovered_after"])
        for our, their in zip(ours, theirs, strict=False)
    ]
    return [our / their for our, their in each if our is not None and their is not None]


def _cpu_of(one: dict[str, Any]) -> float:
    return float(one["adopting_cpu"] + one["few"]["cpu"])


def _end_of_all(name: str, one: dict[str, Any]) -> list[str]:
    return [
        name,
        f"{one['ended']:,}",
        f"{one['told']:,}",
        shown(one["writing_seconds"]),
        _all_of([one["last_told_after"]], HEARING),
        shown(one["cpu"]),
        shown(one["beats"]["max"]) if one["beats"] else "",
    ]


def _waiting(found: Found, date: str) -> str:
    (one,) = found
    parts = {kind: one[kind]["parts"] for kind in ("podlift", "standard")}
    rows = [
        [
            kind,
            several([cpu * 100 for cpu in one[kind]["cpu"]]),
            shown(one[kind]["memory"] / 2**20),
            several([part["written"] for part in each]),
            several([part["ends"] for part in each]),
            several([part["cpu"] / part["pods"] * 1e3 for part in each]),
        ]
        for kind, each in parts.items()
    ]
    count = parts["podlift"][0]["pods"]
    headings = [
        "", "CPU % of a core while nothing happens", "MB of all triggers",
        f"s to write {count} ends", "s until the last of them is told", "CPU ms an end",
    ]  # fmt: skip
    costs = ([part["cpu"] for part in each] for each in parts.values())
    text = (
        f"Triggers with their pods' ends, {count} ends at a time, one triggerer's process for "
        "each: CPU is taken in several stretches of that process, memory once. An end costs "
        f"Podlift's trigger {several(ratios(*costs))} of the standard one's CPU."
    )
    return f"## A triggerer with {one['pods']:,} deferred pods\n\n{text}\n\n" + table(
        headings, rows
    )


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
    (one,) = found
    rows = [
        ["`podlift.operators`", several(one["podlift"])],
        ["the standard operator", several(one["standard"])],
        ["ratio, pair by pair", several(ratios(one["podlift"], one["standard"]))],
    ]
    text = "What a DAG file pays for the import of the operator, over Airflow itself."
    return f"## Import\n\n{text}\n\n" + table(["", "ms"], rows)


def _all_of(seconds: Sequence[float | None], patience: float) -> str:
    """The middle, and how often it took longer than anybody waited."""
    told = [each for each in seconds if each is not None]
    missed = len(seconds) - len(told)
    words = several(told) if told else ""
    late = f"(not within {patience:.0f}: {missed} of {len(seconds)} times)" if missed else ""
    return f"{words} {late}".strip()


def _by_name(found: Found) -> list[tuple[str, list[dict[str, Any]]]]:
    names = dict.fromkeys(each["name"] for each in found)
    return [(name, [each for each in found if each["name"] == name]) for name in names]


def _middle_beats(times: Sequence[dict[str, Any]]) -> str:
    """Of each figure the middle of several times, and the longest of all."""
    found = [each["beats"] for each in times if each["beats"]]
    if not found:
        return ""
    middle = {which: spread([beats[which] for beats in found]).middle for which in ("p50", "p99")}
    return _beats({**middle, "max": max(beats["max"] for beats in found)})


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
