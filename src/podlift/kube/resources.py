"""The kinds of object we ask for, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A kind of object, with what is needed to write its path.

    See https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str = ""
    ) -> str:
        """The path of one object, of a namespace's objects, or of all objects.

        Raises ValueError for a namespace where there are none, and for an object of a namespace
        when no namespace is given: both would quietly address something else.
        """
        if namespace is not None and not self.namespaced:
            raise ValueError(
                f"{self.plural} do not live in namespaces, but {namespace!r} was given"
            )
        if namespace is None and self.namespaced and name is not None:
            raise ValueError(f"{self.plural} live in namespaces: say which one holds {name!r}")
        if name == "":
            raise ValueError(f"an empty name would address all {self.plural}")
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


PODS = Resource("v1", "Pod", "pods")
EVENTS = Resource("v1", "Event", "events")
SECRETS = Resource("v1", "Secret", "secrets")
CONFIGMAPS = Resource("v1", "ConfigMap", "configmaps")
PVCS = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
RESOURCE_QUOTAS = Resource("v1", "ResourceQuota", "resourcequotas")
SERVICES = Resource("v1", "Service", "services")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
NODES = Resource("v1", "Node", "nodes", namespaced=False)
JOBS = Resource("batch/v1", "Job", "jobs")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io/v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
)
