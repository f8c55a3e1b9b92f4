"""What can go wrong in the `podlift` command, in sentences for a person.

CliError
├── HomeError            the home folder cannot be used
│   └── AlreadyRunning   another podlift works in this home
├── PortTaken            a port asked for is in use
├── BadOption            an option, or two together, make no sense
├── BrokenDags           Airflow could not import a DAG file
├── ProcessDied          a process that podlift started ended by itself
├── NotReady             a process did not become ready in time
├── AirflowRefused       Airflow's REST API answered with an error
├── AirflowSilent        Airflow's REST API did not answer
├── ClusterProblem       the cluster cannot be started, reached or used
└── DemoFailed           the demo ended, but not as it should

Every message is one sentence that says what happened and what to do; `details` holds lines that
help to see why, such as the end of a log.
"""

from __future__ import annotations

from collections.abc import Sequence


class CliError(Exception):
    """Something that ends the command with exit code `exit_code` and a message for a person."""

    exit_code = 1

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class HomeError(CliError):
    """The home folder cannot be made, read or written."""


class AlreadyRunning(HomeError):
    """Another podlift process works in the same home folder."""


class PortTaken(CliError):
    """A port that was asked for is in use by another program."""


class BadOption(CliError):
    """An option has a value that cannot be used, or a needed one is missing."""

    exit_code = 2


class BrokenDags(CliError):
    """Airflow could not import at least one DAG file."""


class ProcessDied(CliError):
    """A process that podlift started ended by itself."""


class NotReady(CliError):
    """A process that podlift started did not become ready in time."""


class AirflowRefused(CliError):
    """Airflow's REST API answered a request with an error of HTTP status `status`."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AirflowSilent(CliError):
    """Airflow's REST API did not answer, or not in time, though its process runs."""


class ClusterProblem(CliError):
    """The cluster cannot be started, reached or used."""


class DemoFailed(CliError):
    """The demo ran to its end, but not everything ended as it should."""
