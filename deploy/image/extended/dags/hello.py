"""A DAG that came with the image."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False)
def hello_from_the_image() -> None:
    @task
    def say() -> str:
        import humanize

        return humanize.intword(1_000_000)

    say()


hello_from_the_image()
