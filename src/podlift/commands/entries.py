"""Where each command begins.

What a command imports is imported here, inside of it: Airflow writes log lines while some of its
modules are imported, 3.2 to standard output, and they must not stand between those of the answer.
"""

from __future__ import annotations

from argparse import Namespace

from podlift.commands.running import command


@command
def pods(args: Namespace) -> None:
    """List the pods of tasks."""
    from podlift.commands import listing

    listing.pods(args)


@command
def explain(args: Namespace) -> None:
    """Tell what happened to a task instance."""
    from podlift.commands.explaining import telling

    telling.explain(args)


@command
def render(args: Namespace) -> None:
    """Print the pod that a task would get."""
    from podlift.commands import rendering

    rendering.render(args)


@command
def cleanup(args: Namespace) -> int:
    """Remove ended pods."""
    from podlift.commands import cleaning

    return cleaning.cleanup(args)


@command
def doctor(args: Namespace) -> int:
    """Check what the executor needs."""
    from podlift.commands.doctor import visiting

    return visiting.doctor(args)
