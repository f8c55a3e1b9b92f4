"""A place of somebody else's for logs, as Airflow and the tests know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CONNECTION = "logs"
PREFIX = "airflow/production"
"""Where Airflow is told to put its logs in the place."""


@dataclass(frozen=True)
class Store:
    """An empty place, served by a process of the tests' own."""

    folder: str
    """``[logging] remote_base_log_folder``, which ends in ``PREFIX``."""
    connection: dict[str, Any]
    """Airflow's connection to it, as its REST API takes it."""
    objects: Callable[[], dict[str, str]]
    """What it holds, by name."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that all of Airflow and the task pods have beside those of section logging."""

    def logging(self) -> dict[str, str]:
        """Airflow's options of that section."""
        return {
            "remote_logging": "True",
            "remote_base_log_folder": self.folder,
            "remote_log_conn_id": CONNECTION,
        }
