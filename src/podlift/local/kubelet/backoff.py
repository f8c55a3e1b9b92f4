"""How long to wait before a container that ends again and again is started again.

The real kubelet begins with 10 s and doubles up to 5 min; on a laptop that would only be waiting.
See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS = 1.0
MOST_SECONDS = 30.0
#: A run that lasts this long is taken for healthy, and the waiting begins anew.
HEALTHY_SECONDS = 600.0


class BackOff:
    """The waits of one container; *clock* is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._begun = clock()

    def next(self) -> float:
        """Seconds to wait before the next start: none at first, then doubling."""
        healthy = self._clock() - self._begun > HEALTHY_SECONDS
        seconds = 0.0 if healthy else self._seconds
        self._seconds = min(MOST_SECONDS, max(FIRST_SECONDS, seconds * 2))
        self._begun = self._clock() + seconds
        return seconds
