"""Starts a contender's process, tells it what to do, and ends it with all that it started."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.side_by_side.contenders import ROOT, Contender
from bench.side_by_side.programs import end_with_parent
from bench.side_by_side.sites import Site

_STARTING = 120.0
_ANSWERING = 900.0
_WORDS = 12


class Player:
    """A process that drives an executor."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, errors: Path) -> None:
        self._process = process
        self._name = name
        self._errors = errors

    @property
    def pid(self) -> int:
        """The process that plays the scheduler."""
        return self._process.pid

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have something done. Raises ``Unmeasured`` when it cannot be."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        return await self.answer(_ANSWERING)

    async def answer(self, patience: float) -> dict[str, Any]:
        """What it says next."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(patience):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise Unmeasured(f"{self._name} says nothing for {patience:.0f} s") from None
        if not line:
            words = "\n".join(self._errors.read_text(errors="replace").splitlines()[-_WORDS:])
            raise Unmeasured(f"{self._name}: its process ended. Its last words:\n{words}")
        found: dict[str, Any] = json.loads(line)
        if "unmeasured" in found:
            raise Unmeasured(f"{self._name}: {found['unmeasured']}")
        return found

    def kill(self) -> None:
        """End it and what it started at once, as a machine that is lost."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()


@asynccontextmanager
async def player(
    site: Site,
    contender: Contender,
    namespace: str,
    database: Path,
    *,
    lifetime: float,
    job: int = 0,
) -> AsyncIterator[Player]:
    """An executor that has started, in an Airflow home of its own. It is killed in the end."""
    with tempfile.TemporaryDirectory(dir=site.folder, prefix="airflow-") as home:
        shutil.copyfile(database, Path(home, "airflow.db"))
        specification = Path(home, "specification.json")
        specification.write_text(
            json.dumps(
                {
                    "folder": home,
                    "executor": contender.executor,
                    "section": contender.section,
                    "pause": contender.pause,
                    "job": contender.jobs[job],
                    "profiled": contender.profiled,
                    "options": {
                        "namespace": namespace,
                        "config_file": str(site.measured),
                        "pod_template_file": str(site.template(lifetime)),
                        **contender.needed,
                        **contender.options,
                    },
                }
            )
        )
        errors = Path(home, "errors.log")
        with errors.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(contender.python, "-m", "bench.side_by_side.scheduler_process", specification),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**environment(), **_instead(contender)},
                start_new_session=True,
                preexec_fn=end_with_parent,
                limit=2**24,
            )
        found = Player(process, contender.name, errors)
        try:
            await found.answer(_STARTING)
            yield found
        finally:
            found.kill()
            await found.gone()


def _instead(contender: Contender) -> Mapping[str, str]:
    return {"PYTHONPATH": str(contender.sources)} if contender.sources else {}


def environment() -> Mapping[str, str]:
    """What processes get of ours: none of the settings of an Airflow of this machine."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and name not in ("PYTHONPATH", "KUBECONFIG")
    }


async def make_database(python: Path, folder: Path) -> Path:
    """An empty database of Airflow, to be copied. Raises ``Unmeasured`` with Airflow's words."""
    file = folder / "airflow.db"
    settings = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}",
    }
    await make_database_at(python, {**environment(), **settings})
    return file


async def make_database_at(python: Path, settings: Mapping[str, str]) -> None:
    """Airflow's tables where its settings say. Raises ``Unmeasured`` with Airflow's words."""
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "airflow", "db", "migrate"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=settings,
        preexec_fn=end_with_parent,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = "\n".join(output.decode(errors="replace").splitlines()[-_WORDS:])
        raise Unmeasured(f"Airflow does not make its database:\n{words}")
