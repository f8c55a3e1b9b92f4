"""The API server: whether it answers, how old it is, and whether its clock agrees with ours."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from podlift.commands.doctor.checks import Check, bad, doubtful, good
from podlift.kube.client import Client

OLDEST = 29
"""Minor version of Kubernetes 1 that native sidecars came with."""
_CLOCKS_AGREE = 5.0
"""Seconds; Airflow's tokens allow for ten."""


async def check_server(client: Client) -> Check:
    """Ask the server for its version. Raises ``KubeError``."""
    began = time.monotonic()
    version = await client.server_version()
    took = (time.monotonic() - began) * 1000
    return judge_version(client.connection.server, str(version.get("gitVersion", "")), took)


def judge_version(server: str, version: str, milliseconds: float) -> Check:
    """Whether this version will do."""
    found = re.match(r"v?1\.(\d+)", version)
    says = f"{server} answers in {milliseconds:.0f} ms: Kubernetes {version}."
    if found is None:
        return doubtful("API server", says, f"Podlift is made for 1.{OLDEST} and later.")
    if int(found[1]) < OLDEST:
        return bad("API server", says, f"Podlift needs 1.{OLDEST} or later: upgrade the cluster.")
    return good("API server", says)


def judge_clock(created: str, before: datetime, after: datetime) -> Check:
    """Compare the server's time, in whole seconds, with ours just before and after."""
    theirs = datetime.fromisoformat(created.replace("Z", "+00:00")).astimezone(UTC)
    behind = (before - theirs).total_seconds() - 1
    ahead = (theirs - after).total_seconds()
    away = max(behind, ahead, 0.0)
    if away <= _CLOCKS_AGREE:
        return good("clock", "The server's clock agrees with ours.")
    which = "behind" if behind > ahead else "ahead of"
    return bad(
        "clock",
        f"The server's clock is {away:.0f} seconds {which} ours.",
        "Let both machines set their clocks by the network (NTP): tokens are valid for a time.",
    )
