"""What can go wrong in a command, in a sentence for a person.

CommandError
├── BadArgument       an argument, or two together, make no sense
├── NotKnown          nothing is known of what was asked for
└── DatabaseFailed    Airflow's database cannot be used
"""

from __future__ import annotations


class CommandError(Exception):
    """Ends the command with a message and exit code 1. The message says what to do."""


class BadArgument(CommandError):
    """An argument has a value that cannot be used, or is missing beside another one."""


class NotKnown(CommandError):
    """There is no such task instance, DAG, task or pod."""


class DatabaseFailed(CommandError):
    """Airflow's database cannot be reached, or is not one of this version of Airflow."""
