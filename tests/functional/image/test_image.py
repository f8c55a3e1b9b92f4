"""The image: built by its Dockerfile, on a stand-in for Airflow's official one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.functional.image.stand_in import NAME, SITE, Builder, make

from podlift.exit_codes import ExitCode

pytestmark = [pytest.mark.functional, pytest.mark.tools]

ROOT = Path(__file__).parents[3]
IMAGE = "localhost/podlift-airflow:3.3.2"
EXTENDED = "localhost/team-airflow:1"
PACKAGES = f"/home/airflow/.local/{SITE}"


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    folder = tmp_path_factory.mktemp("images")
    builder = Builder(folder / "store")
    make(builder, folder)
    builder.build(ROOT, IMAGE, f"--file={ROOT}/deploy/image/Dockerfile")
    return builder


def said(builder: Builder, command: str, image: str = IMAGE) -> str:
    done = builder.run(image, "/bin/sh", "-c", command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_airflow_finds_the_executor(builder: Builder) -> None:
    told = said(builder, "python -m airflow providers list --output plain 2>/dev/null")
    assert "podlift" in told


def test_a_pod_without_a_workload_is_told_so_by_the_worker(builder: Builder) -> None:
    done = builder.run(IMAGE, "python", "-m", "podlift.worker")
    assert done.returncode == ExitCode.NO_WORKLOAD


def test_nothing_runs_as_root(builder: Builder) -> None:
    assert builder.configuration(IMAGE)["config"]["User"] == "50000"
    assert said(builder, "id -u; id -g").split() == ["50000", "0"]


def test_all_that_a_task_imports_is_bytecode(builder: Builder) -> None:
    program = f"""
import os, sys
import airflow.sdk.execution_time.task_runner, podlift.worker.running
cached = [getattr(module, "__cached__", None) for module in list(sys.modules.values())]
wanted = [file for file in cached if file and file.startswith({PACKAGES!r})]
print(len(wanted) > 500, [file for file in wanted if not os.path.exists(file)])
"""
    done = builder.run(IMAGE, "python", "-B", "-c", program)
    assert done.stdout.splitlines()[-1:] == ["True []"], done.stderr


def test_what_airflow_came_with_keeps_its_version(builder: Builder) -> None:
    listed = "python -m pip list --format=freeze --exclude podlift | sort"
    assert said(builder, listed) == said(builder, listed, NAME)


def test_neither_sources_nor_the_wheel_are_left(builder: Builder) -> None:
    assert said(builder, "ls -A /tmp") == ""
    assert said(builder, "find / -xdev -name '*.whl' -path '*podlift*' 2>/dev/null || true") == ""


def test_podlift_is_one_layer_more(builder: Builder) -> None:
    def layers(image: str) -> int:
        return len(builder.configuration(image)["rootfs"]["diff_ids"])

    assert layers(IMAGE) == layers(NAME) + 1


def test_the_example_adds_packages_and_dags(builder: Builder) -> None:
    builder.build(ROOT / "deploy/image/extended", EXTENDED, f"--build-arg=BASE={IMAGE}")
    assert builder.configuration(EXTENDED)["config"]["User"] == "50000"
    run = "python -c 'import humanize' && python /opt/airflow/dags/hello.py && ls /opt/airflow/dags"
    assert "hello.py" in said(builder, run, EXTENDED)


def test_a_package_that_contradicts_airflow_stops_the_build(
    builder: Builder, tmp_path: Path
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "requirements.txt").write_text("msgspec<0.1\n")
    file = ROOT / "deploy/image/extended/Dockerfile"
    with pytest.raises(AssertionError, match="msgspec"):
        builder.build(tmp_path, "localhost/broken", f"--file={file}", f"--build-arg=BASE={IMAGE}")
