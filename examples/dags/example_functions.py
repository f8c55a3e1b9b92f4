"""Python functions in pods of their own, and commands that functions make up."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, tags=["podlift"])
def example_functions() -> None:
    """The functions' source travels into the pods, and their results come back."""

    @task.kubernetes(image="python:3.11")
    def count(text: str) -> dict[str, int]:
        """What a function needs, it imports itself."""
        from collections import Counter

        print("counting the letters of", text)
        return dict(Counter(text))

    @task.kubernetes(image="python:3.11", name="most")
    def most(counts: dict[str, int]) -> str:
        return max(counts, key=lambda letter: counts[letter])

    @task.kubernetes(image="python:3.11")
    def double(number: int) -> int:
        return 2 * number

    @task.kubernetes(image="python:3.11")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @task.kubernetes_cmd(image="busybox:1.36")
    def repeat(word: str, times: int) -> list[str]:
        return ["echo", *[word] * times]

    @task.kubernetes_cmd(image="busybox:1.36")
    def say(letter: str) -> list[str]:
        """This one runs on the worker; what it returns runs in the pod."""
        return ["echo", f"In {{{{ dag.dag_id }}}}, most letters are {letter}."]

    # What a task is called with stands for the result that will be there when it runs.
    say(most(count("abracadabra")))  # type: ignore[arg-type]
    # A mapped task is as many pods as there are values.
    total(double.expand(number=[1, 2, 3]))  # type: ignore[arg-type]
    repeat.partial(word="hey").expand(times=[1, 2])


example_functions()
