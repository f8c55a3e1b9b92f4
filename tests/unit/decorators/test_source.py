"""Functions as they travel: their own source and nothing else."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from podlift.decorators.source import source_of
from podlift.operators.errors import FunctionNotSent

LIMIT = 3


def defined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is defined elsewhere, where nothing of this module is."""
    names: dict[str, Any] = {}
    exec(compile(source_of(function), "<elsewhere>", "exec"), names)
    found: Callable[..., Any] = names[function.__name__]
    return found


def setup(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stands for Airflow's."""
    return function


def test_a_function_of_a_module_works_elsewhere() -> None:
    def plain(a: int, *, b: json.JSONDecoder | None = None) -> list[int]:
        import math

        return [math.floor(each) for each in (a, 2.5)]

    assert defined(plain)(1) == [1, 2]


def test_its_text_stays_as_it_is_also_where_it_begins_further_to_the_left() -> None:
    def text() -> str:
        # A comment, and a text with what looks like one.
        return """
# not a comment
  two spaces"""

    assert defined(text)() == "\n# not a comment\n  two spaces"


def test_recursion_inner_functions_and_classes_are_its_own() -> None:
    def outer(n: int) -> int:
        class Counter:
            step = 1
            double = step * 2

            def count(self) -> int:
                return self.double

        def inner() -> int:
            return Counter().count() + n

        return inner() if n == 0 else outer(n - 1)

    # The inner name resolves to the closure here, and to the module elsewhere.
    assert defined(outer)(2) == 2


async def of_a_module() -> int:
    return 1


def test_a_coroutine_function_travels_too() -> None:
    assert "async def of_a_module" in source_of(of_a_module)


def test_decorators_that_have_done_their_work_stay_behind() -> None:
    @setup
    def decorated() -> int:
        return 1

    assert "@" not in source_of(decorated)


def test_a_function_that_a_decorator_made_is_refused() -> None:
    @functools.lru_cache(maxsize=1)
    def decorated() -> int:
        return 1

    with pytest.raises(FunctionNotSent, match="decorated is wrapped by a decorator"):
        source_of(decorated)


def test_names_of_the_module_and_around_the_function_are_refused() -> None:
    around = 1

    def uses(a: int = LIMIT) -> Any:
        return json.dumps([a, around])

    with pytest.raises(
        FunctionNotSent, match="uses uses LIMIT, around, json".replace("uses ", "", 1)
    ):
        source_of(uses)


def test_only_a_function_with_a_def_can_travel() -> None:
    with pytest.raises(FunctionNotSent, match="written with def"):
        source_of(lambda: 1)
    with pytest.raises(FunctionNotSent, match="source of function len is not to be had"):
        source_of(len)


def test_what_runs_in_the_pod_is_understood_by_old_interpreters_and_by_kubernetes() -> None:
    from podlift.decorators.packing import program

    text = program()
    assert "$" not in text
    assert "podlift." not in text
    check = "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 8))"
    subprocess.run([sys.executable, "-c", check], input=text.encode(), check=True)
