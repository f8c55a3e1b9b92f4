"""The pod that an operator's parameters describe. Pure.

Sources, each laid over the one before: a template (file or dict), ``full_pod_spec``, the single
parameters, and last what makes the pod findable: its labels and annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from podlift.pods.checking import check_pod, check_shape
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.merging import strategic_merge
from podlift.pods.naming import pod_name
from podlift.pods.plain import Manifest, to_manifest

EnvVars: TypeAlias = Mapping[str, object] | Sequence[object]
"""``{"NAME": "value"}``, or entries as in a container's ``env``, dicts or ``V1EnvVar``."""

Parameters: TypeAlias = Mapping[str, Any]
"""An operator's parameters by name. One that is None, or empty, says nothing."""

POD_FIELDS: Mapping[str, str] = {
    "active_deadline_seconds": "activeDeadlineSeconds",
    "affinity": "affinity",
    "automount_service_account_token": "automountServiceAccountToken",
    "dns_config": "dnsConfig",
    "dnspolicy": "dnsPolicy",
    "host_aliases": "hostAliases",
    "hostname": "hostname",
    "hostnetwork": "hostNetwork",
    "image_pull_secrets": "imagePullSecrets",
    "init_containers": "initContainers",
    "node_selector": "nodeSelector",
    "priority_class_name": "priorityClassName",
    "runtime_class_name": "runtimeClassName",
    "schedulername": "schedulerName",
    "security_context": "securityContext",
    "service_account_name": "serviceAccountName",
    "subdomain": "subdomain",
    "termination_grace_period": "terminationGracePeriodSeconds",
    "tolerations": "tolerations",
    "volumes": "volumes",
}
"""Parameters that are a field of the pod's ``spec``."""

CONTAINER_FIELDS: Mapping[str, str] = {
    "arguments": "args",
    "cmds": "command",
    "container_resources": "resources",
    "container_security_context": "securityContext",
    "image": "image",
    "image_pull_policy": "imagePullPolicy",
    "ports": "ports",
    "termination_message_policy": "terminationMessagePolicy",
    "volume_mounts": "volumeMounts",
}
"""Parameters that are a field of the base container. Those of its environment have functions."""

_ZERO_COUNTS = frozenset({"active_deadline_seconds", "termination_grace_period"})
_FALSE_COUNTS = frozenset({"automount_service_account_token"})


def operator_manifest(
    parameters: Parameters,
    *,
    identity: Identity,
    namespace: str,
    default_name: str,
    base: str = "base",
    templates: Sequence[Manifest] = (),
) -> Manifest:
    """Build the manifest. Raises ``InvalidManifest`` for parameters that make no pod.

    ``templates`` are laid below the parameters, in their order. ``namespace`` is used where neither
    a parameter nor a template names one, and so is ``default_name``. The base container is the one
    called ``base``; where a template has none, its first. The pod's name is the same whenever the
    same launch of the task asks. Podlift's labels win over the user's: the pod is found by them.
    """
    pod: Manifest = {}
    for template in templates:
        pod = _lay(pod, _template(template, base))
    pod = _lay(pod, _from_parameters(parameters, base))
    metadata = pod["metadata"]
    metadata["name"] = _name(parameters, metadata.get("name") or default_name, identity)
    metadata.setdefault("namespace", namespace)
    metadata["labels"] = _labels(metadata.get("labels")) | labels_of(identity, component="operator")
    metadata["annotations"] = metadata.get("annotations", {}) | annotations_of(identity)
    pod["spec"].setdefault("restartPolicy", "Never")
    if pod["spec"]["restartPolicy"] != "Never":
        raise InvalidManifest(
            "spec.restartPolicy", "must be 'Never': use the task's retries to try again"
        )
    check_pod(pod)
    return pod


def _from_parameters(parameters: Parameters, base: str) -> Manifest:
    """What the single parameters say of the pod, and nothing else."""
    container: Manifest = {"name": base, **_fields(parameters, CONTAINER_FIELDS)}
    environment = [*env_entries(parameters.get("env_vars") or {}), *_runtime_info(parameters)]
    sources = _env_sources(parameters)
    spec = _fields(parameters, POD_FIELDS)
    for index, secret in enumerate(parameters.get("secrets") or ()):
        _attach_secret(secret, index, spec, container, environment, sources)
    if environment:
        container["env"] = environment
    if sources:
        container["envFrom"] = sources
    metadata: Manifest = {}
    for field in ("name", "namespace", "labels", "annotations"):
        if value := parameters.get(field):
            metadata[field] = _plain(value, field)
    spec["containers"] = [container]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _fields(parameters: Parameters, table: Mapping[str, str]) -> Manifest:
    found: Manifest = {}
    for parameter, field in table.items():
        value = parameters.get(parameter)
        if _says_something(parameter, value):
            read: Callable[[Any, str], Any] = _READERS.get(parameter, _plain)
            found[field] = read(value, parameter)
    return found


def _says_something(parameter: str, value: object) -> bool:
    if parameter in _FALSE_COUNTS:
        return value is not None
    if parameter in _ZERO_COUNTS:
        return value is not None and value is not False
    return bool(value)


def _plain(value: object, field: str) -> Any:
    return to_manifest({field: value})[field]


def _strings(values: Any, field: str) -> list[str]:
    if isinstance(values, str):
        raise InvalidManifest(field, f"must be a list of strings, for example [{values!r}]")
    return [_text(value, f"{field}[{index}]") for index, value in enumerate(values)]


def _text(value: object, path: str) -> str:
    """Kubernetes takes only strings here; a number that a template made means its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InvalidManifest(path, f"must be a string, not {value!r}")


def _pull_secrets(value: Any, field: str) -> list[Manifest]:
    """References, or their names: in a list, or in one text with commas between."""
    names = value.split(",") if isinstance(value, str) else value
    return [
        {"name": each.strip()} if isinstance(each, str) else _plain(each, field) for each in names
    ]


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "arguments": _strings,
    "cmds": _strings,
    "image_pull_secrets": _pull_secrets,
}


# The base container's environment


def env_entries(env_vars: EnvVars) -> list[Manifest]:
    """A container's ``env`` list. Raises ``InvalidManifest`` for what is no variable."""
    if isinstance(env_vars, Mapping):
        return [
            {"name": name, "value": _text(value, f"env_vars.{name}")}
            for name, value in env_vars.items()
        ]
    if isinstance(env_vars, str):
        raise InvalidManifest("env_vars", "must be a mapping or a list, not text")
    entries = [to_manifest(entry) for entry in env_vars]
    for index, entry in enumerate(entries):
        if not entry.get("name"):
            raise InvalidManifest(f"env_vars[{index}].name", "a variable needs a name")
    return entries


def _runtime_info(parameters: Parameters) -> Iterator[Manifest]:
    """Facts of the pod as variables: ``V1EnvVar``, dicts, or objects with a field's path."""
    for entry in parameters.get("pod_runtime_info_envs") or ():
        if hasattr(entry, "field_path"):
            source = {"fieldRef": {"fieldPath": entry.field_path}}
            yield {"name": entry.name, "valueFrom": source}
        else:
            yield to_manifest(entry)


def _env_sources(parameters: Parameters) -> list[Manifest]:
    sources = [to_manifest(entry) for entry in parameters.get("env_from") or ()]
    names = _strings(parameters.get("configmaps") or (), "configmaps")
    return sources + [{"configMapRef": {"name": name}} for name in names]


def _attach_secret(
    secret: Any,
    index: int,
    spec: Manifest,
    container: Manifest,
    environment: list[Manifest],
    sources: list[Manifest],
) -> None:
    """A Secret object of ``podlift.operators.secret``, or another one with the same attributes."""
    try:
        kind, target, name, key = (
            secret.deploy_type,
            secret.deploy_target,
            secret.secret,
            secret.key,
        )
    except AttributeError:
        path = f"secrets[{index}]"
        raise InvalidManifest(path, f"must be a Secret, not {secret!r}") from None
    if kind == "volume":
        volume = f"secret-{index}-{name}"[:63].rstrip("-.").replace(".", "-")
        source: Manifest = {"secretName": name}
        if secret.items:
            source["items"] = [_plain(item, "items") for item in secret.items]
        spec.setdefault("volumes", []).append({"name": volume, "secret": source})
        mount = {"name": volume, "mountPath": target, "readOnly": True}
        container.setdefault("volumeMounts", []).append(mount)
    elif key is None:
        sources.append({"secretRef": {"name": name}})
    else:
        reference = {"secretKeyRef": {"name": name, "key": key}}
        environment.append({"name": target, "valueFrom": reference})


# Laying one source over another


def _template(template: Manifest, base: str) -> Manifest:
    """A template's pod, its base container called by the name that the parameters use."""
    pod = to_manifest(template)
    pod.pop("status", None)  # model objects have one; it is the server's to write
    check_shape(pod, "the pod template")
    containers = pod.get("spec", {}).get("containers") or []
    if containers and base not in {each["name"] for each in containers}:
        containers[0]["name"] = base
    return pod


def _lay(below: Manifest, above: Manifest) -> Manifest:
    """A strategic merge, but ``envFrom`` is added to: whoever names a source means it as well."""
    merged = strategic_merge(below, above)
    before = {
        each["name"]: each.get("envFrom", [])
        for each in below.get("spec", {}).get("containers") or ()
    }
    for container in merged.get("spec", {}).get("containers") or ():
        kept = before.get(container["name"]) or []
        given = container.get("envFrom") or []
        added = [*kept, *(each for each in given if each not in kept)]
        if added:
            container["envFrom"] = added
    return merged


def _name(parameters: Parameters, prefix: str, identity: Identity) -> str:
    if not parameters.get("random_name_suffix", True):
        return prefix
    # The salt keeps it apart from the pod in which an executor runs the same try.
    return pod_name([prefix], f"operator:{identity.ti_id}", identity.launch)


def _labels(labels: Mapping[str, object] | None) -> dict[str, str]:
    """Labels are text; what a template rendered as None or a truth value is said in words."""
    return {name: _label(value) for name, value in (labels or {}).items()}


def _label(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
