"""Reads kubeconfig files: finds them, merges them, chooses a context.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

Plain data is read here, and only users with an exec plugin or an auth provider go through
kubernetes_asyncio (`plugins.py`). Importing it takes a quarter of a second of CPU and 37 MB in
every process, as much as the rest of this layer together: too much for reading a token.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from podlift.kube.access import Access, Tls
from podlift.kube.errors import ConfigurationError
from podlift.kube.plugins import PluginCredentials, ask_auth_provider, ask_exec_plugin

# As client-go does with a tokenFile, which somebody else may replace.
_READ_AGAIN_AFTER = 60.0


@dataclass(frozen=True)
class Entry:
    """A named context, cluster or user, and the file that it stands in."""

    name: str
    value: dict[str, Any]
    file: Path

    def get(self, key: str) -> str:
        """A text field; empty where it is not set."""
        value = self.value.get(key)
        return "" if value is None else str(value)

    def bytes_of(self, key: str) -> bytes | None:
        """What `KEY-data` (base64) holds, or the file named by `KEY`; None for neither."""
        if data := self.get(f"{key}-data"):
            try:
                return base64.b64decode(data, validate=True)
            except binascii.Error as error:
                raise ConfigurationError(
                    f"{key}-data of {self.name!r} in {self.file} is not base64: {error}"
                ) from error
        return self.read(key) if self.get(key) else None

    def read(self, key: str) -> bytes:
        """The content of the file named by `key`, which is relative to the kubeconfig."""
        path = self.file.parent / Path(self.get(key)).expanduser()
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{key} of {self.name!r} in {self.file} cannot be read: {path}: {error.strerror}"
            ) from error


@dataclass(frozen=True)
class Kubeconfig:
    """Some kubeconfig files as one. Of two entries with one name, the first file's counts."""

    files: tuple[Path, ...]
    current_context: str
    contexts: Mapping[str, Entry]
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]

    def context(self, name: str | None = None) -> Entry:
        """A context by name, or the current one. Raises ConfigurationError."""
        wanted = name or self.current_context
        if not wanted:
            raise ConfigurationError(
                f"{self._where} sets no current-context, so a context must be named: "
                f"{_choice(self.contexts)}."
            )
        if wanted not in self.contexts:
            raise ConfigurationError(
                f"Context {wanted!r} is not in {self._where}, which has {_choice(self.contexts)}."
            )
        return self.contexts[wanted]

    async def access(self, context_name: str | None = None) -> Access:
        """Access by a context; runs its user's exec plugin where there is one.

        Raises ConfigurationError.
        """
        context = self.context(context_name)
        cluster = self._part(context, "cluster", self.clusters)
        server = cluster.get("server").rstrip("/")
        if not server.startswith(("https://", "http://")):
            raise ConfigurationError(
                f"Cluster {cluster.name!r} in {cluster.file} has no usable server address, "
                f"but {server!r}."
            )
        user = self._part(context, "user", self.users) if context.get("user") else None
        credentials = await self._credentials(user, context) if user else PluginCredentials()
        return Access(
            server=server,
            source=f"context {context.name!r} of {context.file}",
            namespace=context.get("namespace") or "default",
            headers=tuple(_headers(user, credentials)),
            tls=_tls(cluster, user, credentials),
            proxy=cluster.get("proxy-url") or None,
            valid_until=credentials.valid_until,
        )

    async def _credentials(self, user: Entry, context: Entry) -> PluginCredentials:
        """What the user shows; as in client-go a token or password comes before any plugin."""
        if user.get("tokenFile"):
            token = user.read("tokenFile").decode().strip()
            return PluginCredentials(f"Bearer {token}", valid_until=time.time() + _READ_AGAIN_AFTER)
        if token := user.get("token"):
            return PluginCredentials(f"Bearer {token.strip()}")
        if user.get("username"):
            pair = f"{user.get('username')}:{user.get('password')}".encode()
            return PluginCredentials(f"Basic {base64.b64encode(pair).decode()}")
        if "exec" in user.value:
            return await ask_exec_plugin(user.value["exec"], user.name, user.file)
        if "auth-provider" in user.value:
            provider = str(user.value["auth-provider"].get("name", ""))
            return await ask_auth_provider(provider, self.files, context.name)
        return PluginCredentials()

    def _part(self, context: Entry, key: str, entries: Mapping[str, Entry]) -> Entry:
        name = context.get(key)
        if name not in entries:
            raise ConfigurationError(
                f"Context {context.name!r} in {context.file} names the {key} {name!r}, which is "
                f"not in {self._where}; there is {_choice(entries)}."
            )
        return entries[name]

    @property
    def _where(self) -> str:
        return " and ".join(map(str, self.files))


