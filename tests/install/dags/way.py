"""A DAG of one task. It is called after its file, which has another name on each of its ways."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import dag, task

WAY = Path(__file__).stem


@task
def say() -> None:
    print(f"said by {WAY}")


@dag(dag_id=WAY, schedule=None, is_paused_upon_creation=False)
def way() -> None:
    say()


way()
