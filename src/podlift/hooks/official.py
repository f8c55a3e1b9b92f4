"""The clients of the package ``kubernetes``, for code of DAG authors that is written against it.

Nothing else in Podlift uses them, and the package need not be installed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from podlift.hooks.settings import Settings


class OfficialClients(BaseHook):
    """The calls that DAG authors make through a hook. All of them wait for the answer."""

    @property
    def settings(self) -> Settings:
        """How to reach the cluster."""
        raise NotImplementedError

    client_configuration: Any = None
    """A ``Configuration`` of that package, over which the connection's settings are laid."""

    @cached_property
    def api_client(self) -> Any:
        """An ``ApiClient`` of the ``kubernetes`` package. Raises ``AirflowException``."""
        return _api_client(self.settings, self.client_configuration)

    @property
    def is_in_cluster(self) -> bool:
        """Whether the cluster is reached by the service account of the worker's own pod."""
        return _is_inside(self.settings)

    def get_conn(self) -> Any:
        """The same as ``api_client``."""
        return self.api_client

    @cached_property
    def core_v1_client(self) -> Any:
        """A ``CoreV1Api``."""
        return _module().CoreV1Api(self.api_client)

    @cached_property
    def apps_v1_client(self) -> Any:
        """An ``AppsV1Api``."""
        return _module().AppsV1Api(self.api_client)

    @cached_property
    def batch_v1_client(self) -> Any:
        """A ``BatchV1Api``."""
        return _module().BatchV1Api(self.api_client)

    @cached_property
    def custom_object_client(self) -> Any:
        """A ``CustomObjectsApi``."""
        return _module().CustomObjectsApi(self.api_client)

    def get_namespace(self) -> str | None:
        """The namespace that the Airflow connection names."""
        return self.settings.namespace

    def get_pod(self, name: str, namespace: str) -> Any:
        """A ``V1Pod``."""
        return self.core_v1_client.read_namespaced_pod(name=name, namespace=namespace)

    def get_namespaced_pod_list(
        self, label_selector: str = "", namespace: str | None = None, **more: Any
    ) -> Any:
        """A ``V1PodList``; ``more`` goes to ``list_namespaced_pod``."""
        return self.core_v1_client.list_namespaced_pod(
            namespace=self._namespace(namespace), label_selector=label_selector, **more
        )

    def get_pod_logs(
        self, pod_name: str, container: str | None = None, namespace: str | None = None
    ) -> str:
        """What a container wrote until now."""
        log: str = self.core_v1_client.read_namespaced_pod_log(
            pod_name, self._namespace(namespace), **({"container": container} if container else {})
        )
        return log

    def get_pod_log_stream(
        self, pod_name: str, container: str | None = None, namespace: str | None = None
    ) -> tuple[Any, Iterator[str]]:
        """The package's ``Watch``, which ``stop()`` ends, and the lines as they come."""
        watch = import_module("kubernetes.watch").Watch()
        which = {"container": container} if container else {}
        read = self.core_v1_client.read_namespaced_pod_log
        return watch, watch.stream(
            read, name=pod_name, namespace=self._namespace(namespace), **which
        )

    def create_custom_object(
        self,
        group: str,
        version: str,
        plural: str,
        body: str | dict[str, Any],
        namespace: str | None = None,
    ) -> Any:
        """Create an object of a custom kind, given as a dict or as YAML; returns it as a dict."""
        if isinstance(body, str):
            import yaml

            body = yaml.safe_load(body)
        return self.custom_object_client.create_namespaced_custom_object(
            group, version, self._namespace(namespace), plural, body
        )

    def get_custom_object(
        self, group: str, version: str, plural: str, name: str, namespace: str | None = None
    ) -> Any:
        """An object of a custom kind, as a dict."""
        return self.custom_object_client.get_namespaced_custom_object(
            group, version, self._namespace(namespace), plural, name
        )

    def delete_custom_object(
        self,
        group: str,
        version: str,
        plural: str,
        name: str,
        namespace: str | None = None,
        **more: Any,
    ) -> Any:
        """Delete an object of a custom kind; ``more`` goes to the package's method."""
        return self.custom_object_client.delete_namespaced_custom_object(
            group, version, self._namespace(namespace), plural, name, **more
        )

    def _namespace(self, namespace: str | None) -> str:
        return namespace or self.settings.namespace or "default"


def _module() -> Any:
    try:
        from kubernetes import client
    except ImportError:
        raise AirflowException(
            "This method of KubernetesHook gives objects of the package kubernetes, which is not "
            "installed here: pip install kubernetes, or use `async with hook.client()`."
        ) from None
    return client


def _is_inside(settings: Settings) -> bool:
    from podlift.kube.connection import means_service_account

    if settings.in_cluster is not None:
        return settings.in_cluster
    return means_service_account(bool(settings.config_file or settings.config or settings.context))


def _api_client(settings: Settings, given: Any) -> Any:
    """Configured as Podlift's own client is, with the package's own means."""
    client = _module()
    config: Any = import_module("kubernetes.config")
    into = copy.deepcopy(given) if given is not None else client.Configuration()
    try:
        if _is_inside(settings):
            config.load_incluster_config(client_configuration=into)
        elif settings.config is not None:
            config.load_kube_config_from_dict(
                dict(settings.config), context=settings.context, client_configuration=into
            )
        else:
            config.load_kube_config(
                settings.config_file, context=settings.context, client_configuration=into
            )
    except config.ConfigException as error:
        raise AirflowException(f"There is no way to a cluster: {error}") from error
    if not settings.verify_ssl:
        into.verify_ssl = False
    return client.ApiClient(into)
