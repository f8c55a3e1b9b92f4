"""How to reach one API server as one user: plain data, whatever it was read from."""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from podlift.kube.errors import ConfigurationError


@dataclass(frozen=True)
class Tls:
    """What the two ends show each other, as PEM. Without a `ca` the system's own are trusted."""

    ca: bytes | None = None
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    verify: bool = True
    server_name: str | None = None

    def context(self) -> ssl.SSLContext:
        """An SSL context for these. Raises ConfigurationError where they are not usable."""
        try:
            context = ssl.create_default_context(
                cadata=self.ca.decode("ascii") if self.ca else None
            )
            if self.certificate is not None:
                _load_chain(context, self.certificate, self.key)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "The certificate authority, client certificate or client key is not usable: "
                f"{error}"
            ) from error
        # Python 3.13 turned on a strictness that many clusters' own authorities do not pass, and
        # that no other Kubernetes client asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes | None) -> None:
    """OpenSSL's loader takes files only; they exist for this call, readable by nobody else."""
    with tempfile.TemporaryDirectory(prefix="podlift-") as folder:
        path = Path(folder, "client.pem")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(certificate + b"\n" + (key or b""))
        context.load_cert_chain(path)


@dataclass(frozen=True)
class Access:
    """A server's address and what we show it.

    Attributes:
        server: URL without a slash at the end, for example "https://10.0.0.1:6443".
        source: where this was read, in words for messages.
        namespace: the namespace meant when nobody says one.
        headers: sent with every request: authorization, impersonation. Secret, hence not in repr.
        proxy: URL of an HTTP proxy to go through.
        valid_until: seconds since the epoch after which it must be read again; None for never.
    """

    server: str
    source: str
    namespace: str = "default"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Tls = Tls()
    proxy: str | None = None
    valid_until: float | None = None

    def same_credentials(self, other: Access) -> bool:
        """Whether the server would see the same user in both."""
        return (self.headers, self.tls) == (other.headers, other.tls)
