"""A triggerer with many deferred pods, by each one's trigger."""

from __future__ import annotations

from typing import Any

from bench import Unmeasured
from bench.side_by_side.contenders import STANDARD_PYTHON
from bench.side_by_side.sites import Site
from bench.triggerer import measure


async def waiting(site: Site, pods: int, parts: int) -> dict[str, Any]:
    """Podlift's trigger, then the standard one, each with pods of its own."""
    # Both run with our Python and our way to the pods; the standard one's packages come first.
    packages = list(STANDARD_PYTHON.parents[1].glob("lib/python*/site-packages"))
    if not packages:
        raise Unmeasured(f"there are no packages in {STANDARD_PYTHON.parents[1]}")
    found = {}
    for kind, folders in (("podlift", []), ("standard", [str(packages[0])])):
        found[kind] = await measure(kind, site.client, site.kubeconfig, pods, folders, parts)
    return {"pods": pods, **found}
