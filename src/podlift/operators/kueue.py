"""Jobs that wait for their turn in a queue of Kueue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podlift.operators.job import KubernetesJobOperator
from podlift.pods.queues import QUEUE


class KubernetesStartKueueJobOperator(KubernetesJobOperator):
    """Run a Job that Kueue admits when there is room: ``KubernetesJobOperator`` with a queue.

    The Job is created suspended; Kueue resumes it, and the task's log says that it waits. A single
    pod needs no operator of its own: give it the label ``kueue.x-k8s.io/queue-name``.

    https://kueue.sigs.k8s.io/docs/tasks/run/jobs/

    :param queue_name: the LocalQueue, in the Job's namespace. (templated)
    """

    template_fields: Sequence[str] = (*KubernetesJobOperator.template_fields, "queue_name")

    def __init__(
        self,
        *,
        queue_name: str,
        suspend: bool | None = True,
        labels: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        if suspend is False:
            raise ValueError("A Job for Kueue begins suspended: leave suspend out, or say True.")
        super().__init__(suspend=True, labels=labels, **kwargs)
        self.queue_name = queue_name

    def job_labels(self) -> dict[str, str]:
        """The queue beside the Job's own labels; its pods do not carry it, or Kueue would
        queue each of them again."""
        return {QUEUE: self.queue_name}


class KubernetesInstallKueueOperator:
    """Not provided: a DAG's task is the wrong place to install what rules over a whole cluster."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError(
            "Podlift does not install Kueue: that needs a cluster administrator's rights and a "
            "download at run time. Install it once with helm, as Kueue's documentation says."
        )


__all__ = ["QUEUE", "KubernetesInstallKueueOperator", "KubernetesStartKueueJobOperator"]
