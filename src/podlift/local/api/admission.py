"""What may be created although it is well formed: namespaces, accounts, priorities, quota.

See https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from podlift.local import errors
from podlift.local.api import limits
from podlift.local.api.rules.pod_defaults import mount_service_account
from podlift.local.controllers.quota import exceeded
from podlift.local.errors import Cause
from podlift.local.kinds import LIMITRANGE, NAMESPACE, POD, RESOURCEQUOTA, SERVICEACCOUNT, Kind, Obj
from podlift.local.store import Store

#: Priority classes that every cluster has.
_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def check_namespace(store: Store, kind: Kind, meta: Obj) -> None:
    """Nothing is made in a namespace that is not there or is going away."""
    if not kind.namespaced:
        return
    name = meta["namespace"]
    namespace = store.find(NAMESPACE, None, name)
    if namespace is None:
        raise errors.not_found(NAMESPACE, name)
    if namespace["metadata"].get("deletionTimestamp"):
        raise errors.forbidden(
            kind,
            meta.get("name", ""),
            f"unable to create new content in namespace {name} because it is being terminated",
            [
                Cause(
                    "NamespaceTerminating",
                    "metadata.namespace",
                    f"namespace {name} is being terminated",
                )
            ],
        )


def before_defaults(store: Store, kind: Kind, body: Obj) -> None:
    """Resolve a pod's priority class, and apply the limits of its namespace."""
    if kind is not POD:
        return
    spec = body["spec"]
    name = spec.get("priorityClassName")
    if name:
        if name not in _PRIORITIES:
            why = f"no PriorityClass with name {name} was found"
            raise errors.forbidden(POD, body["metadata"].get("name", ""), why)
        spec["priority"] = _PRIORITIES[name]
    limits.apply(store.list(LIMITRANGE, body["metadata"]["namespace"]), body)


def after_defaults(store: Store, kind: Kind, body: Obj) -> None:
    """Give a pod its service account's token and image pull secrets."""
    if kind is not POD:
        return
    meta, spec = body["metadata"], body["spec"]
    name = spec["serviceAccountName"]
    account = store.find(SERVICEACCOUNT, meta["namespace"], name)
    if account is None:
        why = (
            f"error looking up service account {meta['namespace']}/{name}: "
            f'serviceaccount "{name}" not found'
        )
        raise errors.forbidden(POD, meta.get("name", ""), why)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    mount = spec.get("automountServiceAccountToken")
    if mount is None:
        mount = account.get("automountServiceAccountToken")
    if mount is not False:
        mount_service_account(spec)


def check_quota(store: Store, kind: Kind, body: Obj) -> None:
    """Refuse a pod that would exceed a quota of its namespace."""
    if kind is not POD:
        return
    meta = body["metadata"]
    quotas = store.list(RESOURCEQUOTA, meta["namespace"])
    if not quotas:
        return
    why = exceeded(quotas, store.list(POD, meta["namespace"]), body)
    if why:
        raise errors.forbidden(POD, meta["name"], why)
