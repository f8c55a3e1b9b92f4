"""Callbacks and connection tests in Airflow's metadata database; tasks are in ``metadata``.

The functions block, and are called in threads by ``metadata.Metadata``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from airflow.utils.session import create_session
from sqlalchemy import select

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteCallback

logger = logging.getLogger(__name__)

_AWAITED = ("queued", "running")
"""States of a callback that some executor has and has not reported the end of."""


def awaited_callbacks(ids: Collection[str]) -> frozenset[str]:
    """Those of these callbacks whose end Airflow has not been told yet."""
    from airflow.models.callback import Callback

    wanted = [UUID(each) for each in ids]
    statement = select(Callback.id).where(Callback.id.in_(wanted), Callback.state.in_(_AWAITED))
    with create_session(scoped=False) as session:
        return frozenset(map(str, session.scalars(statement)))


def callback_workload(callback_id: str) -> ExecuteCallback | None:
    """What a worker needs to run the callback, without a token; as the scheduler makes it.

    None if there is no such callback, or its DAG run is gone.
    """
    from airflow.executors.workloads import ExecuteCallback
    from airflow.models.callback import Callback
    from airflow.models.dagrun import DagRun
    from pydantic import ValidationError

    with create_session(scoped=False) as session:
        callback = session.get(Callback, UUID(callback_id))
        run_id = callback.data.get("dag_run_id") if callback is not None else None
        dag_run = session.get(DagRun, run_id) if run_id is not None else None
        if callback is None or dag_run is None or dag_run.dag_model is None:
            return None
        try:
            return ExecuteCallback.make(callback=callback, dag_run=dag_run)
        except ValidationError as error:  # its DAG has no bundle any more
            logger.warning("Callback %s cannot be run again: %s", callback_id, error)
            return None


def fail_connection_test(test_id: str, sentence: str) -> None:
    """Say why a connection test came to nothing, unless its worker has told a result.

    Airflow asks executors about tasks and callbacks only; without this the person who waits is told
    after a minute and a half that the test timed out.
    """
    from airflow.models.connection_test import (
        TERMINAL_STATES,
        ConnectionTestRequest,
        ConnectionTestState,
    )

    with create_session(scoped=False) as session:
        test = session.get(ConnectionTestRequest, UUID(test_id), with_for_update=True)
        if test is not None and test.state not in TERMINAL_STATES:
            test.state = ConnectionTestState.FAILED
            test.result_message = sentence[:2000]
