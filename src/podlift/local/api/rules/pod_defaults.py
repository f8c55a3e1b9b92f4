"""What an API server adds to a pod that was posted without it.

See the defaults in https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

import secrets
from itertools import chain

from podlift.local import quantities
from podlift.local.kinds import Obj
from podlift.local.store import now

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_FILES_MODE = 0o644
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_ACCESS_VOLUME = "kube-api-access-"

#: Longer than an hour, so that a token which is renewed at 80 % lives for one.
_TOKEN_SECONDS = 3607


def suffix(length: int = 5) -> str:
    """Random letters as generateName adds them: no vowels, nothing easily confused."""
    return "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(length))


def fill_pod(pod: Obj) -> None:
    """Fill in a new pod's spec and first status."""
    fill_template_spec(pod["spec"])
    spec = pod["spec"]
    spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    _tolerate_node_trouble(spec)
    pod["status"] = _first_status(spec)


def fill_template_spec(spec: Obj) -> None:
    """The defaults that a pod template gets as well."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for volume in spec.get("volumes") or ():
        _fill_volume(volume)
    for container in all_containers(spec):
        _fill_container(container)


def all_containers(spec: Obj) -> chain[Obj]:
    """Init containers and containers."""
    return chain(spec.get("initContainers") or (), spec.get("containers") or ())


def mount_service_account(spec: Obj) -> None:
    """Give every container the token of the pod's service account."""
    if any(one["name"].startswith(_ACCESS_VOLUME) for one in spec.get("volumes") or ()):
        return
    bare = [
        container
        for container in all_containers(spec)
        if all(m.get("mountPath") != _TOKEN_PATH for m in container.get("volumeMounts") or ())
    ]
    if not bare:
        return
    name = _ACCESS_VOLUME + suffix()
    spec["volumes"] = [*(spec.get("volumes") or ()), _access_volume(name)]
    mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}
    for container in bare:
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), dict(mount)]


def qos_class(spec: Obj) -> str:
    """See https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    asked = False
    guaranteed = True
    for container in all_containers(spec):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            request, limit = requests.get(name), limits.get(name)
            asked = asked or request is not None or limit is not None
            if limit is None or quantities.parse(str(limit)) != quantities.parse(
                str(request if request is not None else limit)
            ):
                guaranteed = False
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _first_status(spec: Obj) -> Obj:
    status: Obj = {"phase": "Pending"}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": now(),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    return status | {"qosClass": qos_class(spec)}


def _access_volume(name: str) -> Obj:
    namespace = {
        "path": "namespace",
        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
    }
    sources: list[Obj] = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": _FILES_MODE}}


def _tolerate_node_trouble(spec: Obj) -> None:
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(one.get("key") in (key, None) and _no_execute(one) for one in tolerations):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
            )
    spec["tolerations"] = tolerations


def _no_execute(toleration: Obj) -> bool:
    return toleration.get("effect") in (None, "", "NoExecute")


def _fill_container(container: Obj) -> None:
    resources = container.setdefault("resources", {})
    limits = resources.get("limits")
    if limits:
        requests = resources.get("requests") or {}
        resources["requests"] = {**limits, **requests}
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = _pull_policy(container.get("image") or "")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if source.get("fieldRef"):
            source["fieldRef"].setdefault("apiVersion", "v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            _fill_probe(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _fill_http(hook)


def _pull_policy(image: str) -> str:
    last = image.rsplit("/", 1)[-1]
    tagged = "@" in last or (":" in last and not last.endswith(":latest"))
    return "IfNotPresent" if tagged else "Always"


def _fill_probe(probe: Obj) -> None:
    for name, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(name):
            probe[name] = value
    _fill_http(probe)


def _fill_http(handler: Obj) -> None:
    request = handler.get("httpGet")
    if request:
        request.setdefault("path", "/")
        request.setdefault("scheme", "HTTP")


def _fill_volume(volume: Obj) -> None:
    if not any(key != "name" and value is not None for key, value in volume.items()):
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "projected", "downwardAPI"):
        if volume.get(source) is not None:
            volume[source].setdefault("defaultMode", _FILES_MODE)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    for item in _downward_items(volume):
        if item.get("fieldRef"):
            item["fieldRef"].setdefault("apiVersion", "v1")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken"):
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)


def _downward_items(volume: Obj) -> list[Obj]:
    items = list((volume.get("downwardAPI") or {}).get("items") or ())
    for source in (volume.get("projected") or {}).get("sources") or ():
        items += (source.get("downwardAPI") or {}).get("items") or ()
    return items
