"""The mistakes that people make in pods, in the API server's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podlift.local import quantities
from podlift.local.api.rules.names import (
    check_dns_label,
    check_label_key,
    check_labels,
    check_subdomain,
    duplicate,
    forbidden_value,
    invalid_value,
    required,
    unsupported,
)
from podlift.local.errors import Cause
from podlift.local.kinds import Obj

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_MOST_SECONDS = 2**31 - 1


def check_pod(pod: Obj) -> list[Cause]:
    """Everything that is wrong with a pod's spec."""
    return check_pod_spec(pod["spec"], "spec")


def check_template(template: Obj, field: str) -> list[Cause]:
    """Everything that is wrong with a pod template."""
    meta = template.get("metadata") or {}
    causes = check_labels(f"{field}.metadata.labels", meta.get("labels"))
    return causes + check_pod_spec(template.get("spec") or {}, f"{field}.spec")


def check_pod_spec(spec: Obj, field: str) -> list[Cause]:
    """Volumes, containers and the fields beside them."""
    causes, volumes = _check_volumes(spec.get("volumes") or (), f"{field}.volumes")
    names: set[str] = set()
    causes += _check_containers(spec, field, "containers", volumes, names)
    causes += _check_containers(spec, field, "initContainers", volumes, names)
    if not spec.get("containers"):
        causes.append(required(f"{field}.containers"))
    causes += _check_choices(spec, field)
    causes += _check_numbers(spec, field)
    causes += check_labels(f"{field}.nodeSelector", spec.get("nodeSelector"))
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        causes += _check_toleration(toleration, f"{field}.tolerations[{index}]")
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        causes += check_label_key(f"{field}.schedulingGates[{index}].name", gate.get("name", ""))
    if spec.get("hostname"):
        causes += check_dns_label(f"{field}.hostname", spec["hostname"])
    if spec.get("schedulingGates") and spec.get("nodeName"):
        text = "cannot be set until all schedulingGates have been cleared"
        causes.append(forbidden_value(f"{field}.nodeName", text))
    return causes


def _check_choices(spec: Obj, field: str) -> list[Cause]:
    causes = []
    if spec["restartPolicy"] not in _RESTART_POLICIES:
        choices = _RESTART_POLICIES
        causes.append(unsupported(f"{field}.restartPolicy", spec["restartPolicy"], choices))
    if spec["dnsPolicy"] not in _DNS_POLICIES:
        causes.append(unsupported(f"{field}.dnsPolicy", spec["dnsPolicy"], _DNS_POLICIES))
    if spec.get("serviceAccountName"):
        causes += check_subdomain(f"{field}.serviceAccountName", spec["serviceAccountName"])
    return causes


def _check_numbers(spec: Obj, field: str) -> list[Cause]:
    causes = []
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MOST_SECONDS:
        text = f"must be between 1 and {_MOST_SECONDS}, inclusive"
        causes.append(invalid_value(f"{field}.activeDeadlineSeconds", deadline, text))
    grace = spec["terminationGracePeriodSeconds"]
    if grace < 0:
        text = "must be greater than or equal to 0"
        causes.append(invalid_value(f"{field}.terminationGracePeriodSeconds", grace, text))
    return causes


def _check_toleration(toleration: Obj, field: str) -> list[Cause]:
    causes = []
    operator, key = toleration.get("operator") or "Equal", toleration.get("key") or ""
    if operator not in ("Equal", "Exists", "Gt", "Lt"):
        causes.append(unsupported(f"{field}.operator", operator, ("Equal", "Exists")))
    if not key and operator != "Exists":
        text = (
            "operator must be Exists when `key` is empty, "
            'which means "match all values and all keys"'
        )
        causes.append(invalid_value(f"{field}.operator", operator, text))
    if toleration.get("effect") and toleration["effect"] not in _EFFECTS:
        causes.append(unsupported(f"{field}.effect", toleration["effect"], _EFFECTS))
    return causes


def _check_volumes(volumes: Iterable[Obj], field: str) -> tuple[list[Cause], set[str]]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        at = f"{field}[{index}]"
        name = volume.get("name") or ""
        if not name:
            causes.append(required(f"{at}.name"))
        elif name in names:
            causes.append(duplicate(f"{at}.name", name))
        else:
            causes += check_dns_label(f"{at}.name", name)
        names.add(name)
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        for extra in sources[1:]:
            text = "may not specify more than 1 volume type"
            causes.append(forbidden_value(f"{at}.{extra}", text))
        causes += _check_source(volume, at)
    return causes, names


def _check_source(volume: Obj, at: str) -> list[Cause]:
    needs = (
        ("hostPath", "path"),
        ("secret", "secretName"),
        ("configMap", "name"),
        ("persistentVolumeClaim", "claimName"),
    )
    return [
        required(f"{at}.{source}.{key}")
        for source, key in needs
        if volume.get(source) is not None and not volume[source].get(key)
    ]


