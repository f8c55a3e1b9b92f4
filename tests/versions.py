"""The version of the cluster that tests run on, known before the first of them starts."""

from __future__ import annotations

import asyncio
import re

from tests.real import building, node
from tests.real.errors import RealClusterError

from podlift.kube import Client, KubeError, load_connection


class VersionUnknown(Exception):
    """The message says which cluster did not tell its version, and why."""


def minor_of(chosen: str) -> int:
    """The minor version of ``--cluster=chosen``: a real node may not run yet, a kubeconfig's must.

    Raises VersionUnknown.
    """
    try:
        if chosen == "real":
            said = (node.running_minor() or building.DEFAULT_MINOR).partition(".")[2]
        else:
            said = asyncio.run(_asked(chosen))
    except (RealClusterError, KubeError) as error:
        raise VersionUnknown(
            f"The cluster of {chosen} does not tell its version: {error}"
        ) from error
    return int(re.sub(r"\D", "", said))  # some say "36+"


async def _asked(kubeconfig: str) -> str:
    async with Client(await load_connection(kubeconfig)) as client:
        version = await client.server_version()
        return str(version["minor"])
