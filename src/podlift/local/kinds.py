"""The kinds that the local cluster serves, and how each is named in the API.

The names, short names and verbs are those of the discovery documents of a real API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: A Kubernetes object as it travels: a dict that matches the API.
Obj = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A path below an object, such as ``pods/NAME/log``."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


# Compared and hashed by identity: there is one object per kind, and it keys the hottest dicts.
@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of object: its group, version, names and what can be done with it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    #: Objects with a spec carry metadata.generation, which counts changes of the spec.
    has_generation: bool = False

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``, as in an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The lower-case name that kubectl accepts beside the plural."""
        return self.kind.lower()

    @property
    def has_status(self) -> bool:
        """Whether status is written through a subresource of its own."""
        return any(sub.name == "status" for sub in self.subresources)

    @property
    def qualified(self) -> str:
        """``pods`` or ``jobs.batch``: the resource as error messages call it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, ("get", "patch", "update"))


NAMESPACE = Kind(
    "",
    "v1",
    "Namespace",
    "namespaces",
    namespaced=False,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    short_names=("ns",),
    subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
)
NODE = Kind(
    "",
    "v1",
    "Node",
    "nodes",
    namespaced=False,
    short_names=("no",),
    subresources=(_status("Node"),),
)
POD = Kind(
    "",
    "v1",
    "Pod",
    "pods",
    short_names=("po",),
    categories=("all",),
    has_generation=True,
    subresources=(
        Subresource("attach", "PodAttachOptions", ("create", "get")),
        Subresource("binding", "Binding", ("create",)),
        Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
        Subresource("exec", "PodExecOptions", ("create", "get")),
        Subresource("log", "Pod", ("get",)),
        _status("Pod"),
    ),
)
EVENT = Kind("", "v1", "Event", "events", short_names=("ev",))
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIGMAP = Kind("", "v1", "ConfigMap", "configmaps", short_names=("cm",))
PERSISTENTVOLUMECLAIM = Kind(
    "",
    "v1",
    "PersistentVolumeClaim",
    "persistentvolumeclaims",
    short_names=("pvc",),
    subresources=(_status("PersistentVolumeClaim"),),
)
SERVICEACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", short_names=("sa",))
RESOURCEQUOTA = Kind(
    "",
    "v1",
    "ResourceQuota",
    "resourcequotas",
    short_names=("quota",),
    subresources=(_status("ResourceQuota"),),
)
LIMITRANGE = Kind("", "v1", "LimitRange", "limitranges", short_names=("limits",))
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
JOB = Kind(
    "batch",
    "v1",
    "Job",
    "jobs",
    categories=("all",),
    has_generation=True,
    subresources=(_status("Job"),),
)

#: Every kind that is stored, in the order of discovery.
KINDS: tuple[Kind, ...] = (
    CONFIGMAP,
    EVENT,
    LIMITRANGE,
    NAMESPACE,
    NODE,
    PERSISTENTVOLUMECLAIM,
    POD,
    RESOURCEQUOTA,
    SECRET,
    SERVICEACCOUNT,
    LEASE,
    JOB,
)

#: Kinds that are asked a question and never stored.
REVIEWS: tuple[Kind, ...] = (
    Kind(
        "authorization.k8s.io",
        "v1",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        namespaced=False,
        verbs=("create",),
    ),
    Kind(
        "authorization.k8s.io",
        "v1",
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        namespaced=False,
        verbs=("create",),
    ),
    Kind(
        "authentication.k8s.io",
        "v1",
        "SelfSubjectReview",
        "selfsubjectreviews",
        namespaced=False,
        verbs=("create",),
    ),
)

_BY_PLURAL = {(kind.group, kind.version, kind.plural): kind for kind in KINDS + REVIEWS}
_BY_KIND = {(kind.api_version, kind.kind): kind for kind in KINDS}


def kind_of_resource(group: str, version: str, plural: str) -> Kind | None:
    """The kind behind ``/apis/GROUP/VERSION/…/PLURAL``, or None where none is served."""
    return _BY_PLURAL.get((group, version, plural))


def kind_of_object(api_version: str, kind: str) -> Kind | None:
    """The stored kind that an object (or an owner reference) names, or None."""
    return _BY_KIND.get((api_version, kind))
