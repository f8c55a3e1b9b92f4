"""A process beside a measurement, whose CPU time is not counted: it is told lines and answers."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from types import TracebackType

from bench import Unmeasured

_PATIENCE = 30.0


class Companion:
    """`python -m MODULE ARGUMENTS`, which says a line when it is ready, and one to each it is told.

    Use it as `with Companion(...) as companion:`; it is gone in the end, whatever happens.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._command = [sys.executable, "-m", module, *map(str, arguments)]
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self.last = ""
        """What it said last; at first, when it was ready."""

    def __enter__(self) -> Companion:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.last = self._answers.get(timeout=_PATIENCE)
        except queue.Empty:
            self.__exit__(None, None, None)
            raise Unmeasured(f"{self._command[2]} did not start") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def ask(self, line: str) -> None:
        """Tell it something. It answers when it is done; see `answered`."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def answered(self) -> bool:
        """Whether an answer has come; each is told once."""
        try:
            self.last = self._answers.get_nowait()
        except queue.Empty:
            return False
        return True

    def tell(self, line: str) -> str:
        """What it answers."""
        self.ask(line)
        self.last = self._answers.get(timeout=_PATIENCE)
        return self.last

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line.strip())
