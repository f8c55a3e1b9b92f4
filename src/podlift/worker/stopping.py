"""Whether this pod was told to stop.

Airflow's supervisor passes SIGTERM on to the task, and then reports that the task failed. But who
sends it to a pod is whoever takes the pod away, and only the executor can find out whether that
costs the task one of its retries. So the worker keeps such a failure to itself.
"""

from __future__ import annotations

import contextlib
import os
import signal


class StopNotice:
    """Notes SIGTERM, whoever handles it: Python writes a signal's number to a file descriptor too.

    https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
    """

    def __init__(self) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        # A signal that the task's own process gets says nothing about the pod.
        os.register_at_fork(after_in_child=_forget)
        self._seen = False

    @property
    def given(self) -> bool:
        """Whether SIGTERM has come."""
        with contextlib.suppress(BlockingIOError):  # no signal came since
            self._seen = signal.SIGTERM in os.read(self._read, 4096) or self._seen
        return self._seen


def _forget() -> None:
    signal.set_wakeup_fd(-1)