def _check_containers(
    spec: Obj, field: str, which: str, volumes: set[str], names: set[str]
) -> list[Cause]:
    causes: list[Cause] = []
    for index, container in enumerate(spec.get(which) or ()):
        at = f"{field}.{which}[{index}]"
        name = container.get("name") or ""
        if not name:
            causes.append(required(f"{at}.name"))
        else:
            causes += check_dns_label(f"{at}.name", name)
        causes += _check_image(container, at)
        if name in names:
            causes.append(duplicate(f"{at}.name", name))
        names.add(name)
        causes += _check_env(container, at)
        causes += _check_mounts(container, at, volumes)
        causes += _check_container_choices(container, at, which)
        causes += check_resources(container.get("resources") or {}, f"{at}.resources")
    return causes


def _check_image(container: Obj, at: str) -> list[Cause]:
    image = container.get("image") or ""
    if not image:
        return [required(f"{at}.image")]
    if image != image.strip():
        return [invalid_value(f"{at}.image", image, "must not have leading or trailing whitespace")]
    return []


def _check_container_choices(container: Obj, at: str, which: str) -> list[Cause]:
    causes = []
    policy = container["imagePullPolicy"]
    if policy not in _PULL_POLICIES:
        causes.append(unsupported(f"{at}.imagePullPolicy", policy, _PULL_POLICIES))
    message = container["terminationMessagePolicy"]
    if message not in ("File", "FallbackToLogsOnError"):
        choices = ("File", "FallbackToLogsOnError")
        causes.append(unsupported(f"{at}.terminationMessagePolicy", message, choices))
    restart = container.get("restartPolicy")
    if restart and which == "initContainers" and restart not in ("Always", "Never", "OnFailure"):
        causes.append(unsupported(f"{at}.restartPolicy", restart, _RESTART_POLICIES))
    return causes


def _check_env(container: Obj, at: str) -> list[Cause]:
    causes = []
    for index, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        where = f"{at}.env[{index}]"
        if not name:
            causes.append(required(f"{where}.name"))
        elif "=" in name or not name.isprintable():
            text = (
                "a valid environment variable name must consist only of printable ASCII "
                "characters other than '='"
            )
            causes.append(invalid_value(f"{where}.name", name, text))
        if variable.get("value") and variable.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            causes.append(invalid_value(f"{where}.valueFrom", "", text))
    return causes


def _check_mounts(container: Obj, at: str, volumes: set[str]) -> list[Cause]:
    causes = []
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{at}.volumeMounts[{index}]"
        name, path = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            causes.append(required(f"{where}.name"))
        elif name not in volumes:
            causes.append(Cause("FieldValueNotFound", f"{where}.name", f'Not found: "{name}"'))
        if not path:
            causes.append(required(f"{where}.mountPath"))
        if path in paths:
            causes.append(invalid_value(f"{where}.mountPath", path, "must be unique"))
        paths.add(path)
    return causes


def check_resources(resources: Obj, at: str) -> list[Cause]:
    """Requests and limits: not negative, and no request above its limit."""
    causes = []
    limits = resources.get("limits") or {}
    for part in ("limits", "requests"):
        for name, quantity in (resources.get(part) or {}).items():
            if quantities.parse(str(quantity)) < 0:
                text = "must be greater than or equal to 0"
                causes.append(invalid_value(f"{at}.{part}[{name}]", str(quantity), text))
    for name, request in (resources.get("requests") or {}).items():
        limit = limits.get(name)
        if limit is not None and quantities.parse(str(request)) > quantities.parse(str(limit)):
            text = f"must be less than or equal to {name} limit of {limit}"
            causes.append(invalid_value(f"{at}.requests", str(request), text))
    return causes


_UPDATE_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def check_pod_update(new: Obj, old: Obj) -> list[Cause]:
    """Most of a pod's spec is fixed once it is made.

    See https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement
    """
    before, after = _fixed(old["spec"]), _fixed(new["spec"])
    causes = _check_gates(new["spec"], old["spec"])
    kept = old["spec"].get("tolerations") or []
    if any(one not in (new["spec"].get("tolerations") or ()) for one in kept):
        text = "existing toleration can not be modified except its tolerationSeconds"
        causes.append(forbidden_value("spec.tolerations", text))
    gated = bool(old["spec"].get("schedulingGates"))
    loose = ("nodeSelector", "affinity") if gated else ()
    changed = [
        key
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in loose
    ]
    if changed:
        shown = "".join(
            f"\n- {key}: {_shown(before.get(key))}\n+ {key}: {_shown(after.get(key))}"
            for key in changed
        )
        causes.append(forbidden_value("spec", f"{_UPDATE_RULE}{shown}"))
    return causes


def _check_gates(new: Obj, old: Obj) -> list[Cause]:
    before = {gate["name"] for gate in old.get("schedulingGates") or ()}
    added = [
        gate["name"] for gate in new.get("schedulingGates") or () if gate["name"] not in before
    ]
    if not added:
        return []
    text = f"only deletion is allowed, but found new scheduling gate '{added[0]}'"
    return [forbidden_value("spec.schedulingGates", text)]


def _fixed(spec: Obj) -> Obj:
    """The part of a spec that may not change."""
    free = ("activeDeadlineSeconds", "tolerations", "schedulingGates")
    fixed = {key: value for key, value in spec.items() if key not in free and value is not None}
    for which in ("containers", "initContainers"):
        if fixed.get(which):
            fixed[which] = [
                {key: value for key, value in one.items() if key != "image"} for one in fixed[which]
            ]
    return fixed


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
