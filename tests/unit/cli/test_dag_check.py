"""Broken DAG files in words."""

from __future__ import annotations

import pytest

from podlift.cli.airflow_api import ImportProblem
from podlift.cli.dag_check import describe, refuse_broken
from podlift.cli.errors import BrokenDags

TRACE = """Traceback (most recent call last):
  File "/dags/broken.py", line 3, in <module>
    import pandaz
  File "/usr/lib/thing.py", line 99, in inner
    explode()
ModuleNotFoundError: No module named 'pandaz'
"""
SYNTAX = """Traceback (most recent call last):
  File "/dags/broken.py", line 7
    def f(:
          ^
SyntaxError: invalid syntax
"""


def test_the_line_is_the_dag_files_own() -> None:
    problem = ImportProblem("/dags/broken.py", TRACE)
    assert describe(problem) == (
        "/dags/broken.py, line 3: ModuleNotFoundError: No module named 'pandaz'"
    )


def test_a_syntax_error_has_a_line_too() -> None:
    problem = ImportProblem("broken.py", SYNTAX)
    assert describe(problem) == "broken.py, line 7: SyntaxError: invalid syntax"


def test_an_error_without_a_line_is_told_as_it_is() -> None:
    assert describe(ImportProblem("d.py", "cycle found")) == "d.py: cycle found"
    assert describe(ImportProblem("d.py", "")) == "d.py: unknown error"


def test_nothing_broken_is_no_error() -> None:
    refuse_broken([])


def test_every_broken_file_is_named() -> None:
    with pytest.raises(BrokenDags, match="2 DAG files cannot be imported") as caught:
        refuse_broken([ImportProblem("a.py", "one"), ImportProblem("b.py", "two")])
    assert caught.value.details == ("a.py: one", "b.py: two")
