"""The programs of a measurement's server end with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench import Unmeasured
from bench.side_by_side.programs import (
    at_work_in,
    end_at_work_in,
    end_left_behind,
    programs_in,
    started_at,
)

pytestmark = pytest.mark.functional

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def test_programs_are_gone_whatever_happens(tmp_path: Path) -> None:
    pid = 0

    def fail() -> None:
        nonlocal pid
        with programs_in(tmp_path) as programs:
            programs.start("sleeper", *SLEEP)
            pid = programs.pids()["sleeper"]
            assert started_at(pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not started_at(pid)
    assert not (tmp_path / "processes.json").exists()


def test_a_program_that_was_stopped_starts_again_as_before(tmp_path: Path) -> None:
    with programs_in(tmp_path) as programs:
        programs.start("sleeper", *SLEEP)
        first = programs.pids()["sleeper"]
        programs.stop("sleeper", at_once=True)
        assert not started_at(first)
        programs.start_again("sleeper")
        assert started_at(programs.pids()["sleeper"])


def test_what_a_killed_run_has_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP) as left, subprocess.Popen(SLEEP) as other:
        entry = {"name": "left", "pid": left.pid, "started": started_at(left.pid), "command": []}
        # A process id that has been given to another program since.
        reused = {**entry, "pid": other.pid, "started": started_at(other.pid) - 1}
        (tmp_path / "processes.json").write_text(json.dumps([entry, reused]))
        end_left_behind(tmp_path)
        assert not started_at(left.pid)
        assert started_at(other.pid)
        other.kill()


def test_programs_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path;"
        "from bench.side_by_side.programs import Programs;"
        f"programs = Programs(Path({str(tmp_path)!r})); programs.start('sleeper', *{SLEEP!r});"
        "print(programs.pids()['sleeper'], flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert started_at(pid)
        run.kill()
    give_up = time.monotonic() + 10
    while started_at(pid):
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_children_of_a_killed_program_are_found_by_the_folder_they_work_in(tmp_path: Path) -> None:
    folder = tmp_path / "run-1"
    says = (sys.executable, "-c", "import time; print(flush=True); time.sleep(60)")
    home = {"AIRFLOW_HOME": str(folder / "airflow")}
    pipe = subprocess.PIPE
    with (
        subprocess.Popen([*says, str(folder / "specification.json")], stdout=pipe) as named,
        subprocess.Popen(says, env=home, stdout=pipe) as at_home,
        subprocess.Popen([*says, str(tmp_path / "run-2")], stdout=pipe) as other,
    ):
        # One that was not begun yet has no command line that could be asked for.
        for each in (named, at_home, other):
            assert each.stdout is not None
            each.stdout.readline()
        assert sorted(at_work_in(folder)) == sorted([named.pid, at_home.pid])
        end_at_work_in(folder)
        named.wait(10)
        at_home.wait(10)
        assert other.poll() is None
        other.kill()


def test_a_program_that_does_not_come_up_has_its_last_words_told(tmp_path: Path) -> None:
    with programs_in(tmp_path) as programs:
        programs.start("broken", sys.executable, "-c", "raise SystemExit('no such flag')")
        with pytest.raises(Unmeasured, match=r"(?s)broken does not come up.*no such flag"):
            programs.wait_for("broken", iter(lambda: False, None))
