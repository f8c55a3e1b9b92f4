"""The verbs that delete: delete, delete_collection, evict."""

from __future__ import annotations

from typing import Any

from podlift.kube.bodies import encode, given
from podlift.kube.resources import PODS, Resource
from podlift.kube.transport import Transport


class Deleting:
    """What a Client can do to be rid of objects."""

    _transport: Transport

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        propagation_policy: str | None = None,
    ) -> None:
        """Asks for an object's deletion, which for a running pod ends later: a watch shows DELETED.

        With `uid`, only that incarnation of the name is deleted, and Conflict is raised for
        another. Raises NotFound.
        """
        options = _delete_options(grace_period_seconds, propagation_policy)
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        await self._transport.request(
            "DELETE", resource.path(namespace, name), body=encode(options)
        )

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> None:
        """Asks for the deletion of all matching objects of a namespace."""
        await self._transport.request(
            "DELETE",
            resource.path(namespace),
            query=given(labelSelector=label_selector, fieldSelector=field_selector),
            body=encode(_delete_options(grace_period_seconds, propagation_policy)),
        )

    async def evict(
        self, name: str, namespace: str, *, grace_period_seconds: int | None = None
    ) -> None:
        """Deletes a pod with regard for disruption budgets, which refuse with TooManyRequests.

        https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
        """
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": _delete_options(grace_period_seconds, None),
        }
        path = PODS.path(namespace, name, "eviction")
        await self._transport.request("POST", path, body=encode(eviction))


def _delete_options(grace: int | None, propagation: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if propagation is not None:
        options["propagationPolicy"] = propagation
    return options
