"""kubectl and helm, as people who install something run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "podlift"
_SECONDS = 600


@dataclass(frozen=True)
class Commands:
    """Both programs, for one namespace of one cluster."""

    kubeconfig: Path
    namespace: str

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> str:
        """What kubectl says; fails with its words when it fails."""
        return self._run("kubectl", *arguments, given=given)

    def helm(self, *arguments: str | Path) -> str:
        """What helm says; fails with its words when it fails."""
        return self._run("helm", *arguments)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make or change objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename=-", given=json.dumps(listed))

    def get(self, *what: str) -> Any:
        """An object, or the objects of a list."""
        found = json.loads(self.kubectl("get", *what, "--output=json"))
        return found.get("items", found)

    def rolled_out(self) -> None:
        """Wait until all that runs for long is ready and of the newest revision."""
        kinds = "deployments,statefulsets"
        names = self.kubectl("get", kinds, "--output=name").split()
        for name in names:
            self.kubectl("rollout", "status", name, f"--timeout={_SECONDS}s")

    def state(self) -> str:
        """What somebody would look at when it does not come up."""
        pods = self.kubectl("get", "pods", "--output=wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp")
        logs = [
            self.kubectl("logs", each, "--all-containers", "--prefix", "--tail=15")
            for each in self.kubectl("get", "pods", "--output=name").split()
        ]
        return "\n".join([pods, *events.splitlines()[-25:], *logs])

    def answer(self, program: str, *arguments: str | Path) -> str:
        """What a program prints, whatever its exit code."""
        return self._done(program, *arguments).stdout.strip()

    def script(self, script: Path, *arguments: str) -> str:
        """What a script of ours prints that runs kubectl itself."""
        return self._run(str(script), *arguments, options=())

    def _run(
        self,
        program: str,
        *arguments: str | Path,
        given: str | None = None,
        options: tuple[str, ...] | None = None,
    ) -> str:
        done = self._done(program, *arguments, given=given, options=options)
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def _done(
        self,
        program: str,
        *arguments: str | Path,
        given: str | None = None,
        options: tuple[str, ...] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        found = shutil.which(program)
        assert found, f"{program} is not on the PATH: `make test-install` has it there."
        chosen = (f"--namespace={self.namespace}",) if options is None else options
        return subprocess.run(
            [found, *chosen, *map(str, arguments)],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=given,
            capture_output=True,
            text=True,
            timeout=_SECONDS + 60,
            check=False,
        )
