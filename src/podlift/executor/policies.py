"""What the settings mean for the state machine. Pure."""

from __future__ import annotations

from podlift.executor.leftovers import retention_of
from podlift.executor.state import Policy
from podlift.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """The policy that a deployment chose."""
    retention = retention_of(settings)
    return Policy(
        infrastructure_retries=settings.infrastructure_retries,
        pending_failure_timeout=settings.pending_failure_timeout,
        pending_timeout=settings.pending_timeout,
        memory_factor=settings.out_of_memory_factor,
        memory_ceiling=settings.out_of_memory_ceiling,
        delete_succeeded=retention.succeeded == 0,
        delete_failed=retention.failed == 0,
    )
