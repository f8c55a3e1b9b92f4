"""What whoever runs a pod wants to hear on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class LineFormat:
    """How a container's line is written into the task's log."""

    base: str = "base"
    prefix: bool = False
    """Whether lines of the base container begin with its name, as those of others always do."""
    formatter: Callable[[str, str], str] | None = None
    """``f(container, line)`` of the DAG's author, which says it all."""
    label: str = ""
    """Whose line it is, where a task has several pods."""

    def line(self, container: str, line: str) -> str:
        """The line as it is written."""
        if self.formatter is not None:
            return self.sentence(self.formatter(container, line))
        named = self.prefix or container != self.base
        return self.sentence(f"[{container}] {line}" if named else line)

    def sentence(self, sentence: str) -> str:
        """What is said of the pod, as it is written."""
        return f"[{self.label}] {sentence}" if self.label else sentence
