"""The examples on the pages about operators: each is code that makes the tasks it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk import DAG

DOCS = Path(__file__).parents[3] / "docs"

PAGES = {
    "connection.md": [],
    "coming-from-the-standard-operator.md": [],
    "jobs.md": ["delete", "resume"],
    "operators/commands.md": ["backup"],
    "operators/custom-objects.md": ["train"],
    "operators/functions.md": [],
    "operators/kueue.md": ["a_job", "one_pod"],
    "operators/resources.md": ["prepare"],
    "operators/spark.md": ["pi"],
}
"""By page, the tasks that its examples make in the DAG around them."""


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        yield dag


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_make_their_tasks(page: str, dag: DAG) -> None:
    names: dict[str, object] = {"__name__": "examples"}
    for number, example in enumerate(examples(page)):
        exec(compile(example, f"{page}, example {number}", "exec"), names)
    assert sorted(dag.task_ids) == PAGES[page]


def test_every_page_about_an_operator_is_among_them() -> None:
    there = {f"operators/{file.name}" for file in DOCS.joinpath("operators").glob("*.md")}
    assert there <= set(PAGES)
