"""A short-lived pod like a task's: whether it starts, what is in it, whether it finds Airflow."""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from podlift.commands.doctor.checks import Check, bad, doubtful, good
from podlift.commands.doctor.inside import MARK, URL_VARIABLE
from podlift.commands.looking import list_events
from podlift.kube.client import Client
from podlift.kube.errors import KubeError, NotFound
from podlift.kube.resources import PODS
from podlift.kube.watching import watch
from podlift.pods.building import BASE, BuiltPod
from podlift.pods.diagnosis import diagnose
from podlift.pods.labels import COMPONENT, NAME
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, has_started, is_finished, pending_reason
from podlift.sealing import KEY_VARIABLE, WORKLOAD_VARIABLE

WHAT = "sample pod"
_CLOCKS_AGREE = 5.0

_SCRIPT = Path(__file__).with_name("inside.py")


async def check_sample(client: Client, built: BuiltPod, timeout: float) -> list[Check]:
    """Create the pod, read what it says, and delete it. Raises ``KubeError``."""
    pod = sample_of(built)
    name = pod["metadata"]["name"]
    began = datetime.now(UTC)
    await client.create(PODS, pod, built.namespace)
    try:
        ended = await _ended(client, name, built.namespace, timeout)
        took = datetime.now(UTC)
        text = ""
        if ended is not None and has_started(ended, BASE):
            text = (await client.read_log(name, built.namespace, BASE)).decode("utf-8", "replace")
        said = _said(text)
        if said is not None:
            return list(judge_sample(said, _url(built.manifest), began, took))
        return [await _why_not(client, name, built.namespace, ended, timeout, text)]
    finally:
        await _remove(client, name, built.namespace)


def sample_of(built: BuiltPod) -> Manifest:
    """The task's pod with a script in the worker's place, and with nobody's labels."""
    pod = copy.deepcopy(built.manifest)
    pod["metadata"]["name"] = f"podlift-doctor-{secrets.token_hex(4)}"
    pod["metadata"]["labels"] = {NAME: "airflow", COMPONENT: "doctor"}
    pod["metadata"]["annotations"] = {}
    pod["spec"]["activeDeadlineSeconds"] = 600  # should we not live to delete it
    base = next(each for each in pod["spec"]["containers"] if each["name"] == BASE)
    base["command"], base["args"] = ["python", "-c", _SCRIPT.read_text("utf-8")], []
    # No workload, and no key either: that it can be read is another check's matter.
    base["env"] = [each for each in base.get("env") or () if not _is_secret(each["name"])]
    return pod


def judge_sample(
    said: Mapping[str, Any], url: str, began: datetime, ended: datetime
) -> Iterator[Check]:
    """What the pod found, compared with what we know."""
    yield good(WHAT, f"It ran, {(ended - began).total_seconds():.0f} seconds after it was asked.")
    yield _judge_reach(said, url)
    yield from _judge_versions(said["versions"])
    behind, ahead = began.timestamp() - said["time"], said["time"] - ended.timestamp()
    if max(behind, ahead) > _CLOCKS_AGREE:
        which = "behind" if behind > ahead else "ahead of"
        yield bad(
            "node's clock",
            f"The clock of the pod's node is {max(behind, ahead):.0f} seconds {which} ours.",
            "Let the node set its clock by the network (NTP): tokens are valid for a time.",
        )


def _judge_reach(said: Mapping[str, Any], url: str) -> Check:
    what = "API from a pod"
    remedy = (
        "Set execution_api_server_url to the API server's address as pods see it, and look at "
        "network policies between the namespaces."
    )
    if error := said.get("error"):
        return bad(what, f"A pod does not reach Airflow at {url}: {error}.", remedy)
    if said["status"] != 200:
        says = (
            f"What answers a pod at {url} is not Airflow's execution API: it says {said['status']}."
        )
        return bad(what, says, remedy)
    return good(what, f"A pod reaches Airflow at {url}.")


def _judge_versions(versions: Mapping[str, str | None]) -> Iterator[Check]:
    what = "versions"
    ours = {name: version(name) for name in versions}
    remedy = "Build the image of the tasks with the versions of the scheduler."
    for name, theirs in versions.items():
        if theirs is None:
            yield bad(
                what, f"The image of the tasks has no {name} that its `python` finds.", remedy
            )
        elif theirs != ours[name]:
            yield doubtful(what, f"{name} is {ours[name]} here and {theirs} in the image.", remedy)
    if dict(versions) == ours:
        both = " and ".join(f"{name} {number}" for name, number in ours.items())
        yield good(what, f"The image has {both}, as we have.")


async def _ended(client: Client, name: str, namespace: str, timeout: float) -> Pod | None:
    """The pod at its end, or as it is when the time is over."""
    last: Pod | None = None
    events = watch(client, PODS, namespace, field_selector=f"metadata.name={name}", type=Pod)
    try:
        async with asyncio.timeout(timeout), aclosing(events):
            async for event in events:
                last = event.object or last
                if last is not None and (is_finished(last) or _is_hopeless(last)):
                    return last
    except TimeoutError:
        pass
    return last


def _is_hopeless(pod: Pod) -> bool:
    diagnosis = diagnose(pod, main=BASE)
    return diagnosis is not None and not diagnosis.can_heal


async def _why_not(
    client: Client, name: str, namespace: str, pod: Pod | None, timeout: float, text: str
) -> Check:
    remedy = "`airflow podlift doctor --no-pod` looks at everything else."
    if pod is None:
        return bad(WHAT, f"It was created, and was not seen within {timeout:g} seconds.", remedy)
    events = await list_events(client, namespace, f"involvedObject.name={name}")
    diagnosis = diagnose(pod, events, main=BASE)
    if diagnosis is not None:
        end = f" It says: {text.strip().splitlines()[-1]}" if text.strip() else ""
        return bad(WHAT, f"{diagnosis.sentence}{end}", diagnosis.remedy)
    reason = pending_reason(pod, events) or "it did not end"
    says = f"It did not do its work within {timeout:g} seconds: {reason}."
    return bad(WHAT, says, "Give it more time with --timeout, or look at the node.")


async def _remove(client: Client, name: str, namespace: str) -> None:
    try:
        await client.delete(PODS, name, namespace, grace_period_seconds=0)
    except NotFound:
        pass
    except KubeError:  # its deadline ends it, and there are worse things to tell
        return


def _said(text: str) -> Mapping[str, Any] | None:
    for line in text.splitlines():
        if line.startswith(MARK):
            said: Mapping[str, Any] = json.loads(line.removeprefix(MARK))
            return said
    return None


def _is_secret(name: str) -> bool:
    return name == KEY_VARIABLE or name.startswith(WORKLOAD_VARIABLE)


def _url(manifest: Manifest) -> str:
    base = next(each for each in manifest["spec"]["containers"] if each["name"] == BASE)
    values = {each["name"]: each.get("value", "") for each in base.get("env") or ()}
    return str(values.get(URL_VARIABLE, ""))
