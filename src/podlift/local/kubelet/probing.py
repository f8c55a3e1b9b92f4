"""Asking a container how it is: one attempt of a probe or hook.

See https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/.
"""

from __future__ import annotations

import asyncio

import aiohttp

from podlift.local.errors import InternalError
from podlift.local.kubelet.containers import ContainerRun
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.processes import Processes
from podlift.local.kubelet.status import POD_IP
from podlift.local.kubelet.streams import run_command


async def attempt(
    action: Obj, container: Obj, run: ContainerRun, processes: Processes, seconds: float
) -> str | None:
    """Carry out a probe's or hook's action; returns what went wrong, or None."""
    if "exec" in action:
        return await _exec(action["exec"]["command"], run, processes, seconds)
    if "httpGet" in action:
        return await _http(action["httpGet"], container, seconds)
    if "tcpSocket" in action:
        return await _tcp(action["tcpSocket"], container, seconds)
    if "sleep" in action:
        await asyncio.sleep(min(float(action["sleep"]["seconds"]), seconds))
        return None
    return f"the local cluster has no probes of kind {', '.join(action)}"


async def _exec(
    command: list[str], run: ContainerRun, processes: Processes, seconds: float
) -> str | None:
    try:
        code, output = await run_command(run, processes, command, seconds)
    except InternalError as error:
        return str(error)
    if code is None:
        return f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s'
    return None if code == 0 else output


async def _http(action: Obj, container: Obj, seconds: float) -> str | None:
    scheme = action.get("scheme", "HTTP").lower()
    host, port = action.get("host") or POD_IP, _port(action["port"], container)
    url = f"{scheme}://{host}:{port}/{action.get('path', '/').lstrip('/')}"
    headers = {one["name"]: one["value"] for one in action.get("httpHeaders") or ()}
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(url, ssl=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        return f'Get "{url}": {error or "context deadline exceeded"}'
    return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"


async def _tcp(action: Obj, container: Obj, seconds: float) -> str | None:
    host, port = action.get("host") or POD_IP, _port(action["port"], container)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), seconds)
    except (OSError, TimeoutError) as error:
        return f"dial tcp {host}:{port}: {error or 'i/o timeout'}"
    writer.close()
    return None


def _port(port: int | str, container: Obj) -> int:
    """The number of a port, which may be given by its name in the container."""
    for one in container.get("ports") or ():
        if one.get("name") == port:
            return int(one["containerPort"])
    return int(port)
