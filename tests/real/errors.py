"""What can keep the single-node Kubernetes from starting, each in one sentence."""

from __future__ import annotations


class RealClusterError(Exception):
    """The message says what is missing or went wrong, and what to do."""
