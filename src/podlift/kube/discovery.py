"""Which kinds of object a cluster has, and where it keeps them; custom ones included.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import msgspec

from podlift.kube.bodies import decode
from podlift.kube.client import Client
from podlift.kube.errors import NotFound
from podlift.kube.resources import Resource


class _Served(msgspec.Struct, frozen=True):
    name: str
    kind: str
    namespaced: bool = False


class _ServedList(msgspec.Struct, frozen=True):
    resources: list[_Served] | None = None


class Discovery:
    """Asks once for each API version and remembers the answer, as long as it knows the kind."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[str, Resource]] = {}

    async def find(self, api_version: str, kind: str) -> Resource | None:
        """The kind by its name in manifests; None where the cluster has none of that name.

        An unknown kind is asked for again each time: its definition may have come meanwhile.
        """
        found = self._known.get(api_version, {}).get(kind)
        return found or (await self.kinds(api_version)).get(kind)

    async def kinds(self, api_version: str) -> dict[str, Resource]:
        """All kinds of an API version by their names, asked for now; none for an unknown one."""
        root = "/apis" if "/" in api_version else "/api"
        try:
            answer = await self._client.transport.request("GET", f"{root}/{api_version}")
        except NotFound:
            return {}
        listed = decode(answer, _ServedList).resources or ()
        self._known[api_version] = {
            each.kind: Resource(api_version, each.kind, each.name, each.namespaced)
            for each in listed
            if "/" not in each.name  # a subresource, such as pods/log
        }
        return self._known[api_version]
