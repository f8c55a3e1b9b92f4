"""``KubernetesHook``: from an Airflow connection to a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException

from podlift.hooks.official_jobs import OfficialJobs
from podlift.hooks.settings import InvalidConnection, Settings, settings_of

if TYPE_CHECKING:
    from podlift.kube import Client, Connection


class KubernetesHook(OfficialJobs):
    """Reaches the cluster of an Airflow connection of type ``kubernetes``.

    Arguments win over what the connection says, which wins over what is found around the process:
    the service account of the pod it runs in, or a kubeconfig.

    Two ways in. In async code, Podlift's own client:

    .. code-block:: python

        async with KubernetesHook().client() as client:
            pods = await client.list(PODS, "default")

    In plain code, the clients of the package ``kubernetes`` where that is installed:
    ``KubernetesHook().core_v1_client.list_namespaced_pod("default")``.

    :param conn_id: id of the connection. The default one need not exist; None stands for none.
    :param in_cluster: whether to use the service account of the pod that this runs in.
    :param config_file: path of a kubeconfig.
    :param config_dict: a kubeconfig's content, instead of a file.
    :param cluster_context: context of the kubeconfig.
    :param disable_verify_ssl: whether to trust any server. Only for trying something out.
    :param disable_tcp_keepalive: whether to leave a silent server unnoticed.
    :param kubernetes_conn_id: the same as ``conn_id``, by the name that operators give it.
    :param client_configuration: for the clients of the package ``kubernetes``: a ``Configuration``
        of theirs with proxies or retries, say, over which the connection's settings are laid.
        Podlift's own client has no use for it, and refuses it.
    """

    conn_name_attr = "kubernetes_conn_id"
    default_conn_name = "kubernetes_default"
    conn_type = "kubernetes"
    hook_name = "Kubernetes Cluster Connection"

    def __init__(
        self,
        conn_id: str | None = default_conn_name,
        *,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        config_dict: Mapping[str, Any] | None = None,
        cluster_context: str | None = None,
        disable_verify_ssl: bool | None = None,
        disable_tcp_keepalive: bool | None = None,
        kubernetes_conn_id: str | None = None,
        client_configuration: Any = None,
    ) -> None:
        super().__init__()
        self.client_configuration = client_configuration
        self.conn_id = kubernetes_conn_id or conn_id
        self._arguments: dict[str, Any] = {
            "in_cluster": in_cluster,
            "config_file": config_file,
            "config_dict": config_dict,
            "cluster_context": cluster_context,
            "disable_verify_ssl": disable_verify_ssl,
            "disable_tcp_keepalive": disable_tcp_keepalive,
        }
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """What arguments and connection say, read once. Raises ``InvalidConnection``."""
        if self._settings is None:
            try:
                extra = self.get_connection(self.conn_id).extra_dejson if self.conn_id else {}
            except AirflowNotFoundException:
                if self.conn_id != self.default_conn_name:
                    raise
                extra = {}
            self._settings = settings_of(extra, **self._arguments)
        return self._settings

    async def read(self) -> Settings:
        """``settings``, without holding up the event loop: to be awaited first in a trigger."""
        if self._settings is None:
            from podlift.compat import extra_of

            try:
                extra = {}
                if self.conn_id:
                    extra = await extra_of(await self.aget_connection(self.conn_id))
            except AirflowNotFoundException:
                if self.conn_id != self.default_conn_name:
                    raise
                extra = {}
            self._settings = settings_of(extra, **self._arguments)
        return self._settings

    def arguments(self) -> dict[str, Any]:
        """The arguments that make this hook again in another process: plain data.

        A kubeconfig that was given as a dict is among them, so do not store what is secret.
        """
        given = {name: value for name, value in self._arguments.items() if value is not None}
        return {"conn_id": self.conn_id, **given}

    async def load_connection(self) -> Connection:
        """How to reach the cluster; no request is made. Raises ``ConfigurationError``."""
        from podlift.kube import load_connection

        settings = self.settings
        return await load_connection(
            settings.config_file,
            settings.context,
            settings.in_cluster,
            config=settings.config,
            change=None if settings.verify_ssl else _trusting,
        )

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        """A client of the cluster, for one block of async code; in a trigger as well.

        ``options`` are those of ``podlift.kube.Client``. Raises ``ConfigurationError`` where there
        is no way to a cluster.
        """
        from podlift.kube import Client

        if self.client_configuration is not None:
            raise InvalidConnection(
                "client_configuration is for the clients of the package kubernetes. Podlift's own "
                "takes proxies, certificates and the like from the kubeconfig."
            )
        if not (await self.read()).keepalive:
            options.setdefault("keepalive", None)
        async with Client(await self.load_connection(), **options) as client:
            yield client

    def namespace(self) -> str | None:
        """The namespace that the Airflow connection names."""
        return self.settings.namespace

    def xcom_sidecar(self) -> dict[str, Any]:
        """What the Airflow connection says of the container that hands results over."""
        return dict(self.settings.sidecar)

    def get_xcom_sidecar_container_image(self) -> str | None:
        """The image of that container, where the connection names one."""
        return self.settings.sidecar.get("image")

    def get_xcom_sidecar_container_resources(self) -> Mapping[str, Any] | None:
        """Its resources, likewise."""
        return self.settings.sidecar.get("resources")

    def get_xcom_sidecar_container_security_context(self) -> Mapping[str, Any] | None:
        """Its security context, likewise."""
        return self.settings.sidecar.get("security_context")

    def test_connection(self) -> tuple[bool, str]:
        """Ask the cluster for its version: whether it answered, and a sentence for the form."""
        import asyncio

        from podlift.kube import KubeError

        try:
            return True, asyncio.run(self._version())
        except (InvalidConnection, KubeError) as error:
            return False, str(error)

    async def _version(self) -> str:
        from podlift.kube import Client

        connection = await self.load_connection()
        async with Client(connection) as client:
            version = await client.server_version()
        where = f"{connection.server} ({connection.source})"
        return f"Kubernetes {version['gitVersion']} answers at {where}."


def _trusting(access: Any) -> Any:
    from dataclasses import replace

    return replace(access, tls=replace(access.tls, verify=False))
