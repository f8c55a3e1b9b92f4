"""The verbs of the Kubernetes API: get, list, create, replace, patch, delete, evict.

Objects go in as plain dicts and come out as what `type` says: a dict, or a msgspec Struct with only
the fields wanted, which is several times cheaper.
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from podlift.kube.bodies import decode
from podlift.kube.deleting import Deleting
from podlift.kube.reading import Reading
from podlift.kube.transport import Transport
from podlift.kube.writing import Writing
from podlift.pods.plain import Manifest


class Verbs(Reading, Writing, Deleting):
    """What a Client can do with objects. Every method may raise ApiError and ConnectionFailed."""

    _transport: Transport

    async def server_version(self) -> Manifest:
        """The server's version, for example {"major": "1", "minor": "36", "gitVersion": ...}.

        Also the cheapest way to see whether the server can be reached.
        """
        return decode(await self._transport.request("GET", "/version"), Manifest)
