"""Notices when this machine's clock and the API server's differ."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

logger = logging.getLogger(__name__)

TOLERANCE = 30.0
"""Seconds by which the clocks may differ: an answer may be on its way for a while."""
_INTERVAL = 300.0


class ClockCheck:
    """Compares the ``Date`` of an answer with the time here, every five minutes at most.

    Tokens and certificates are valid from one moment to another, so that a difference looks like
    wrong credentials. It is said once, and again when it has changed by as much.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._due = float("-inf")
        self._told = 0.0

    def heard(self, date: str | None) -> None:
        """An answer came with this ``Date`` (RFC 9110, section 6.6.1)."""
        now = self._clock()
        if date is None or now < self._due:
            return
        self._due = now + _INTERVAL
        try:
            ahead = now - parsedate_to_datetime(date).timestamp()
        except ValueError:  # not a date that we know; nothing depends on it
            return
        if abs(ahead) > TOLERANCE and abs(ahead - self._told) > TOLERANCE:
            self._told = ahead
            logger.warning(
                "This machine's clock is %.0f s %s the Kubernetes API server's: tokens and "
                "certificates may be refused as expired or not yet valid. Set both clocks by NTP.",
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
            )
