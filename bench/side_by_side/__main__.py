"""``make bench``: Podlift beside the standard executor, and a report of it."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

from bench import Unmeasured
from bench.side_by_side.contenders import ROOT, STANDARD_PYTHON
from bench.side_by_side.report import PAIRS, report
from bench.side_by_side.results import Results
from bench.side_by_side.running import PARTS, QUICK, Plan, run
from bench.side_by_side.sites import site
from bench.side_by_side.writing import read, show_in, write

_REPORTS = ROOT / "docs" / "benchmarks"


def main() -> int:
    """Measures and writes; the exit code is 1 when something could not be measured."""
    arguments = _arguments()
    if arguments.render:
        date = arguments.date or arguments.render.stem
        _keep(read(arguments.render), arguments.output or arguments.render.parent, date)
        return 0
    date = arguments.date or time.strftime("%Y-%m-%d")
    try:
        results = asyncio.run(_measure(arguments.cluster, _plan(arguments)))
    except Unmeasured as error:
        print(f"Nothing was measured: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("Stopped: no report was written, and the server is gone.", file=sys.stderr)
        return 130
    if arguments.quick and arguments.output is None:
        print(report(results, date))
    else:
        _keep(results, arguments.output or _REPORTS, date)
    return 1 if results.unmeasured else 0


def _keep(results: Results, folder: Path, date: str) -> None:
    """Write the report; one that is a proof, and among the others, is shown in the README, too."""
    print(write(results, folder, date))
    if folder.resolve() == _REPORTS and len(results.rounds) >= PAIRS:
        show_in(ROOT / "README.md", _REPORTS, results, date)
        print(ROOT / "README.md")


async def _measure(cluster: str, plan: Plan) -> Results:
    if plan.standard and not os.access(STANDARD_PYTHON, os.X_OK):
        raise Unmeasured(
            f"the standard executor's environment is missing ({STANDARD_PYTHON.parents[1]}): "
            "`make bench` installs it."
        )
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    load = os.getloadavg()[0]
    began = time.monotonic()

    def tell(words: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"{minutes:3}:{seconds:02} {words}", file=sys.stderr, flush=True)

    async with site(cluster) as there:
        tell(f"{there.kind}: ready")
        results = await run(there, plan, tell)
    results.facts["load before"] = f"{load:.2f}"
    return results


def _plan(arguments: argparse.Namespace) -> Plan:
    plan = QUICK if arguments.quick else Plan()
    asked = {
        "pairs": arguments.pairs,
        "tasks": arguments.tasks,
        "parts": arguments.only,
        "minutes": arguments.minutes,
        "alive": arguments.alive,
        "standard_alive": arguments.standard_alive,
    }
    plan = dataclasses.replace(
        plan, **{name: value for name, value in asked.items() if value is not None}
    )
    return plan.without_standard() if arguments.podlift_only else plan


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.side_by_side", description=__doc__)
    parser.add_argument(
        "--cluster",
        choices=("real", "local"),
        default="real",
        help="real: kube-apiserver, etcd, kube-scheduler and KWOK, built with Go; "
        "local: Podlift's own, which needs nothing",
    )
    parser.add_argument(
        "--pairs", type=_count, help="rounds, and times of what is measured beside; 5 make a proof"
    )
    parser.add_argument("--tasks", type=_count, help="tasks of a round")
    parser.add_argument(
        "--minutes", type=_count, help="leave out parts that would not end within so many"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to measure")
    parser.add_argument(
        "--podlift-only", action="store_true", help="measure without the standard executor"
    )
    parser.add_argument("--alive", nargs="+", type=_count, help="pods alive, Podlift's steps")
    parser.add_argument("--standard-alive", nargs="+", type=_count, help="the standard one's")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a small run to see whether it works; prints its report",
    )
    parser.add_argument("--output", type=Path, help=f"folder ({_REPORTS.relative_to(ROOT)})")
    parser.add_argument("--render", type=Path, metavar="JSON", help="only write a report anew")
    parser.add_argument("--date", help=argparse.SUPPRESS)
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 upwards")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
