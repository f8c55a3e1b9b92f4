"""A function is packed, and unpacked and called in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from podlift.decorators.packing import pack, pack_arguments, program
from podlift.decorators.source import source_of
from podlift.operators.errors import FunctionNotSent

pytestmark = pytest.mark.functional


def run(
    function: Callable[..., Any],
    *args: Any,
    output: Path | None = None,
    serializer: str = "pickle",
    requirements: Sequence[str] = (),
    pip_options: Sequence[str] = (),
    flags: Sequence[str] = (),
    **kwargs: Any,
) -> subprocess.CompletedProcess[str]:
    packed = pack(
        source=source_of(function),
        function=function.__name__,
        serializer=serializer,
        arguments=pack_arguments(serializer, args, kwargs),
        requirements=requirements,
        pip_options=pip_options,
        output=str(output) if output else None,
    )
    given: Mapping[str, str] = {each["name"]: each["value"] for each in packed}
    return subprocess.run(
        [sys.executable, *flags, "-c", program()],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",  # where nothing of the tests can be imported
    )


def test_arguments_go_in_and_the_result_comes_out(tmp_path: Path) -> None:
    def joined(first: set[int], *, second: str) -> dict[str, Any]:
        import os

        print("working")
        return {
            "first": sorted(first),
            "second": second,
            "left": "PODLIFT_FUNCTION_0" in os.environ,
        }

    done = run(joined, {2, 1}, second="ä", output=tmp_path / "deep" / "return.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "working\n", "")
    result = json.loads((tmp_path / "deep" / "return.json").read_text())
    assert result == {"first": [1, 2], "second": "ä", "left": False}


def test_arguments_too_large_for_one_variable_take_several(tmp_path: Path) -> None:
    def size(data: bytes) -> int:
        return len(data)

    run(size, os.urandom(600_000), output=tmp_path / "r")
    assert (tmp_path / "r").read_text() == "600000"


def test_arguments_too_large_for_a_pod_are_refused() -> None:
    def size(data: bytes) -> int:
        return len(data)

    with pytest.raises(FunctionNotSent, match=r"Function size .* where 1,000,000 fit"):
        run(size, os.urandom(1_000_000))


def test_a_coroutine_is_run_and_nothing_returned_is_null(tmp_path: Path) -> None:
    async def quiet() -> None:
        import asyncio

        await asyncio.sleep(0)

    assert run(quiet, output=tmp_path / "r").returncode == 0
    assert (tmp_path / "r").read_text() == "null"


def test_an_error_is_told_with_the_functions_own_lines_and_no_others() -> None:
    def wrong() -> None:
        numbers: list[int] = []
        numbers[3]

    done = run(wrong)
    assert done.returncode == 1
    assert "    numbers[3]\n" in done.stderr
    assert done.stderr.count("File ") == 1
    assert done.stderr.endswith("IndexError: list index out of range\n")


def test_an_exit_code_of_the_functions_own_is_kept() -> None:
    def leaves() -> None:
        import sys

        sys.exit(7)

    assert run(leaves).returncode == 7


def test_a_result_that_json_cannot_say_is_told(tmp_path: Path) -> None:
    def gives() -> object:
        return {1, 2}

    done = run(gives, output=tmp_path / "r")
    assert done.returncode == 1
    assert "The result of gives cannot be handed over" in done.stderr
    assert not (tmp_path / "r").exists()


def test_an_argument_that_cannot_travel_is_named() -> None:
    def takes(a: int, lock: object) -> None: ...

    with pytest.raises(FunctionNotSent, match="Argument lock cannot travel"):
        run(takes, 1, lock=threading.Lock())
    with pytest.raises(FunctionNotSent, match="Argument number 2 cannot travel"):
        run(takes, 1, threading.Lock())


class OfThisModule:
    """Which the pod does not have."""


def test_arguments_of_a_module_that_is_not_there_are_told() -> None:
    def takes(a: object) -> None: ...

    done = run(takes, OfThisModule())
    assert done.returncode == 1
    assert "The arguments cannot be unpacked" in done.stderr
    assert "Give requirements" in done.stderr


def test_requirements_are_installed_first(tmp_path: Path) -> None:
    wheel = tmp_path / "for_the_test-1-py3-none-any.whl"
    about = "for_the_test-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("for_the_test.py", "NUMBER = 42")
        file.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: for-the-test\nVersion: 1\n"
        )
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")

    def number() -> int:
        import for_the_test  # type: ignore[import-not-found]

        found: int = for_the_test.NUMBER
        return found

    done = run(number, requirements=[str(wheel)], output=tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r").read_text() == "42"


def test_requirements_that_cannot_be_installed_are_told() -> None:
    def nothing() -> None: ...

    done = run(nothing, requirements=["no-such-package"], pip_options=["--no-index"])
    assert done.returncode == 1
    assert "pip could not install what the function requires (no-such-package)" in done.stderr


def test_dill_takes_what_pickle_cannot(tmp_path: Path) -> None:
    def called(function: Callable[[int], int], *, also: Callable[[int], int]) -> int:
        return also(function(20))

    def of_here(name: str, operation: str) -> Callable[[int], int]:
        names: dict[str, Any] = {}
        exec(f"def {name}(n): return n {operation}", names)
        found: Callable[[int], int] = names[name]
        return found

    twice, more = of_here("twice", "* 2"), of_here("more", "+ 2")
    with pytest.raises(FunctionNotSent, match="Argument number 1, also cannot travel"):
        run(called, twice, also=more)
    done = run(called, twice, also=more, serializer="dill", output=tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r").read_text() == "42"


@pytest.mark.parametrize("serializer", ["cloudpickle", "dill"])
def test_a_serializer_that_the_worker_lacks_is_told(
    serializer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, serializer, None)  # as if it were not installed
    with pytest.raises(FunctionNotSent, match=f"not installed on the worker: .* {serializer}"):
        pack_arguments(serializer, (), {})


def test_a_serializer_that_the_image_lacks_is_told() -> None:
    def nothing() -> None: ...

    done = run(nothing, serializer="dill", flags=["-S"])  # without what is installed
    assert done.returncode == 1
    assert "the worker packed them with dill" in done.stderr
    assert "No module named 'dill'. Give requirements" in done.stderr


def test_another_version_of_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import platform

    def nothing() -> None: ...

    monkeypatch.setattr(platform, "python_version_tuple", lambda: ("3", "99", "0"))
    assert "the worker has Python 3.99." in run(nothing).stderr
