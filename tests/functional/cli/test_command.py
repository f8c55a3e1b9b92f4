"""The `podlift` command as a person runs it: a process with an exit code and words."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.functional

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen[str]]


def test_help_teaches_with_examples_and_takes_no_time(podlift: Run) -> None:
    begun = time.monotonic()
    code, out, _ = podlift("--help")
    seconds = time.monotonic() - begun
    assert code == 0
    assert "podlift demo" in out
    assert seconds < 2  # 0.2 on an idle machine; Airflow's import alone takes more than this


def test_help_and_version_import_neither_airflow_nor_aiohttp() -> None:
    program = (
        "import sys\nfrom typer.testing import CliRunner\nfrom podlift.cli.app import app\n"
        "for words in (['--help'], ['demo', '--help'], ['version']):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0\n"
        "print({'airflow', 'aiohttp', 'kubernetes_asyncio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "set()"


def test_version_names_podlift_airflow_and_python(podlift: Run) -> None:
    code, out, _ = podlift("version")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["podlift", "airflow", "python"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--image", "python:3.13"], "runs programs of this machine"),
        (["up", "--context", "staging"], "name it with --image"),
        (["up", "--dags", "/no/such/folder"], "There is no folder /no/such/folder"),
        (["up", "--pod-template", "/no/such/file"], "cannot be read"),
    ],
)
def test_options_that_make_no_sense(
    podlift: Run, home: Path, arguments: list[str], says: str
) -> None:
    code, out, err = podlift(*arguments, "--port", "0", home=home)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", [["up"], ["cluster", "up"], ["cluster", "up", "--detach"]])
def test_a_port_that_is_no_port(podlift: Run, home: Path, command: list[str]) -> None:
    code, out, err = podlift(*command, "--port", "65536", home=home)
    assert (code, out) == (2, "")
    assert "65535" in err
    assert not home.exists()


@pytest.mark.parametrize("command", [["up"], ["demo"], ["cluster", "up"]])
def test_a_home_that_cannot_be_written(podlift: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").touch()
    code, _, err = podlift(*command, home=tmp_path / "file" / "home")
    assert code == 1
    assert "choose another with --home FOLDER" in err
    assert len(err.splitlines()) == 1


def test_a_taken_port(podlift: Run, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in (["up"], ["cluster", "up"], ["cluster", "up", "--detach"]):
            code, _, err = podlift(*command, "--port", port, home=home)
            assert code == 1
            assert f"ort {port}" in err


def test_the_detached_cluster_lives_until_it_is_told_to_stop(podlift: Run, home: Path) -> None:
    code, out, _ = podlift("cluster", "status", home=home)
    assert code == 1

    code, out, err = podlift("cluster", "up", "--detach", home=home)
    assert code == 0, err
    assert f"KUBECONFIG={home / 'cluster' / 'kubeconfig'}" in out

    code, out, _ = podlift("cluster", "status", home=home)
    assert code == 0
    assert "https://127.0.0.1:" in out

    for again in (["cluster", "up"], ["cluster", "up", "--detach"]):
        code, _, err = podlift(*again, home=home)
        assert code == 1
        assert "already runs" in err
    code, _, err = podlift("demo", home=home)
    assert code == 1
    assert f" cluster down --home {home}" in err
    assert (home / "cluster" / "kubeconfig").exists()

    code, _, err = podlift("cluster", "down", home=home)
    assert code == 0, err
    code, _, err = podlift("cluster", "down", home=home)
    assert code == 1
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_cluster_in_the_foreground_stops_in_good_order(
    start: Start, home: Path, number: int
) -> None:
    running = start("cluster", "up")
    assert running.stdout is not None
    assert "ready at https://127.0.0.1:" in running.stdout.readline()
    running.send_signal(number)
    assert running.wait(timeout=20) == 0
    assert not (home / "cluster" / "kubeconfig").exists()
