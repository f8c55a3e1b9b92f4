"""Objects of the package ``kubernetes``, for the code of DAG authors that expects them."""

from __future__ import annotations

from typing import Any

from podlift.operators.errors import PodNotCreated
from podlift.pods.models import to_model
from podlift.pods.plain import Manifest


def pod_model(manifest: Manifest) -> Any:
    """A ``V1Pod`` of the ``kubernetes`` package. Raises ``PodNotCreated`` if that is missing."""
    try:
        from kubernetes import client
    except ImportError:
        raise PodNotCreated(
            "Callbacks get objects of the package kubernetes, which is not installed on the "
            "worker: pip install kubernetes."
        ) from None
    return to_model(manifest, "V1Pod", client)


def core_v1_client(operator: Any) -> Any:
    """A ``CoreV1Api`` of the ``kubernetes`` package, made when one of its methods is first used."""
    return _Lazy(operator)


class _Lazy:
    def __init__(self, operator: Any) -> None:
        self._operator = operator
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._client is None:
            self._client = self._operator.hook().core_v1_client
        return getattr(self._client, name)
