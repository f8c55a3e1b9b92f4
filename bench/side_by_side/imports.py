"""What a DAG file pays for importing each one's operator, over Airflow itself."""

from __future__ import annotations

import asyncio
from typing import Any

from bench.import_cost import cost_of
from bench.side_by_side.contenders import PODLIFT_PYTHON, STANDARD_PYTHON

PODLIFT = "podlift.operators"
STANDARD = "airflow.providers.cncf.kubernetes.operators.pod"


async def import_costs() -> dict[str, Any]:
    """Milliseconds, each the smallest of several fresh processes."""
    return {
        "podlift": await asyncio.to_thread(cost_of, PODLIFT, str(PODLIFT_PYTHON)),
        "standard": await asyncio.to_thread(cost_of, STANDARD, str(STANDARD_PYTHON)),
    }
