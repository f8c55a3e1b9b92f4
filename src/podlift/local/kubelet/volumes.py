"""A pod's volumes as folders of this machine.

See https://kubernetes.io/docs/concepts/storage/volumes/. Files made from objects are written when
the pod starts and do not follow later changes of the object.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.environment import ConfigError, expand, field_value, resource_value
from podlift.local.kubelet.mounts import Mount

SERVICE_ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_ACCESS_VOLUME = "kube-api-access"
_ROOT_CA = "kube-root-ca.crt"
_DEFAULT_MODE = 0o644


class VolumeError(Exception):
    """A volume is not there (yet); the message is that of the FailedMount event."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where volumes come from: objects of the pod's namespace, claims and credentials."""

    secret: Callable[[str], Obj | None]
    config_map: Callable[[str], Obj | None]
    claim_folder: Callable[[str], Path]
    #: Where credentials are kept once for all pods of an account.
    credentials: Path
    token: Callable[[str], str]
    ca_certificate: str
    allocatable: Mapping[str, str]


def set_up(pod: Obj, folder: Path, sources: Sources) -> dict[str, Path]:
    """Make all volumes of *pod* below *folder*; returns where each is.

    May be called again after a failure. Raises :class:`VolumeError`.
    """
    volumes = {}
    for volume in [*(pod["spec"].get("volumes") or ()), *_implicit(pod)]:
        name = volume["name"]
        try:
            volumes[name] = _set_up(pod, volume, folder / name, sources)
        except (ConfigError, OSError) as error:
            why = error if isinstance(error, ConfigError) else f"{error.strerror}: {error.filename}"
            raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {why}') from error
    return volumes


def container_mounts(
    pod: Obj, container: Obj, volumes: Mapping[str, Path], variables: Mapping[str, str]
) -> list[Mount]:
    """Where *container* sees which volume; makes sub-paths that do not exist."""
    made = _made_from_objects(pod)
    found: list[Mount] = []
    nesting = []
    for mount in [*(container.get("volumeMounts") or ()), *_implicit_mounts(pod, container)]:
        source = volumes[mount["name"]]
        if mount.get("subPathExpr"):
            source = _sub_path(source, expand(mount["subPathExpr"], variables))
        elif mount.get("subPath"):
            source = _sub_path(source, mount["subPath"])
        target = os.path.realpath(mount["mountPath"])
        read_only = bool(mount.get("readOnly")) or mount["name"] in made
        found.append(Mount(str(source), target, read_only))
        if mount["name"] in made:
            nesting.append(found[-1])
    for outer in nesting:
        _make_places(outer, found)
    return found


def _made_from_objects(pod: Obj) -> set[str]:
    """The volumes that no container may write to, whatever the mount says.

    See https://kubernetes.io/docs/concepts/storage/volumes/#secret.
    """
    kinds = ("configMap", "secret", "downwardAPI", "projected")
    volumes = pod["spec"].get("volumes") or ()
    return {volume["name"] for volume in volumes if any(kind in volume for kind in kinds)}


def _make_places(outer: Mount, mounts: Sequence[Mount]) -> None:
    """Make room in a volume that will be read-only for the mounts inside it."""
    for inner in mounts:
        if inner.target.startswith(outer.target + "/"):
            place = Path(outer.source + inner.target[len(outer.target) :])
            if os.path.isdir(inner.source):
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()


def is_service_account_mount(mount: Obj) -> bool:
    """Whether a mount is the credentials' that every pod gets."""
    return bool(mount["mountPath"].rstrip("/") == SERVICE_ACCOUNT_PATH)


def needs_sandbox(pod: Obj, container: Obj) -> Obj | None:
    """The first mount that a container without a mount namespace cannot have, if any.

    A hostPath at its own path is there anyway; credentials go missing silently.
    """
    host_paths = {
        volume["name"]: volume["hostPath"]["path"]
        for volume in pod["spec"].get("volumes") or ()
        if "hostPath" in volume
    }
    for mount in container.get("volumeMounts") or ():
        if is_service_account_mount(mount):
            continue
        path = host_paths.get(mount["name"])
        same = path is not None and not mount.get("subPath") and not mount.get("subPathExpr")
        if not (same and Mount(str(path), os.path.realpath(mount["mountPath"])).in_place):
            return dict(mount)
    return None


def unmountable(pod: Obj) -> Obj | None:
    """The first mount of the pod that needs a mount namespace, if any."""
    spec = pod["spec"]
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        mount = needs_sandbox(pod, container)
        if mount is not None:
            return mount
    return None


