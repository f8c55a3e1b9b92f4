"""A task gives its worker back: what the triggerer needs to know to go on with its pod."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.sdk.exceptions import AirflowNotFoundException

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.operators.running import Begun
from podlift.triggers.functions import name_of
from podlift.triggers.pod import KubernetesPodTrigger
from podlift.triggers.telling import Telling

if TYPE_CHECKING:
    from podlift.hooks.kubernetes import KubernetesHook
    from podlift.operators.pod import KubernetesPodOperator

_GRACE = 60.0
"""Seconds beyond the task's timeout after which Airflow ends the trigger, if it still must."""


def trigger_for(
    operator: KubernetesPodOperator, begun: Begun, started: float
) -> tuple[KubernetesPodTrigger, timedelta | None]:
    """The trigger that goes on with a pod, and after which time Airflow ends it.

    ``started`` is when the task did, in seconds since 1970: its timeout counts from then.
    """
    options, telling = begun.options, telling_of(operator, begun.options.base)
    if telling is None:
        options = msgspec.structs.replace(options, logs_of=(), init_logs_of=())
        operator.log.info(
            "The pod's log comes when it has ended: what is called with each line is defined in "
            "the DAG's file, which the triggerer does not read."
        )
    timeout, deadline = operator.execution_timeout, None
    if timeout is not None:
        deadline = started + timeout.total_seconds()
        timeout = timedelta(seconds=max(deadline - time.time(), 0) + _GRACE)
    metadata = begun.pod.metadata
    trigger = KubernetesPodTrigger(
        pod_name=metadata.name,
        pod_namespace=metadata.namespace,
        pod_uid=metadata.uid,
        manifest=begun.launch.first,
        launch=begun.launch.number,
        options=msgspec.to_builtins(options),
        hook=_hook_arguments(operator.hook()),
        telling=msgspec.to_builtins(telling or Telling()),
        deadline=deadline,
        trigger_kwargs=operator.trigger_kwargs,
    )
    return trigger, timeout


def _hook_arguments(hook: KubernetesHook) -> dict[str, Any]:
    """How the triggerer reaches the cluster; a connection that does not exist it need not ask for.

    The first question for a connection costs a triggerer many seconds.
    """
    arguments = hook.arguments()
    try:
        if hook.conn_id:
            hook.get_connection(hook.conn_id)
    except AirflowNotFoundException:
        arguments["conn_id"] = None
    return arguments


def telling_of(operator: KubernetesPodOperator, base: str) -> Telling | None:
    """How the triggerer is to tell the log; None where that needs what only a worker has. Pure."""
    functions = [operator.progress_callback] if operator.progress_callback else []
    formatters = [operator.log_formatter] if operator.log_formatter else []
    names = [_names(each) for each in (functions, formatters, _listening(operator.callbacks))]
    if any(each is None for each in names):
        return None
    progress, formatter, callbacks = (tuple(each or ()) for each in names)
    return Telling(
        base=base,
        prefix=operator.has_prefix(operator.run_options()),
        formatter=formatter[0] if formatter else None,
        progress=progress,
        callbacks=callbacks,
    )


def _listening(callbacks: Sequence[Any]) -> list[Any]:
    """The callback classes that want to have every line."""
    nothing = KubernetesPodOperatorCallback.progress_callback
    return [each for each in callbacks if each.progress_callback is not nothing]


def _names(things: Sequence[Any]) -> list[str] | None:
    names = [name_of(each) for each in things]
    return None if None in names else [name for name in names if name is not None]