def find_files(config_file: str | Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The kubeconfig that was given, else those of KUBECONFIG, else ~/.kube/config.

    A path given by the caller may itself be several, joined as in KUBECONFIG. Raises
    ConfigurationError where there is none, saying where it looked.
    """
    if config_file:
        wanted, origin = str(config_file), "was given"
    elif environ.get("KUBECONFIG"):
        wanted, origin = environ["KUBECONFIG"], "is in KUBECONFIG"
    else:
        wanted, origin = "~/.kube/config", "is the usual place"
    paths = [Path(part).expanduser().absolute() for part in wanted.split(os.pathsep) if part]
    found = tuple(path for path in paths if path.is_file())
    if not found:
        raise ConfigurationError(
            f"There is no kubeconfig at {' or '.join(map(str, paths))}, which {origin}. "
            "Set KUBECONFIG or name a file; `podlift cluster up` starts a cluster on this machine."
        )
    return found


def read_kubeconfig(files: tuple[Path, ...]) -> Kubeconfig:
    """Reads and merges. Raises ConfigurationError for a file that is not a kubeconfig."""
    return _merged([(path, _load(path)) for path in files])


def kubeconfig_of(content: Mapping[str, Any], name: str = "the given kubeconfig") -> Kubeconfig:
    """A kubeconfig that is in no file. Raises ConfigurationError for what is not one.

    `name` stands for the file in messages; files that it mentions should have whole paths.
    """
    return _merged([(Path(name), dict(content))])


def _merged(contents: list[tuple[Path, dict[str, Any]]]) -> Kubeconfig:
    current = (str(content.get("current-context") or "") for _, content in contents)
    return Kubeconfig(
        files=tuple(path for path, _ in contents),
        current_context=next(filter(None, current), ""),
        contexts=_entries(contents, "contexts", "context"),
        clusters=_entries(contents, "clusters", "cluster"),
        users=_entries(contents, "users", "user"),
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a kubeconfig: it holds no mapping.")
    return content


def _entries(
    contents: list[tuple[Path, dict[str, Any]]], plural: str, singular: str
) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for path, content in contents:
        for item in content.get(plural) or []:
            if not isinstance(item, dict) or not isinstance(item.get(singular) or {}, dict):
                raise ConfigurationError(
                    f"{path} is not a kubeconfig: an item of {plural} is malformed."
                )
            name = str(item.get("name", ""))
            entries.setdefault(name, Entry(name, item.get(singular) or {}, path))
    return entries


def _headers(user: Entry | None, credentials: PluginCredentials) -> Iterator[tuple[str, str]]:
    """Who we are and, where the user says so, as whom we act.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
    """
    if credentials.authorization:
        yield "Authorization", credentials.authorization
    if user is None or not user.get("as"):
        return
    yield "Impersonate-User", user.get("as")
    if user.get("as-uid"):
        yield "Impersonate-Uid", user.get("as-uid")
    for group in user.value.get("as-groups") or []:
        yield "Impersonate-Group", str(group)
    for key, values in (user.value.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{key}", str(value)


def _tls(cluster: Entry, user: Entry | None, credentials: PluginCredentials) -> Tls:
    certificate, key = credentials.certificate, credentials.key
    if certificate is None and user is not None:
        certificate, key = user.bytes_of("client-certificate"), user.bytes_of("client-key")
    return Tls(
        ca=cluster.bytes_of("certificate-authority"),
        certificate=certificate,
        key=key,
        verify=cluster.value.get("insecure-skip-tls-verify") is not True,
        server_name=cluster.get("tls-server-name") or None,
    )


def _choice(entries: Mapping[str, Entry]) -> str:
    return ", ".join(sorted(entries)) or "none at all"
