"""The report: Markdown with tables, and its plots, from what was found. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bench.side_by_side import plots
from bench.side_by_side.contenders import (
    PODLIFT,
    PODLIFT_FLAT_OUT,
    STANDARD_BEST,
    STANDARD_DEFAULT,
)
from bench.side_by_side.goals import goals_table
from bench.side_by_side.others import SECTIONS, scale_plot
from bench.side_by_side.results import (
    BARE,
    Results,
    Turn,
    asked,
    beat,
    cpu,
    created,
    memory,
    rate,
    server_cpu,
    too_wide,
)
from bench.side_by_side.spread import TOO_WIDE, Spread, cell, shown
from bench.side_by_side.tables import table

PAIRS = 5
"""Rounds that make a figure a proof."""
QUIET = 0.6
"""Load average before a run above which its figures are another program's, too."""


def report(results: Results, date: str) -> str:
    """The whole page; its plots are named after the date."""
    parts = [f"# Side by side, {date}", _introduction(results)]
    parts += [f"```{{warning}}\n{words}\n```" for words in _warnings(results)]
    if results.rounds:
        parts += [
            "## In short",
            in_short(results),
            f"![Tasks a second]({date}-throughput.svg)",
            f"![The longest heartbeat]({date}-heartbeats.svg)",
            "### Podlift's goals, for two cores",
            goals_table(results),
            "## Throughput and its price",
            _throughput(results),
            "### CPU by process",
            _by_process(results),
            "### Requests for each task",
            _requests(results),
        ]
    for name, section in SECTIONS.items():
        if results.others.get(name):
            parts += [section(results.others[name], date)]
    parts += ["## Settings", _settings(results), "## Machine and versions", _facts(results)]
    if results.unmeasured:
        parts += ["## Not measured", "\n".join(f"- {_line(each)}" for each in results.unmeasured)]
    return "\n\n".join(parts) + "\n"


def pictures(results: Results) -> dict[str, str]:
    """SVG by what it shows."""
    found = {}
    if results.rounds:
        found["throughput"] = plots.bars(
            "Tasks finished a second", "tasks/s; a dot for each round", _bars(results, rate)
        )
        found["heartbeats"] = plots.bars(
            "How long one heartbeat held the scheduler's loop up, at most",
            "ms; a dot for each round",
            _bars(results, beat("max")),
            logarithmic=True,
        )
    if results.others.get("scale"):
        found["scale"] = scale_plot(results.others["scale"])
    return found


def readme_block(results: Results, folder: str, date: str) -> str:
    """What the README shows of a report that is in a folder."""
    cores = results.facts.get("processor", "").partition(" cores")[0]
    return "\n\n".join(
        [
            "## Figures",
            f"Podlift and the standard executor on the same server "
            f"({results.facts.get('server', '')}), all on {cores} cores, in turns: "
            f"{results.tasks} tasks that run half a second each; the middle of "
            f"{len(results.rounds)} rounds, with the least and the greatest.",
            in_short(results),
            f"![Tasks finished a second]({folder}/{date}-throughput.svg)",
            f"[The whole report]({folder}/{date}.md). `make bench` makes one on your machine.",
        ]
    )


def _introduction(results: Results) -> str:
    turns = "in turns"
    if results.rounds:
        turns += (
            f": {len(results.rounds)} rounds of {results.tasks} tasks that run half a second each, "
            "every contender once a round"
        )
    return (
        "Podlift's executor and the standard one (apache-airflow-providers-cncf-kubernetes "
        f"{results.facts.get('apache-airflow-providers-cncf-kubernetes', '')}) on the same server, "
        f"{turns}. Each executor is the real class in an environment of "
        "its own, driven by the same loop. A figure is the middle of the rounds, with the least "
        "and the greatest in brackets. Times of different machines cannot be compared, the ratios "
        "of one run can. Repeat it with `make bench`; [the method](method.md)."
    )


def _warnings(results: Results) -> Iterator[str]:
    load = float(results.facts["load before"])
    if load > QUIET:
        yield (
            f"The machine was busy with something else: its load average was {load:.2f} before the "
            "run. Neither times nor ratios of this run prove anything."
        )
    if 0 < len(results.rounds) < PAIRS:
        yield f"{len(results.rounds)} rounds only: {PAIRS} are needed to know the spread."
    if wide := too_wide(results):
        yield (
            f"The spread is too wide (more than {TOO_WIDE:.0%} of the middle), as on a machine "
            f"with something else to do, of: {'; '.join(wide)}."
        )


def in_short(results: Results) -> str:
    """The table of those that matter most, and the ratios between them."""
    bound = results.ratio(PODLIFT_FLAT_OUT.name, BARE, rate)
    columns: list[tuple[str, str]] = [
        ("Podlift, out of the box", PODLIFT.name),
        ("standard, out of the box", STANDARD_DEFAULT.name),
        ("standard, tuned best", STANDARD_BEST.name),
    ]
    rows = [
        ["tasks a second", *(cell(results.spread(name, rate)) for _, name in columns)],
        ["CPU for each task, ms", *(cell(results.spread(name, cpu)) for _, name in columns)],
        *(
            [f"heartbeat {which}, ms", *(cell(results.spread(n, beat(which))) for _, n in columns)]
            for which in ("p50", "p99", "max")
        ),
        ["memory, MB", *(cell(results.spread(name, memory)) for _, name in columns)],
    ]
    text = [table(["", *(heading for heading, _ in columns)], rows)]
    if bound is not None:
        text.append(
            f"Podlift, its loop flat out, does {_percent(bound)} of what a bare client does that "
            "creates, watches and deletes the same pods with nothing but aiohttp and msgspec."
        )
    text += [
        f"Podlift out of the box does {cell(faster)} times as many tasks as the {name}."
        for name in (STANDARD_DEFAULT.name, STANDARD_BEST.name)
        if (faster := results.ratio(PODLIFT.name, name, rate)) is not None
    ]
    return "\n\n".join(text)


