"""What can be wrong with a pod before it reaches a server.

PodError
└── InvalidManifest     a manifest, template or override that no pod can be made from
"""

from __future__ import annotations


class PodError(Exception):
    """Base of every error this layer raises."""


class InvalidManifest(PodError):
    """A manifest that no pod can be made from.

    ``path`` is the field, written as Kubernetes writes it (``spec.containers[0].name``); it is
    empty for the manifest as a whole. ``problem`` says what is wrong there and what to do.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem
