"""The environment, command and arguments of a container; pure.

See https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
and https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from podlift.local import quantities
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.status import POD_IP

#: What a container inherits, so that programs of this machine are found and speak its language.
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "USER",
)

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]")


class ConfigError(Exception):
    """A container cannot be made from what there is (CreateContainerConfigError)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an environment may refer to beyond the pod itself.

    ``secret`` and ``config_map`` give an object of the pod's namespace by name, or None;
    ``allocatable`` is what the node has, the limit of a container without one.
    """

    secret: Callable[[str], Obj | None]
    config_map: Callable[[str], Obj | None]
    allocatable: Mapping[str, str]
    service: tuple[str, int]
    inherited: Mapping[str, str]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)``; ``$$`` is one dollar, and an unknown name stays as it is written."""

    def one(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return variables.get(match.group(1), match.group(0))

    return _REFERENCE.sub(one, text)


def command_line(container: Obj, variables: Mapping[str, str]) -> list[str]:
    """The expanded command and arguments."""
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return [expand(word, variables) for word in words]


def environment(pod: Obj, container: Obj, around: Surroundings) -> dict[str, str]:
    """Every variable of the container; raises :class:`ConfigError` in the kubelet's words."""
    host, port = around.service
    services = {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
    }
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        variables |= _from_source(pod, source, around)
    # A variable may refer to those above it and to the services.
    for entry in container.get("env") or ():
        value = _value(pod, container, entry, around, services | variables)
        if value is not None:
            variables[entry["name"]] = value
    hostname = {"HOSTNAME": pod["spec"].get("hostname") or pod["metadata"]["name"]}
    return {**around.inherited, **hostname, **services, **variables}


def _from_source(pod: Obj, source: Obj, around: Surroundings) -> dict[str, str]:
    prefix = source.get("prefix", "")
    if "secretRef" in source:
        reference, kind = source["secretRef"], "secret"
        found = around.secret(reference["name"])
        values = _secret_values(found) if found else None
    else:
        reference, kind = source["configMapRef"], "configmap"
        found = around.config_map(reference["name"])
        values = (found.get("data") or {}) if found else None
    if values is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    return {prefix + key: value for key, value in values.items()}


def _secret_values(secret: Obj) -> dict[str, str]:
    return {
        key: base64.b64decode(value).decode("utf-8", "surrogateescape")
        for key, value in (secret.get("data") or {}).items()
    }


def _value(
    pod: Obj, container: Obj, entry: Obj, around: Surroundings, known: Mapping[str, str]
) -> str | None:
    origin = entry.get("valueFrom")
    if not origin:
        return expand(entry.get("value", ""), known)
    if "fieldRef" in origin:
        return field_value(pod, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        return resource_value(pod, origin["resourceFieldRef"], container, around.allocatable)
    if "secretKeyRef" in origin:
        reference, kind, title = origin["secretKeyRef"], "secret", "Secret"
        found = around.secret(reference["name"])
        values = _secret_values(found) if found else None
    else:
        reference, kind, title = origin["configMapKeyRef"], "configmap", "ConfigMap"
        found = around.config_map(reference["name"])
        values = (found.get("data") or {}) if found else None
    if values is not None and reference["key"] in values:
        return values[reference["key"]]
    if reference.get("optional"):
        return None
    if values is None:
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    where = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {title} {where}")


def field_value(pod: Obj, path: str) -> str:
    """What a ``fieldRef`` stands for."""
    meta, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        values = meta.get(subscript.group(1).removeprefix("metadata.")) or {}
        return str(values.get(subscript.group(2), ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return _listing(meta.get(path.removeprefix("metadata.")) or {})
    simple = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": POD_IP,
        "status.hostIPs": POD_IP,
        "status.podIP": POD_IP,
        "status.podIPs": POD_IP,
    }
    if path not in simple:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(simple[path])


def _listing(values: Mapping[str, str]) -> str:
    """Labels or annotations as the downward API writes them: ``key="value"`` lines, sorted."""
    quoted = (
        value.replace("\\", "\\\\").replace('"', '\\"') for _, value in sorted(values.items())
    )
    lines = (value.replace("\n", "\\n") for value in quoted)
    return "\n".join(f'{key}="{line}"' for key, line in zip(sorted(values), lines, strict=True))


def resource_value(
    pod: Obj, reference: Obj, container: Obj | None, allocatable: Mapping[str, str]
) -> str:
    """What a ``resourceFieldRef`` stands for, in units of its divisor."""
    name = reference.get("containerName") or (container or {}).get("name")
    named = _container(pod, name)
    kind, _, resource = reference["resource"].partition(".")
    resources = named.get("resources") or {}
    amount = (resources.get(kind) or {}).get(resource)
    if amount is None and kind == "limits":
        amount = allocatable.get(resource, "0")
    divisor = reference.get("divisor", "1")
    unit = quantities.parse(str(divisor)) or 1
    return str(math.ceil(quantities.parse(str(amount or "0")) / unit))


def _container(pod: Obj, name: object) -> Obj:
    candidates: Sequence[Obj] = [
        *(pod["spec"].get("initContainers") or ()),
        *pod["spec"]["containers"],
    ]
    for candidate in candidates:
        if candidate["name"] == name:
            return candidate
    raise ConfigError(f"container {name} not found")