def _implicit(pod: Obj) -> list[Obj]:
    """The credentials' volume, where the API server has not put it into the spec."""
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    wanted = any(_implicit_mounts(pod, container) for container in containers)
    if not wanted:
        return []
    sources = [
        {"serviceAccountToken": {"path": "token"}},
        {"configMap": {"name": _ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return [{"name": _ACCESS_VOLUME, "projected": {"sources": sources}}]


def _implicit_mounts(pod: Obj, container: Obj) -> list[Obj]:
    mounted = any(is_service_account_mount(mount) for mount in container.get("volumeMounts") or ())
    if mounted or pod["spec"].get("automountServiceAccountToken") is False:
        return []
    return [{"name": _ACCESS_VOLUME, "mountPath": SERVICE_ACCOUNT_PATH, "readOnly": True}]


def _set_up(pod: Obj, volume: Obj, folder: Path, sources: Sources) -> Path:
    if "hostPath" in volume:
        return _host_path(volume["hostPath"])
    if "persistentVolumeClaim" in volume:
        path = sources.claim_folder(volume["persistentVolumeClaim"]["claimName"])
        path.mkdir(parents=True, exist_ok=True)
        return path
    if "emptyDir" in volume:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        return folder
    if volume["name"].startswith(_ACCESS_VOLUME) and "projected" in volume:
        return _credentials(pod, volume, sources)
    files = _projections(pod, volume, sources)
    if files is None:
        kind = next((key for key in volume if key != "name"), "unknown")
        raise ConfigError(f"the local cluster has no volumes of kind {kind}")
    _write_all(folder, files)
    return folder


def _credentials(pod: Obj, volume: Obj, sources: Sources) -> Path:
    """The same files for all pods of a service account, written for the first of them."""
    folder = sources.credentials / (pod["spec"].get("serviceAccountName") or "default")
    if not folder.exists():
        files = _projections(pod, volume, sources)
        assert files is not None
        _write_all(folder, files)
    return folder


def _host_path(source: Obj) -> Path:
    path, kind = Path(source["path"]), source.get("type", "")
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    tests: dict[str, Callable[[int], bool]] = {
        "Directory": stat.S_ISDIR,
        "DirectoryOrCreate": stat.S_ISDIR,
        "File": stat.S_ISREG,
        "FileOrCreate": stat.S_ISREG,
        "Socket": stat.S_ISSOCK,
        "CharDevice": stat.S_ISCHR,
        "BlockDevice": stat.S_ISBLK,
    }
    if not path.exists():
        if kind:
            raise ConfigError(f"hostPath type check failed: {path} is not a {_spoken(kind)}")
        path.mkdir(parents=True)
    elif kind and not tests[kind](path.stat().st_mode):
        raise ConfigError(f"hostPath type check failed: {path} is not a {_spoken(kind)}")
    return path


def _spoken(kind: str) -> str:
    return {
        "Directory": "directory",
        "DirectoryOrCreate": "directory",
        "File": "file",
        "FileOrCreate": "file",
        "Socket": "socket",
        "CharDevice": "character device",
        "BlockDevice": "block device",
    }[kind]


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    mode: int


def _projections(pod: Obj, volume: Obj, sources: Sources) -> dict[str, _File] | None:
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            return _projection(pod, {kind: volume[kind]}, _mode(volume[kind]), sources)
    if "projected" not in volume:
        return None
    files: dict[str, _File] = {}
    for source in volume["projected"].get("sources") or ():
        files |= _projection(pod, source, _mode(volume["projected"]), sources)
    return files


def _mode(source: Obj) -> int:
    return int(source.get("defaultMode") or _DEFAULT_MODE)


def _projection(pod: Obj, source: Obj, mode: int, sources: Sources) -> dict[str, _File]:
    if "serviceAccountToken" in source:
        account = pod["spec"].get("serviceAccountName") or "default"
        token = sources.token(account).encode()
        return {source["serviceAccountToken"]["path"]: _File(token, mode)}
    if "downwardAPI" in source:
        return {
            item["path"]: _File(_downward(pod, item, sources).encode(), item.get("mode") or mode)
            for item in source["downwardAPI"].get("items") or ()
        }
    if "secret" in source:
        reference, kind = source["secret"], "secret"
        name = reference.get("secretName") or reference["name"]
        found = sources.secret(name)
        data = {k: base64.b64decode(v) for k, v in ((found or {}).get("data") or {}).items()}
    elif "configMap" in source:
        reference, kind = source["configMap"], "configmap"
        name = reference["name"]
        found = sources.config_map(name)
        if found is None and name == _ROOT_CA:
            found = {"data": {"ca.crt": sources.ca_certificate}}
        data = _config_map_data(found or {})
    else:
        raise ConfigError(f"the local cluster has no projected volumes of {', '.join(source)}")
    if found is None:
        # The second one is put into every pod and exists only on some clusters.
        if reference.get("optional") or name == "openshift-service-ca.crt":
            return {}
        raise ConfigError(f'{kind} "{name}" not found')
    return _chosen(reference, data, mode)


def _config_map_data(config_map: Obj) -> dict[str, bytes]:
    data = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
    for key, value in (config_map.get("binaryData") or {}).items():
        data[key] = base64.b64decode(value)
    return data


def _chosen(reference: Obj, data: Mapping[str, bytes], mode: int) -> dict[str, _File]:
    items = reference.get("items")
    if not items:
        return {key: _File(value, mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = _File(data[item["key"]], item.get("mode") or mode)
        elif not reference.get("optional"):
            raise ConfigError(f"references non-existent config key: {item['key']}")
    return files


def _downward(pod: Obj, item: Obj, sources: Sources) -> str:
    if "fieldRef" in item:
        return field_value(pod, item["fieldRef"]["fieldPath"])
    return resource_value(pod, item["resourceFieldRef"], None, sources.allocatable)


def _write_all(folder: Path, files: Mapping[str, _File]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(file.mode)


def _sub_path(source: Path, sub_path: str) -> Path:
    path = source / sub_path
    if not path.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f'subPath "{sub_path}" leaves its volume')
    if not path.exists():
        path.mkdir(parents=True)
    return path
