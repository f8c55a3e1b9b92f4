"""What operators have in common that do something in a cluster and run no pod of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk import BaseOperator

from podlift.operators.errors import ClusterNotReached, PodTaskError, TaskStopped
from podlift.operators.reaching import DEFAULT_CONNECTION, ReachesCluster

if TYPE_CHECKING:
    from typing import Any

    from podlift.kube import Client
    from podlift.runs.background import Background

T = TypeVar("T")


class ClusterTask(ReachesCluster, BaseOperator):
    """Reaches the cluster that its parameters name.

    :param kubernetes_conn_id: id of the Airflow connection; the default one need not exist.
        (templated)
    :param namespace: where to look; default is the connection's, then that of the kubeconfig's
        context or of the worker's own pod. (templated)
    :param in_cluster: whether to use the service account of the worker's own pod.
    :param cluster_context: context of the kubeconfig. (templated)
    :param config_file: path of a kubeconfig. (templated)
    """

    template_fields: Sequence[str] = (
        "kubernetes_conn_id",
        "namespace",
        "cluster_context",
        "config_file",
    )
    ui_color = "#326ce5"
    ui_fgcolor = "#ffffff"

    when_stopped = "The task was told to stop."
    """What the error says after ``on_kill``."""

    def __init__(
        self,
        *,
        kubernetes_conn_id: str | None = DEFAULT_CONNECTION,
        namespace: str | None = None,
        in_cluster: bool | None = None,
        cluster_context: str | None = None,
        config_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kubernetes_conn_id = kubernetes_conn_id
        self.namespace = namespace
        self.in_cluster = in_cluster
        self.cluster_context = cluster_context
        self.config_file = config_file

    def on_kill(self) -> None:
        """Stop; ``execute`` then fails. Safe in a signal handler."""
        background = getattr(self, "_background", None)
        if background is not None:
            background.stop()

    def do_in_cluster(
        self, work: Callable[[Client, str], Awaitable[T]], failure: type[PodTaskError]
    ) -> T:
        """Do the work with a client and the namespace; what goes wrong is raised as ``failure``."""
        from podlift.kube import ConfigurationError, KubeError
        from podlift.runs import RunError
        from podlift.runs.background import Background

        self._background: Background[T] | None = Background(lambda: self._work(work))
        try:
            return self._background.result()
        except CancelledError:
            raise TaskStopped(self.when_stopped) from None
        except ConfigurationError as error:
            raise ClusterNotReached(f"There is no way to the cluster: {error}") from None
        except (RunError, KubeError) as error:
            # The message says it all; where in Podlift it was raised is of no use in a task's log.
            raise failure(str(error)) from None
        finally:
            self._background = None

    async def _work(self, work: Callable[[Client, str], Awaitable[T]]) -> T:
        hook = self.hook()
        async with hook.client() as client:
            namespace = self.namespace or hook.namespace() or client.connection.namespace
            return await work(client, namespace)
