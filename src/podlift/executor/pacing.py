"""How fast pods may be created: additive increase, multiplicative decrease.

Pure: the caller brings the clock. As long as the API server takes what it is given there is no
limit but the caller's concurrency. The first refusal sets a rate at half of what was being done;
every accepted request after that raises it a little, until it is above what anyone asks for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_WINDOW = 2.0
"""Seconds over which the present rate is measured."""
_LOWEST = 0.5
"""Creations a second, whatever happens: one must be tried for us to see that it works again."""
_UNLIMITED = 500.0
"""Above this rate the limit is dropped: no API server takes that from one client."""
_INCREASE = 0.5
"""Creations a second that every accepted one adds to the rate."""
_PAUSE = 1.0
"""Seconds without any creation after a refusal that names no time of its own."""
_LONGEST_PAUSE = 15.0
_LONGEST_RETRY_AFTER = 60.0


@dataclass
class Pace:
    """The rate of one engine. All times are seconds of one monotonic clock."""

    rate: float = _UNLIMITED
    """Creations a second."""
    _not_before: float = 0.0
    _next: float = 0.0
    _pause: float = _PAUSE
    _accepted: deque[float] = field(default_factory=deque)
    _lost: bool = False

    def wait(self, now: float) -> float:
        """Seconds until the next creation may begin; 0 for now. Does not count it yet."""
        return max(0.0, self._not_before - now, self._next - now)

    def begin(self, now: float) -> None:
        """Count a creation that begins now."""
        if self.rate < _UNLIMITED:
            self._next = max(now, self._next) + 1 / self.rate

    def accepted(self, now: float) -> None:
        """The server created a pod."""
        self._accepted.append(now)
        self._drop_old(now)
        self._lost = False
        self._pause = _PAUSE
        self.rate = min(_UNLIMITED, self.rate + _INCREASE)

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """The server is busy. Returns the seconds for which nothing will be created.

        Refusals of requests that were under way together count once.
        """
        if now >= self._not_before:
            self._drop_old(now)
            present = min(self.rate, max(len(self._accepted) / _WINDOW, _LOWEST))
            self.rate = max(_LOWEST, present / 2)
            self._not_before = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        if retry_after is not None:
            self._not_before = max(self._not_before, now + min(retry_after, _LONGEST_RETRY_AFTER))
        return self.wait(now)

    def lost(self, now: float) -> None:
        """A request got no answer. One that is lost among others that are not means nothing."""
        if self._lost:
            self.refused(now)
        self._lost = True

    def _drop_old(self, now: float) -> None:
        while self._accepted and self._accepted[0] < now - _WINDOW:
            self._accepted.popleft()
