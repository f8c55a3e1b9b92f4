"""What a DAG file pays for importing each one's operator, over Airflow itself."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from bench.import_cost import once
from bench.side_by_side.contenders import PODLIFT_PYTHON, STANDARD_PYTHON

PODLIFT = "podlift.operators"
STANDARD = "airflow.providers.cncf.kubernetes.operators.pod"


async def import_costs(pairs: int) -> dict[str, Any]:
    """Milliseconds in a fresh process each time, in turns.

    One of each before counts for nothing: it reads what is not in the page cache.
    """
    sides = {
        "podlift": partial(once, PODLIFT, str(PODLIFT_PYTHON)),
        "standard": partial(once, STANDARD, str(STANDARD_PYTHON)),
    }
    found: dict[str, Any] = {name: [] for name in sides}
    for number in range(-1, pairs):
        for name in sides if number % 2 else reversed(sides):
            took = await asyncio.to_thread(sides[name])
            if number >= 0:
                found[name].append(took)
    return found
