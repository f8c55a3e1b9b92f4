"""Tokens with which workers begin their tasks, good for as long as a pod may pend."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import msgspec

from podlift.compat import fresh_token

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.tokens import JWTGenerator

    from podlift.executor.workloads import Workload

_ON_THE_WAY = 60.0
"""Seconds from when the scheduler makes a token until its pod is created, on most days."""


class Tokens:
    """Makes tokens. The scheduler uses one in place of Airflow's generator, and the workloads that
    it hands over have a token that will do, so that none is signed twice."""

    def __init__(self, generator: JWTGenerator, lifetime: float) -> None:
        self._generator = generator
        self._lifetime = lifetime

    def generate(
        self,
        extras: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        valid_for: float | None = None,
    ) -> str:
        """As ``JWTGenerator.generate``; ``valid_for`` may become longer."""
        valid_for = max(valid_for or 0.0, self._lifetime + _ON_THE_WAY)
        return self._generator.generate(extras, headers, valid_for)

    def of(self, workload: Workload, subject: str, anew: bool) -> str:
        """A token for the workload whose id is ``subject``: its own, if that lasts long enough."""
        if not anew and _expires_at(workload.token) >= time.time() + self._lifetime:
            return workload.token
        return fresh_token(self._generator, workload, subject, self._lifetime)


class _Claims(msgspec.Struct):
    exp: float = 0.0


def _expires_at(token: str) -> float:
    """Unix time of a token's end; 0.0 if it does not say."""
    _, _, rest = token.partition(".")
    payload = rest.partition(".")[0]
    try:
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(claims, type=_Claims).exp
    except ValueError:  # of base64 and of msgspec
        return 0.0
