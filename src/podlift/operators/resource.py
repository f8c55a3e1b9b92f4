"""Operators that create, apply and delete whatever a YAML text describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from podlift.operators.cluster_task import ClusterTask
from podlift.operators.errors import ResourceFailed

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.kube import Client
    from podlift.pods.plain import Manifest
    from podlift.runs.changing import Changes

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]


class ResourceTask(ClusterTask):
    __doc__ = f"""What the operators for objects have in common.

    The text may hold several documents, of any kind that the cluster knows, custom ones included,
    in a namespace or not: the cluster itself is asked. They are taken one after another, and the
    first that fails fails the task with the object, the field and the server's message, and a list
    of what was done before.

    :param yaml_conf: the text. (templated)
    :param yaml_conf_file: path of a file that holds it, on the worker. (templated)
    {(ClusterTask.__doc__ or "").partition("name.")[2].strip()}

    The namespace is for objects that name none. ``custom_resource_definition`` and ``namespaced``
    are taken and change nothing.
    """

    template_fields: Sequence[str] = ("yaml_conf", "yaml_conf_file", *ClusterTask.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {"yaml_conf": "yaml"}
    needs_name: ClassVar[bool] = True

    def __init__(
        self,
        *,
        yaml_conf: str | None = None,
        yaml_conf_file: str | None = None,
        custom_resource_definition: bool | None = None,
        namespaced: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.yaml_conf = yaml_conf
        self.yaml_conf_file = yaml_conf_file
        asked = {"custom_resource_definition": custom_resource_definition, "namespaced": namespaced}
        self.without_effect = [each for each, value in asked.items() if value is not None]
        """Parameters that were given and change nothing; the task's log says so."""

    def execute(self, context: Context) -> Any:
        """Do it; returns what is left in the cluster, in short. Raises ``ResourceFailed``."""
        for parameter in self.without_effect:
            self.log.info("%s has no effect: the cluster itself knows.", parameter)
        manifests = self._read()

        async def work(client: Client, namespace: str) -> list[Manifest]:
            from podlift.runs.changing import Changes

            return await self.change(Changes(client, namespace, self._tell), manifests)

        done = self.do_in_cluster(work, ResourceFailed)
        return [_in_short(each) for each in done]

    async def change(self, changes: Changes, manifests: list[Manifest]) -> list[Manifest]:
        """What to do with the objects; returns those that are there afterwards."""
        raise NotImplementedError

    def _read(self) -> list[Manifest]:
        from podlift.operators.documents import read_documents

        if bool(self.yaml_conf) == bool(self.yaml_conf_file):
            raise ResourceFailed("Give yaml_conf or yaml_conf_file, and not both.")
        if self.yaml_conf:
            return read_documents(self.yaml_conf, "yaml_conf", needs_name=self.needs_name)
        path = str(self.yaml_conf_file)
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise ResourceFailed(f"yaml_conf_file cannot be read: {path}: {error}") from None
        return read_documents(text, path, needs_name=self.needs_name)

    def _tell(self, sentence: str) -> None:
        self.log.info("%s", sentence)


class KubernetesCreateResourceOperator(ResourceTask):
    __doc__ = f"""Create objects. One that is there already fails the task.

    {(ResourceTask.__doc__ or "").partition("in common.")[2].strip()}
    """

    needs_name = False

    async def change(self, changes: Changes, manifests: list[Manifest]) -> list[Manifest]:
        return await changes.create(manifests)


class KubernetesApplyResourceOperator(ResourceTask):
    __doc__ = f"""Make objects as described, whether they are there or not.

    This is Kubernetes' server-side apply: fields that are described are set and belong to
    ``field_manager`` from then on, others stay as they are, and a field that was applied before and
    is described no more goes away. So a task can be tried again.

    :param field_manager: who the fields belong to. Different DAGs that describe different fields of
        one object need different ones.
    :param force: whether to take over fields that belong to somebody else; without it, that is an
        error that names them.
    {(ResourceTask.__doc__ or "").partition("in common.")[2].strip()}
    """

    def __init__(
        self, *, field_manager: str = "podlift", force: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.field_manager = field_manager
        self.force = force

    async def change(self, changes: Changes, manifests: list[Manifest]) -> list[Manifest]:
        return await changes.apply(manifests, field_manager=self.field_manager, force=self.force)


class KubernetesDeleteResourceOperator(ResourceTask):
    __doc__ = f"""Delete objects, the last of the text first.

    One that is gone already is told and no failure, so a task can be tried again. Kubernetes
    deletes on its own time: the task does not wait for it.

    :param propagation_policy: what becomes of objects that these own: ``Background`` deletes them
        as well, ``Foreground`` before their owner goes, ``Orphan`` leaves them.
    :param grace_period_seconds: how long pods among them get to end.
    {(ResourceTask.__doc__ or "").partition("in common.")[2].strip()}
    """

    def __init__(
        self,
        *,
        propagation_policy: Propagation = "Background",
        grace_period_seconds: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.propagation_policy = propagation_policy
        self.grace_period_seconds = grace_period_seconds

    async def change(self, changes: Changes, manifests: list[Manifest]) -> list[Manifest]:
        await changes.delete(
            manifests[::-1],
            propagation_policy=self.propagation_policy,
            grace_period=self.grace_period_seconds,
        )
        return []


def _in_short(manifest: Manifest) -> dict[str, Any]:
    metadata = manifest["metadata"]
    short = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
    fields = ("name", "namespace", "uid")
    return short | {field: metadata[field] for field in fields if metadata.get(field)}
