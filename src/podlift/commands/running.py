"""What every command does around its own work: settings, a loop, errors in one sentence."""

from __future__ import annotations

import asyncio
import functools
from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow.exceptions import AirflowConfigException
from airflow.utils.cli import suppress_logs_and_warning

from podlift.commands.errors import CommandError
from podlift.compat import configured
from podlift.executor.connecting import connected
from podlift.executor.errors import ExecutorError
from podlift.inherited import refuse
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.pods.errors import PodError
from podlift.settings import InvalidSetting, Settings, load_settings

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_EXPECTED = (
    CommandError,
    KubeError,
    PodError,
    ExecutorError,
    InvalidSetting,
    AirflowConfigException,
    OSError,
)


def command(work: Callable[[Namespace], int | None]) -> Callable[[Namespace], None]:
    """Make a function a command: its number is the exit code, its errors are one sentence each."""

    @functools.wraps(work)
    def run(args: Namespace) -> None:
        try:
            code = work(args)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:  # `| head` has seen enough
            raise SystemExit(0) from None
        except _EXPECTED as error:
            if args.verbose:
                raise
            # Airflow's commands end like this too: the text to stderr, and exit code 1.
            raise SystemExit(f"airflow podlift: {error}") from None
        if code:
            raise SystemExit(code)

    # What is imported must not write log lines between those of the output.
    return suppress_logs_and_warning(run)


def settings_for(team: str | None) -> Settings:
    """The options of the executor, or of a team's. Raises ``InvalidSetting``."""

    def lookup(section: str, option: str) -> str | None:
        return configured(section, option, team)

    refuse(lookup)
    return load_settings(lookup)


def with_cluster(settings: Settings, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run ``work`` with a client for the cluster that the settings name. Raises ``KubeError``."""

    async def main() -> T:
        async with connected(settings) as client:
            return await work(client)

    return asyncio.run(main())
