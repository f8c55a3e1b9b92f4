"""What whoever runs a pod wants to hear on the way."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from podlift.pods.reading import Pod


class Moment(Enum):
    """The steps of a run, in the order in which they are reached."""

    CREATED = "created"
    """The pod exists, or was found again."""
    STARTED = "started"
    """The base container has started."""
    COMPLETED = "completed"
    """The base container has ended, or never will begin; the verdict is not spoken yet."""
    TEARDOWN = "teardown"
    """The verdict is spoken; the pod is about to be deleted, if it is to be."""
    CLEANED_UP = "cleaned up"
    """The pod was deleted, or left as the options say."""


class Listener:
    """Hears everything and does nothing: a base for whoever wants to hear some of it.

    All methods are called on the run's event loop, one after another.
    """

    def info(self, sentence: str) -> None:
        """Something happened that belongs into the task's log."""

    def warning(self, sentence: str) -> None:
        """Likewise, and somebody should look at it."""

    def line(self, container: str, line: str, moment: datetime | None = None) -> None:
        """A container wrote a line. It comes once, in order, without its newline.

        ``moment`` is when, by the node's clock. A line of more than a mebibyte comes in parts, of
        which only the first has one.
        """

    async def reached(self, moment: Moment, pod: Pod) -> None:
        """The run came to a new step. What this raises ends the run."""
