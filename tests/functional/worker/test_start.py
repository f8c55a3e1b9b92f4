"""A task's worker imports what the start needs; what it put off is there for whoever uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.functional.worker.pod import KEY, ExecutionApi, run, workload

from podlift.sealing import seal

pytestmark = pytest.mark.functional

DAG = """
from airflow.sdk import dag, task

{top}

@dag(schedule=None)
def work():
    @task
    def show():
        import json, sys
{body}
    show()

work()
"""

Shown = Callable[..., Any]


@pytest.fixture
def shown(tmp_path: Path, api: ExecutionApi) -> Shown:
    """What the expression is in a task, after these lines of it and those of its DAG's file."""

    def show(expression: str, *lines: str, top: str = "", **environment: str) -> Any:
        body = "".join(
            f"        {line}\n" for line in (*lines, f'print("shown", json.dumps({expression}))')
        )
        (tmp_path / "dags").mkdir(exist_ok=True)
        (tmp_path / "dags" / "work.py").write_text(DAG.format(top=top, body=body))
        sealed = seal(workload("show"), KEY)
        code, out, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=sealed, **environment)
        assert code == 0, (out, err)
        events = [json.loads(line)["event"] for line in out.splitlines()]
        [found] = [event for event in events if event.startswith("shown ")]
        return json.loads(found.removeprefix("shown "))

    return show


def test_a_task_does_not_wait_for_what_neither_it_nor_its_start_uses(shown: Shown) -> None:
    put_off = ["sqlalchemy", "libcst", "rich", "fsspec", "airflow.serialization.serialized_objects"]
    assert shown(f"[name for name in {put_off} if name in sys.modules]") == []


def test_a_dag_imports_what_was_put_off_as_ever(shown: Shown) -> None:
    top = "\n".join(
        [
            "import sqlalchemy, rich.text, fsspec, libcst, sys",
            "from sqlalchemy.orm import DeclarativeBase",
            "class Base(DeclarativeBase): pass",
            "from airflow.models import Connection, Variable",
        ]
    )
    lines = (
        "engine = sqlalchemy.create_engine('sqlite://')",
        "with engine.connect() as line: two = line.execute(sqlalchemy.text('select 1+1')).scalar()",
        "kinds = {type(each).__name__ for each in (sqlalchemy, libcst, fsspec, rich.text)}",
    )
    result = shown("[two, sorted(kinds), Connection.__name__, Variable.__name__]", *lines, top=top)
    assert result == [2, ["module"], "Connection", "Variable"]


def test_airflow_itself_finds_what_was_put_off(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "greeting.txt").write_text("hello")
    lines = (
        "from airflow.sdk import ObjectStoragePath",
        "from airflow.sdk.definitions._internal.decorators import remove_task_decorator as remove",
        f"read = ObjectStoragePath('file://{tmp_path}/greeting.txt').read_text()",
        "bare = remove('@task.virtualenv\\ndef f():\\n    pass\\n', '@task.virtualenv')",
    )
    assert shown("[read, bare]", *lines) == ["hello", "def f():\n    pass\n"]


def test_the_way_to_the_database_is_closed_in_airflows_words(shown: Shown) -> None:
    lines = (
        "from airflow.utils.session import create_session",
        "said = ''",
        "try:",
        "    with create_session() as session: pass",
        "except RuntimeError as error: said = str(error)",
    )
    assert "not allowed" in shown("said", *lines)


def test_the_interpreter_is_left_as_it_was_found(shown: Shown) -> None:
    lines = ("import gc, os, yaml", "off = 'PYTHON_OPERATORS_VIRTUAL_ENV_MODE' in os.environ")
    finders = "[type(each).__module__ for each in sys.meta_path]"
    enabled, loader, finders, off = shown(
        f"[gc.isenabled(), yaml.SafeLoader.__name__, {finders}, off]", *lines
    )
    assert (enabled, loader, off) == (True, "SafeLoader", False)
    assert not [module for module in finders if module.startswith("podlift")]


def test_policies_of_the_deployment_hold_and_may_use_anything(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "airflow_local_settings.py").write_text(
        "from sqlalchemy.orm import DeclarativeBase\n"
        "from airflow.models import Connection\n"
        "class Base(DeclarativeBase): pass\n"
        "def task_policy(task):\n"
        "    task.doc = f'{Base.__bases__[0].__name__} {isinstance(task, Connection)}'\n"
    )
    lines = ("from airflow.sdk import get_current_context",)
    assert shown("get_current_context()['task'].doc", *lines) == "DeclarativeBase False"