def _percent(part: Spread) -> str:
    return f"{part.middle:.0%} ({part.least:.0%} to {part.most:.0%})"


def _throughput(results: Results) -> str:
    headings = [
        "", "tasks/s", "of the bare client's", "CPU ms a task", "server's CPU ms a task",
        "heartbeat p50 / p99 / max ms", "MB", "queued to created: middle / last, s",
    ]  # fmt: skip
    rows = []
    for name in results.contenders():
        of_bound = results.ratio(name, BARE, rate) if name != BARE else None
        beats = [results.spread(name, beat(which)) for which in ("p50", "p99", "max")]
        until = [] if name == BARE else [created("p50"), created("last")]
        rows.append(
            [
                name,
                cell(results.spread(name, rate)),
                f"{of_bound.middle:.0%}" if of_bound else "",
                cell(results.spread(name, cpu)),
                _middle(results.spread(name, server_cpu)),
                " / ".join(_middle(each) for each in beats if each),
                _middle(results.spread(name, memory)),
                " / ".join(_middle(results.spread(name, each)) for each in until),
            ]
        )
    own = _machines_own(results)
    return table(headings, rows) + (f"\n\n{own}" if own else "")


def _machines_own(results: Results) -> str:
    """What the machine does to a short piece of work while executors are measured."""
    found = [
        turn["machine"]["p99"]
        for turns in results.rounds
        for turn in turns.values()
        if turn.get("machine", {}).get("p99")
    ]
    if not found:
        return ""
    return (
        "Beside every turn a process with nothing else in it did a piece of work of 0.05 ms fifty "
        f"times a second. It took {shown(statistics.median(found))} ms at the 99th percentile in "
        f"the middle turn and {shown(max(found))} ms in the worst: no heartbeat can be better."
    )


def _by_process(results: Results) -> str:
    rows = []
    for name in results.contenders():
        parts = list(_every(results, name, "cpu"))
        shares = (f"{part} {_middle(results.spread(name, _share(part)))} ms" for part in parts)
        server = (
            f"{part} {_middle(results.spread(name, _share(part, 'server_cpu')))}"
            for part in _every(results, name, "server_cpu")
        )
        rows.append([name, ", ".join(shares), ", ".join(server)])
    return table(["", "the executor's, ms a task", "the server's, ms a task"], rows)


def _every(results: Results, name: str, account: str) -> Iterable[str]:
    turns = (turns[name] for turns in results.rounds if name in turns)
    return dict.fromkeys(part for turn in turns for part in turn[account])


def _share(part: str, account: str = "cpu") -> Callable[[Turn], float]:
    return lambda turn: float(turn[account].get(part, 0.0) / turn["tasks"] * 1e3)


def _requests(results: Results) -> str:
    rows = []
    for name in results.contenders():
        turns = [turns[name] for turns in results.rounds if name in turns]
        if any("requests" in turn for turn in turns):
            kinds = dict.fromkeys(kind for turn in turns for kind in asked(turn))
            each = {kind: results.each(name, _asked(kind)) for kind in kinds}
            words = (f"{kind} {shown(sum(found) / len(found))}" for kind, found in each.items())
            refused = sum(turn.get("refused", 0) for turn in turns)
            rows.append([name, ", ".join(words), str(refused)])
    if not rows:
        return "Not counted: the local cluster writes no audit log."
    text = (
        "From the API server's audit log, for each pod created. A turn that was cut short at the "
        "end of its time has created pods that it did not delete."
    )
    return text + "\n\n" + table(["", "requests", "refused, in all"], rows)


def _asked(kind: str) -> Callable[[Turn], float]:
    return lambda turn: asked(turn).get(kind, 0.0)


def _settings(results: Results) -> str:
    text = (
        "For all: no bound on parallel tasks (`[core] parallelism`), an SQLite database, logs that "
        "are there already. For the standard executor no row of a task is looked up before its pod "
        "is created, which spares it a query for each. Flat out means a pause of 10 ms between two "
        "heartbeats. A turn ends after 10 to 60 seconds also when not all tasks have ended; the "
        "rate is then that of those which have."
    )
    rows = [[name, words] for name, words in results.settings.items()]
    return text + "\n\n" + table(["", "settings"], rows)


def _facts(results: Results) -> str:
    return table(["", ""], [[name, fact] for name, fact in results.facts.items()])


def _bars(results: Results, figure: Callable[[Turn], float | None]) -> Sequence[plots.Bar]:
    found = []
    for name in results.contenders():
        each = results.each(name, figure)
        if (middle := results.spread(name, figure)) is not None:
            found.append(plots.Bar(name, middle.middle, each, _colour(name)))
    return found


def _colour(name: str) -> str:
    if name == BARE:
        return plots.BOUND
    return plots.OURS if name.startswith("Podlift") else plots.THEIRS


def _middle(found: Spread | None) -> str:
    return "" if found is None else shown(found.middle)


def _line(words: Any) -> str:
    return " ".join(str(words).split())
