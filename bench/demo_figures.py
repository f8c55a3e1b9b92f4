"""How long a newcomer waits."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench import Unmeasured

_PATIENCE = 300.0


async def seconds_of_the_demo() -> float:
    """`podlift demo` as installed, with a home folder of its own, to its end."""
    program = Path(sys.executable).with_name("podlift")
    with tempfile.TemporaryDirectory(prefix="podlift-bench-") as home:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            program,
            "demo",
            "--home",
            str(Path(home, "podlift")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise Unmeasured(f"podlift demo did not end within {_PATIENCE:.0f} s") from error
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        seconds = time.perf_counter() - started
    if process.returncode != 0:
        tail = output.decode(errors="replace")[-3000:]
        raise Unmeasured(f"podlift demo ended with exit code {process.returncode}:\n{tail}")
    return seconds
