"""``@task.kubernetes`` and ``@task.kubernetes_cmd``: functions as tasks in pods of their own."""

from podlift.decorators.kubernetes import kubernetes_task
from podlift.decorators.kubernetes_cmd import kubernetes_cmd_task

__all__ = ["kubernetes_cmd_task", "kubernetes_task"]
