"""Access from inside a pod, by the service account that the cluster put there.

https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from podlift.kube.access import Access, Tls
from podlift.kube.errors import ConfigurationError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# The kubelet replaces the token after 80 % of its life, which is an hour at the least.
_READ_AGAIN_AFTER = 60.0


def is_inside(environ: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> bool:
    """Whether this process runs in a pod that may talk to its cluster."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and (folder / "token").is_file()


def read_service_account(environ: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Access:
    """The pod's own access, to be read again every minute because its token is replaced in place.

    Raises ConfigurationError, saying which part is missing.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST")
    port = environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConfigurationError(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this process is "
            "not in a pod of a cluster. Use a kubeconfig instead of the in-cluster configuration."
        )
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        source=f"the service account in {folder}",
        namespace=_read(folder / "namespace", optional=True).decode().strip() or "default",
        headers=(("Authorization", f"Bearer {_read(folder / 'token').decode().strip()}"),),
        tls=Tls(ca=_read(folder / "ca.crt")),
        valid_until=time.time() + _READ_AGAIN_AFTER,
    )


def _read(path: Path, *, optional: bool = False) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return b""
        raise ConfigurationError(
            f"The pod's service account cannot be used: {path}: {error.strerror}. "
            "Is automountServiceAccountToken off for this pod?"
        ) from error
    if not content.strip() and not optional:
        raise ConfigurationError(f"The pod's service account cannot be used: {path} is empty.")
    return content
