"""The Airflow executor: a thin façade over an asyncio engine in a thread of its own.

A task's way through these modules: ``facade`` → ``engine`` → ``control`` (which asks
``transitions`` what to do) → ``creating`` → ``viewing`` → ``keeping`` → ``deleting``.
"""

from podlift.executor.facade import KubernetesExecutor

__all__ = ["KubernetesExecutor"]
