"""What a DAG author can add to the life of a ``KubernetesPodOperator``'s pod.

.. code-block:: python

    class Bell(KubernetesPodOperatorCallback):
        @staticmethod
        def on_pod_completion(*, pod, **kwargs):
            print(f"{pod.metadata.name} has ended: {pod.status.phase}")

    KubernetesPodOperator(task_id="task", image="busybox", callbacks=Bell)
"""

from __future__ import annotations

from typing import Any


class KubernetesPodOperatorCallback:
    """Functions that are called at certain moments; override those that you need.

    Each gets keywords alone, and new ones may come: take ``**kwargs`` as well. ``pod`` is a
    ``V1Pod``, as the server has it at this moment; ``client`` is a ``CoreV1Api`` of the
    ``kubernetes`` package, made when it is first used; ``operator`` and ``context`` are the task's.
    ``mode`` is ``sync`` in the task and ``async`` in the triggerer, where ``context`` is empty and
    ``operator`` is None. A function may be a coroutine function, which is awaited.

    What a callback raises fails the task, except in ``progress_callback``, ``on_pod_teardown`` and
    ``on_pod_cleanup``: they come too late or too often for that, and are only logged.
    """

    @staticmethod
    def on_sync_client_creation(*, client: Any, operator: Any, **kwargs: Any) -> Any:
        """Before anything else: ``client`` is there."""

    @staticmethod
    def on_pod_manifest_created(
        *, pod_request: Any, client: Any, mode: str, operator: Any, context: Any, **kwargs: Any
    ) -> Any:
        """The manifest is ready. What is changed in ``pod_request`` goes to the server."""

    @staticmethod
    def on_pod_creation(
        *, pod: Any, client: Any, mode: str, operator: Any, context: Any, **kwargs: Any
    ) -> Any:
        """The pod exists, or one of an earlier try was found again."""

    @staticmethod
    def on_pod_starting(
        *, pod: Any, client: Any, mode: str, operator: Any, context: Any, **kwargs: Any
    ) -> Any:
        """The base container has started."""

    @staticmethod
    def on_pod_completion(
        *, pod: Any, client: Any, mode: str, operator: Any, context: Any, **kwargs: Any
    ) -> Any:
        """The base container has ended, well or not."""

    @staticmethod
    def on_pod_teardown(
        *, pod: Any, client: Any, mode: str, operator: Any, context: Any, **kwargs: Any
    ) -> Any:
        """Everything is said and done; the pod is about to be deleted, if it is to be."""

    @staticmethod
    def on_pod_cleanup(
        *, pod: Any, client: Any, mode: str, operator: Any, context: Any, **kwargs: Any
    ) -> Any:
        """The pod was deleted, or left, as ``on_finish_action`` says."""

    @staticmethod
    def on_operator_resuming(
        *,
        pod: Any,
        event: dict[str, Any],
        client: Any,
        mode: str,
        operator: Any,
        context: Any,
        **kwargs: Any,
    ) -> Any:
        """A deferred task goes on, with what the trigger had to say."""

    @staticmethod
    def progress_callback(
        *,
        line: str,
        client: Any,
        mode: str,
        container_name: str,
        timestamp: Any,
        pod: Any,
        **kwargs: Any,
    ) -> Any:
        """A container wrote a line. ``timestamp`` is when, as the node has it, or None."""
