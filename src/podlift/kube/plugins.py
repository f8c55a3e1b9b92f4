"""Credentials that a program or an identity provider hands out, through kubernetes_asyncio.

It is imported when such a user is met, and not before: the import pulls in a thousand generated
classes.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import aiohttp

from podlift.kube.errors import ConfigurationError

_AUTH_PROVIDERS = ("oidc", "gcp")

# New credentials are asked for a little before the old ones end, so that no request goes out with
# credentials that die under way.
_EARLY = 30.0

# The library keeps an auth provider's token until it ends, so asking often is cheap.
_ASK_PROVIDER_AGAIN_AFTER = 60.0


@dataclass(frozen=True)
class PluginCredentials:
    """What to show the server: an Authorization header, a client certificate, both or neither."""

    authorization: str | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    valid_until: float | None = None


async def ask_exec_plugin(
    config: Mapping[str, Any], user: str, kubeconfig: Path
) -> PluginCredentials:
    """Runs a user's exec plugin and reads the credentials that it prints.

    Raises ConfigurationError with the plugin's own words where it fails.
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    library = await asyncio.to_thread(
        importlib.import_module, "kubernetes_asyncio.config.kube_config"
    )
    command = str(config.get("command", ""))
    if os.sep in command:
        command = str(kubeconfig.parent / Path(command).expanduser())
    node = library.ConfigNode(f"users[name={user}]/exec", {**config, "command": command})
    try:
        status = await library.ExecProvider(node).run()
    except (library.ConfigException, OSError) as error:
        hint = str(config.get("installHint") or "").strip()
        raise ConfigurationError(
            f"The credential plugin {command!r} of user {user!r} in {kubeconfig} failed: {error}"
            + (f"\n{hint}" if hint else "")
        ) from error
    if "token" not in status and "clientCertificateData" not in status:
        raise ConfigurationError(
            f"The credential plugin {command!r} of user {user!r} gave neither a token "
            "nor a certificate."
        )
    return _from_exec_status(status)


def _from_exec_status(status: Mapping[str, str]) -> PluginCredentials:
    token = status.get("token")
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    return PluginCredentials(
        authorization=f"Bearer {token}" if token else None,
        certificate=certificate.encode() if certificate else None,
        key=key.encode() if key else None,
        valid_until=_moment_before(status.get("expirationTimestamp")),
    )


def _moment_before(expiry: str | None) -> float | None:
    """When to ask again for credentials that end at `expiry`, which may have passed."""
    if not expiry:
        return None
    try:
        end = datetime.fromisoformat(expiry)
    except ValueError as error:
        raise ConfigurationError(
            f"The credential plugin gave the expirationTimestamp {expiry!r}, which is not a time."
        ) from error
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() - _EARLY


async def ask_auth_provider(
    provider: str, files: tuple[Path, ...], context: str
) -> PluginCredentials:
    """The token of an OpenID Connect or Google Cloud user, renewed and written back where needed.

    Raises ConfigurationError.
    """
    if provider not in _AUTH_PROVIDERS:
        raise ConfigurationError(
            f"Context {context!r} uses the auth-provider {provider!r}, which Kubernetes has "
            "given up. Use the exec plugin that your cloud has put in its place."
        )
    library = await asyncio.to_thread(
        importlib.import_module, "kubernetes_asyncio.config.kube_config"
    )
    configuration = library.Configuration()
    try:
        await library.load_kube_config(
            config_file=os.pathsep.join(map(str, files)),
            context=context,
            client_configuration=configuration,
        )
    except (library.ConfigException, aiohttp.ClientError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"The {provider} login of context {context!r} is not usable: {error}"
        ) from error
    return PluginCredentials(
        authorization=configuration.api_key.get("BearerToken"),
        valid_until=time() + _ASK_PROVIDER_AGAIN_AFTER,
    )
