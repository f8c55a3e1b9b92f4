"""Importing Airflow as the start of a task needs it, and no more of it.

Importing is nearly all that a task waits for. Much of what Airflow's supervisor and task runner
import serves the metadata database, which a task cannot reach, or a terminal, which a pod has not.
Such modules are put off until something uses them; see ``docs/starting-a-task.md`` for what each
costs. A line here that no longer fits an Airflow costs time and nothing else: what is put off is
imported when it is used, and what is not there is not imported.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from podlift.worker.postponing import postponed

_FOR_THE_DATABASE = (
    "sqlalchemy",
    "airflow.models.connection_test",
    "airflow.models.dagbundle",
    "airflow.models.team",
    "airflow.serialization.serialized_objects",
)
_CLASSES_FOR_THE_DATABASE = ("airflow.models.connection", "airflow.models.variable")
_FOR_TERMINALS = ("rich", "httpx._main")
_FOR_OBJECT_STORES = ("airflow.sdk.io", "fsspec", "upath")
_FOR_SOURCE_CODE = ("libcst",)
"""Takes decorators off a function that is to run in another interpreter."""

_NEEDED = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.log",
    "airflow.dag_processing.dagbag",
    "airflow.sdk.definitions.decorators",
)
"""What a task needs in the end; the last one where its DAG has a ``@task``."""


def import_for_a_task() -> None:
    """Import what every task needs, before Airflow asks for it piece by piece.

    Whoever imports something later, the DAG file above all, imports it as ever.
    """
    with (
        postponed(
            *_FOR_THE_DATABASE,
            *_FOR_TERMINALS,
            *_FOR_OBJECT_STORES,
            classes=_CLASSES_FOR_THE_DATABASE,
            bases=_FOR_SOURCE_CODE,
        ),
        _fast_yaml(),
    ):
        _import_without_database()
        for name in _NEEDED:
            # Should one not be there, it is for Airflow to miss it, or not.
            with suppress(ImportError):
                import_module(name)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Keep the garbage collector from going over modules again and again while they come in.

    Afterwards it runs as ever, but does not look at what is there by then; that also keeps the
    pages shared that a forked process has in common with this one.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _import_without_database() -> None:
    """``import airflow``, but for the connection pool: a pod has no way to the database.

    Airflow leaves the pool out for processes of its virtual environments, and with it the masking
    of its own secrets, which the supervisor's lines need.
    """
    variable = "PYTHON_OPERATORS_VIRTUAL_ENV_MODE"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        from airflow.configuration import conf
    finally:
        del os.environ[variable]
        if before is not None:
            os.environ[variable] = before
    untyped: Any = conf
    untyped.mask_secrets()


@contextmanager
def _fast_yaml() -> Iterator[None]:
    """Have ``yaml.safe_load`` use libyaml, where PyYAML has it: the same language, at ten times
    the speed. Airflow reads 30 kB of names of metrics."""
    yaml: Any = import_module("yaml")
    slow = yaml.SafeLoader
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", slow)
    try:
        yield
    finally:
        yaml.SafeLoader = slow
