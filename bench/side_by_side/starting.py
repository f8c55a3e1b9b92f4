"""From the start of a worker's process to the first line of the task's own code."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from bench.start import measure


async def starts(pairs: int) -> dict[str, Any]:
    """Podlift's worker and Airflow's own entry point in turns: every start of each."""
    found, _ = await asyncio.to_thread(measure, pairs)
    return {
        side: [{**asdict(start), "cpu": start.cpu} for start in each]
        for side, each in found.items()
    }
