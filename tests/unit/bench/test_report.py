"""A whole page from made-up figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench.side_by_side.contenders import PODLIFT, PODLIFT_FLAT_OUT, STANDARD_BEST, STANDARD_DEFAULT
from bench.side_by_side.report import pictures, report
from bench.side_by_side.results import BARE, Results
from bench.side_by_side.writing import BEGIN, END, read, show_in, write

DATE = "2026-11-22"


def turn(tasks: int, seconds: float, cpu: float, beat: float, **more: Any) -> dict[str, Any]:
    beats = {"beats": 10, "p50": beat / 4, "p99": beat / 2, "max": beat}
    return {
        "tasks": tasks,
        "seconds": seconds,
        "cpu": {"scheduler's process": cpu},
        "server_cpu": {"etcd": 1.0, "kube-apiserver": 3.0},
        "megabytes": 120.0,
        "beats": beats,
        "requests": {"create pods": tasks, "delete pods": tasks},
        "refused": 0,
        "created": {"first": 0.1, "p50": 1.0, "last": 2.0, "count": tasks},
        **more,
    }


def bare(seconds: float) -> dict[str, Any]:
    made = turn(100, seconds, 0.25, 0.0)
    for name in ("beats", "megabytes", "created"):
        del made[name]
    return made


def results(rounds: int = 5, load: str = "0.10", slow: float = 1.0) -> Results:
    made = Results(
        facts={"commit": "0123456789ab", "load before": load},
        settings={
            PODLIFT.name: "defaults",
            STANDARD_BEST.name: "worker_pods_creation_batch_size = 1000",
        },
        tasks=100,
    )
    for number in range(rounds):
        more = 1 + 0.01 * number
        made.rounds.append(
            {
                BARE: bare(2.0 * more),
                PODLIFT.name: turn(100, 2.5 * more * (slow if number else 1), 0.4, 1.0),
                PODLIFT_FLAT_OUT.name: turn(100, 2.0 * more, 0.4, 2.0),
                STANDARD_DEFAULT.name: turn(15, 15.0, 0.75, 50.0),
                STANDARD_BEST.name: turn(100, 4.0 * more, 2.3, 6000.0),
            }
        )
    return made


def unsteady_starts() -> Results:
    made = results()
    starts = [{"seconds": seconds, "cpu": 1.0, "modules": 600} for seconds in (0.8, 1.0, 1.3)]
    steady = [{"seconds": 1.6, "cpu": 1.25, "modules": 1300}] * 3
    made.others["start"] = [{"name": "both", "Podlift": starts, "Airflow's own": steady}]
    return made


def test_the_page_compares_within_rounds() -> None:
    page = report(results(), DATE)
    assert "does 100% (100% to 100%) of what a bare client does" in page
    assert (
        "does 1.60 (1.60 to 1.60) times as many tasks as the standard tuned best, flat out" in page
    )
    assert (
        "| tasks a second | 39.2 (38.5 to 40.0) | 1.00 (1.00 to 1.00) | 24.5 (24.0 to 25.0) |"
        in page
    )
    assert "create pods 1.00, delete pods 1.00" in page


def test_the_goals_are_judged_by_the_middle() -> None:
    made = results()
    made.others = {"scale": [{"name": PODLIFT_FLAT_OUT.name, "steps": [{**STEP, "alive": 10_000}]}]}
    page = report(made, DATE)
    assert (
        "| tasks a second, the loop flat out | at least 45.0 | 49.0 (48.1 to 50.0) | met |" in page
    )
    assert "| CPU for each task, ms | at most 4.00 | 4.00 (4.00 to 4.00) | met |" in page
    assert "| requests for each task | at most 2.05 | 2.00 (2.00 to 2.00) | met |" in page
    assert "| MB added by 10,000 pods | at most 100 | 8.00 | met |" in page
    for turns in made.rounds:
        turns[PODLIFT_FLAT_OUT.name]["seconds"] *= 1.2
    page = report(made, DATE)
    assert "| at least 0.9 | 0.83 (0.83 to 0.83) | **missed** |" in page


def test_a_quiet_run_of_five_rounds_needs_no_warning() -> None:
    assert "{warning}" not in report(results(), DATE)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (results(load="3.20"), "load average was 3.20"),
        (results(rounds=2), "2 rounds only"),
        (results(slow=1.5), "spread is too wide (more than 30% of the middle), as on a machine"),
        (unsteady_starts(), "something else to do, of: the start of Podlift worker"),
    ],
)
def test_what_makes_a_run_worth_less_is_said(made: Results, words: str) -> None:
    assert words in report(made, DATE)


def test_what_could_not_be_measured_is_said_in_a_line() -> None:
    made = results()
    made.unmeasured.append("recovery: its process ended.\nLast words:\nOSError")
    assert "- recovery: its process ended. Last words: OSError" in report(made, DATE)


def test_contenders_that_were_not_measured_leave_empty_cells() -> None:
    made = results()
    for turns in made.rounds:
        del turns[STANDARD_BEST.name]
    assert "| tasks a second | 39.2 (38.5 to 40.0) | 1.00 (1.00 to 1.00) |  |" in report(made, DATE)


def test_plots_are_well_formed_and_name_everyone() -> None:
    made = results()
    step = {"alive": 100, "events": [{"cpu": 1e-4}]}
    more = {**step, "alive": 1000}
    made.others["scale"] = [{"name": "Podlift <flat>", "steps": [step, more]}]
    drawn = pictures(made)
    assert set(drawn) == {"throughput", "heartbeats", "scale"}
    for picture in drawn.values():
        ElementTree.fromstring(picture)
    assert all(name in drawn["throughput"] for name in made.contenders())
    assert BARE not in drawn["heartbeats"]


BEATS = {"beats": 9, "p50": 0.1, "p99": 0.2, "max": 0.3}
STEP = {
    "alive": 1000,
    "idle_beats": BEATS,
    "events": [{"cpu": 0.000123, "beats": BEATS}, {"cpu": 0.000125, "beats": BEATS}],
    "idle_cpu": 0.002,
    "added_megabytes": 8.0,
    "grown_in": 20.0,
}
AGAIN = {"alive": 1000, "seconds": 1.5, "patience": 60, "cpu": 0.4, "beats": BEATS}
FEW = {
    "ended": 20,
    "told": 20,
    "at": 1.0,
    "writing_seconds": 0.1,
    "last_told_after": 0.2,
    "beats": BEATS,
    "cpu": 0.5,
}
RECOVERED = {
    "name": "Podlift",
    "tasks": 1000,
    "starting_seconds": 3.0,
    "adopting_seconds": 0.02,
    "adopting_cpu": 0.5,
    "not_adopted": 0,
    "recovered_after": 0.5,
    "few": FEW,
}
PART = {"pods": 200, "succeeded": 200, "cpu": 0.1, "written": 4.0, "ends": 5.0}
TRIGGERS = {"cpu": [0.01, 0.03], "memory": 2**20 * 21, "parts": [PART, {**PART, "cpu": 0.2}]}
OTHERS: dict[str, list[dict[str, Any]]] = {
    "scale": [
        {"name": "Podlift", "steps": [STEP], "relists": [AGAIN, {**AGAIN, "seconds": 1.7}]},
        {
            "name": "standard",
            "steps": [STEP],
            "relists": [AGAIN, {**AGAIN, "seconds": None, "beats": {}}],
        },
    ],
    "recovery": [
        RECOVERED,
        {**RECOVERED, "name": "other", "recovered_after": None},
        {**RECOVERED, "recovered_after": 0.7, "all": {**FEW, "ended": 900, "told": 900}},
        {
            **RECOVERED,
            "name": "other",
            "recovered_after": 3.5,
            "all": {**FEW, "ended": 900, "told": 899, "last_told_after": None},
        },
    ],
    "waiting": [{"pods": 1000, "podlift": TRIGGERS, "standard": TRIGGERS}],
    "imports": [{"name": "both", "podlift": [6.6, 7.0], "standard": [660.0, 700.0]}],
    "start": [
        {
            "name": "both workers",
            "Podlift": [{"seconds": 0.8, "cpu": 1.0, "modules": 600}] * 2,
            "Airflow's own": [{"seconds": 1.6, "cpu": 1.25, "modules": 1300}] * 2,
        }
    ],
    "whole": [
        {
            "name": "Podlift",
            "tasks": 900,
            "of": 1000,
            "seconds": 45.0,
            "scheduler_cpu": 18.0,
            "until_running": {"p50": 1.5, "max": 4.0},
            "megabytes": 200.0,
        }
    ],
}


@pytest.mark.parametrize(
    ("part", "row"),
    [
        (
            "scale",
            "| Podlift | 1,000 | 0.1 / 0.2 / 0.3 | 0.1 / 0.2 / 0.3 | 124 (123 to 125) | 0.2 "
            "| 8.00 | 20.0 |",
        ),
        ("scale", "| Podlift | 1,000 | 1.60 (1.50 to 1.70) | 0.4 (0.4 to 0.4) | 0.1 / 0.2 / 0.3 |"),
        ("scale", "| standard | 1,000 | 1.50 (not within 60: 1 of 2 times) | 0.4 (0.4 to 0.4) |"),
        ("recovery", "| 0.02 (0.02 to 0.02) | 0, 0 | 0.6 (0.5 to 0.7) | 1.00 (1.00 to 1.00) |"),
        ("recovery", "are told: after 0.2 of the standard executor's time, pair by pair."),
        ("recovery", "| Podlift | 900 | 900 | 0.1 | 0.2 | 0.5 | 0.3 |"),
        ("recovery", "| other | 900 | 899 | 0.1 | (not within 60: 1 of 1 times) | 0.5 | 0.3 |"),
        ("waiting", "| podlift | 2.00 (1.00 to 3.00) | 21.0 | 4.00 (4.00 to 4.00) |"),
        ("waiting", "| 0.75 (0.5 to 1.00) |"),
        ("imports", "| the standard operator | 680 (660 to 700) |"),
        ("imports", "| ratio, pair by pair | 0.01 (0.01 to 0.01) |"),
        ("start", "| 0.8 (0.8 to 0.8) | 1.60 (1.60 to 1.60) | 0.5 (0.5 to 0.5) |"),
        ("whole", "| Podlift | 20.0 | 900 of 1,000 | 20.0 | 1.50 | 4.00 | 200 |"),
    ],
)
def test_what_is_measured_beside_has_a_section_of_its_own(part: str, row: str) -> None:
    made = results()
    made.others = {part: OTHERS[part]}
    assert row in report(made, DATE)


def test_a_report_is_written_whole_and_can_be_read_again(tmp_path: Path) -> None:
    page = write(results(), tmp_path, DATE)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"{DATE}-heartbeats.svg",
        f"{DATE}-throughput.svg",
        f"{DATE}.json",
        f"{DATE}.md",
    ]
    assert report(read(tmp_path / f"{DATE}.json"), DATE) == page.read_text()


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    broken = results()
    broken.rounds[0][PODLIFT.name]["cpu"] = {"scheduler's process": json.JSONEncoder()}
    with pytest.raises(TypeError):
        write(broken, tmp_path, DATE)
    assert list(tmp_path.iterdir()) == []


def test_the_readme_shows_a_report_instead_of_the_one_before(tmp_path: Path) -> None:
    readme, folder = tmp_path / "README.md", tmp_path / "docs" / "benchmarks"
    readme.write_text(f"# Podlift\n\n{BEGIN}\nthe one before\n{END}\n\n## Go on\n")
    show_in(readme, folder, results(), DATE)
    text = readme.read_text()
    assert text.startswith(f"# Podlift\n\n{BEGIN}\n\n## Figures\n")
    assert text.endswith(f"{END}\n\n## Go on\n")
    assert "the one before" not in text
    assert "| tasks a second | 39.2 (38.5 to 40.0) |" in text
    assert f"![Tasks finished a second](docs/benchmarks/{DATE}-throughput.svg)" in text
    show_in(readme, folder, results(), DATE)
    assert readme.read_text() == text


def test_a_readme_without_a_place_for_figures_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Podlift\n")
    with pytest.raises(ValueError, match="put them in"):
        show_in(readme, tmp_path / "docs", results(), DATE)
    assert readme.read_text() == "# Podlift\n"
