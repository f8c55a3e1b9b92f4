"""The subresources of pods: log, exec, attach, binding and eviction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from aiohttp import web

from podlift.local import errors
from podlift.local.api.deleting import pod_grace
from podlift.local.api.requests import Target
from podlift.local.api.streams import Streams, pump
from podlift.local.api.writing import is_dry_run
from podlift.local.errors import Cause
from podlift.local.kinds import POD, Obj
from podlift.local.kubelet.contract import KubeletProtocol, LogOptions
from podlift.local.store import Store, begin_deletion, now

_TRUE = ("1", "true", "True")


async def log(
    store: Store, kubelet: KubeletProtocol, target: Target, request: web.BaseRequest
) -> web.StreamResponse:
    """``GET pods/NAME/log``, whole or followed."""
    pod = store.get(POD, target.namespace, target.name or "")
    options = log_options(target.name or "", request.query)
    chunks = await kubelet.read_log(pod, options)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    except ConnectionResetError:
        # The client has read enough.
        return response
    return response


def log_options(pod: str, query: Mapping[str, str]) -> LogOptions:
    """Read and check the query of a log request; raises Invalid."""
    numbers = {
        name: _number(pod, name, query[name], least)
        for name, least in (("sinceSeconds", 1), ("tailLines", 0), ("limitBytes", 1))
        if query.get(name)
    }
    since_time = query.get("sinceTime")
    if since_time and "sinceSeconds" in numbers:
        text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        raise _bad_option(pod, Cause("FieldValueForbidden", "[]", text))
    return LogOptions(
        container=query.get("container") or None,
        follow=query.get("follow") in _TRUE,
        previous=query.get("previous") in _TRUE,
        since_seconds=numbers.get("sinceSeconds"),
        since_time=_time(since_time) if since_time else None,
        timestamps=query.get("timestamps") in _TRUE,
        tail_lines=numbers.get("tailLines"),
        limit_bytes=numbers.get("limitBytes"),
    )


def _number(pod: str, name: str, text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if value < least:
        bound = "greater than 0" if least else "greater than or equal to 0"
        text = f"Invalid value: {value}: must be {bound}"
        raise _bad_option(pod, Cause("FieldValueInvalid", name, text))
    return value


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise errors.BadRequest(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse it'
        ) from None
    if moment.tzinfo is None:
        raise errors.BadRequest(f'parsing time "{text}": a time zone is missing')
    return moment


def _bad_option(pod: str, cause: Cause) -> errors.Invalid:
    return errors.invalid("PodLogOptions", pod, [cause])


async def connect(
    store: Store, kubelet: KubeletProtocol, target: Target, request: web.BaseRequest
) -> web.StreamResponse:
    """``exec`` and ``attach`` over a websocket."""
    pod = store.get(POD, target.namespace, target.name or "")
    query = request.query
    container = _container(pod, query.get("container"))
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise errors.BadRequest("Upgrade request required")
    streams = Streams(
        stdin=query.get("stdin") in _TRUE,
        stdout=query.get("stdout") in _TRUE,
        stderr=query.get("stderr") in _TRUE,
        tty=query.get("tty") in _TRUE,
    )
    if target.subresource == "attach":
        return await pump(
            request,
            streams,
            lambda: kubelet.attach(pod, container, stdin=streams.stdin, tty=streams.tty),
            attached=True,
        )
    command = query.getall("command", [])
    if not command:
        raise errors.BadRequest("you must specify at least 1 command for the container")
    return await pump(
        request,
        streams,
        lambda: kubelet.exec(pod, container, command, stdin=streams.stdin, tty=streams.tty),
    )


def _container(pod: Obj, name: str | None) -> str:
    spec, meta = pod["spec"], pod["metadata"]
    names = [one["name"] for one in spec["containers"]]
    if name:
        known = [*names, *(one["name"] for one in spec.get("initContainers") or ())]
        if name not in known:
            raise errors.BadRequest(f"container {name} is not valid for pod {meta['name']}")
        return name
    preferred = (meta.get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if preferred in names:
        return str(preferred)
    if len(names) > 1:
        raise errors.BadRequest(
            f"a container name must be specified for pod {meta['name']}, "
            f"choose one of: [{' '.join(names)}]"
        )
    return str(names[0])


def bind(store: Store, target: Target, body: Obj) -> Obj:
    """``POST pods/NAME/binding``: put an unscheduled pod on a node."""
    node = (body.get("target") or {}).get("name")
    name = target.name or ""
    if not node:
        cause = Cause("FieldValueRequired", "target.name", "Required value")
        raise errors.invalid("Binding", name, [cause])

    def put(pod: Obj) -> None:
        taken = pod["spec"].get("nodeName")
        if taken:
            raise _binding_conflict(name, f'pod {name} is already assigned to node "{taken}"')
        if pod["metadata"].get("deletionTimestamp"):
            raise _binding_conflict(
                name, f"pod {name} is being deleted, cannot be assigned to a host"
            )
        schedule(pod, node)

    if store.modify(POD, target.namespace, name, put) is None:
        raise errors.not_found(POD, name)
    return _success(201)


def schedule(pod: Obj, node: str) -> None:
    """Write onto a pod that it was put on a node."""
    pod["spec"]["nodeName"] = node
    set_condition(pod, {"type": "PodScheduled", "status": "True"})


def set_condition(pod: Obj, condition: Obj) -> None:
    """Put a condition in place of the one of its type; its time moves when its status does."""
    status = pod.setdefault("status", {})
    conditions = list(status.get("conditions") or ())
    old = next((one for one in conditions if one["type"] == condition["type"]), None)
    moved = old is None or old["status"] != condition["status"]
    stamped = {
        "type": condition["type"],
        "status": condition["status"],
        "lastProbeTime": None,
        "lastTransitionTime": now() if moved or old is None else old["lastTransitionTime"],
        **{key: value for key, value in condition.items() if key not in ("type", "status")},
    }
    if old is None:
        conditions.append(stamped)
    else:
        conditions[conditions.index(old)] = stamped
    status["conditions"] = conditions


def evict(store: Store, target: Target, body: Obj, query: Mapping[str, str]) -> Obj:
    """``POST pods/NAME/eviction``: say why, then delete gracefully.

    See https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
    """
    name = target.name or ""
    pod = store.get(POD, target.namespace, name)
    options = body.get("deleteOptions") or {}
    wanted = (options.get("preconditions") or {}).get("uid")
    if wanted and wanted != pod["metadata"]["uid"]:
        raise errors.wrong_precondition(POD, name, "UID", wanted, pod["metadata"]["uid"])
    if is_dry_run(query) or options.get("dryRun"):
        return _success(201)
    if pod["spec"].get("nodeName") and pod["status"].get("phase") in ("Pending", "Running"):
        disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        store.modify(POD, target.namespace, name, lambda copy: set_condition(copy, disruption))
    begin_deletion(store, POD, pod, pod_grace(pod, options.get("gracePeriodSeconds")))
    return _success(201)


def _binding_conflict(name: str, why: str) -> errors.Conflict:
    return errors.Conflict(
        f'Operation cannot be fulfilled on pods/binding "{name}": {why}',
        details={"name": name, "kind": "pods/binding"},
    )


def _success(code: int) -> Obj:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": code,
    }
