"""``KubernetesPodExecOperator``: run a command in a pod that is running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from podlift.operators.cluster_task import ClusterTask
from podlift.operators.errors import CommandFailed

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.kube import Client

_XCOM_SIZE = 49_344


class KubernetesPodExecOperator(ClusterTask):
    __doc__ = f"""Run a command in a container of a running pod; the pod itself is left as it is.

    The task succeeds when the command ends with exit code 0. Its output becomes the task's log,
    line by line, with the name of the stream before each. The command is run as it is, without a
    shell. When the task is stopped, by a user or by its ``execution_timeout``, the connection is
    cut: Kubernetes has no way to end the command itself, which may go on until it writes.

    :param command: the command and its arguments, a list. (templated)
    :param pod_name: the pod's name. (templated)
    :param label_selector: instead of the name, labels that exactly one running pod has, as
        ``kubectl get --selector`` takes them. (templated)
    :param container_name: the container; default is the one that the pod's annotation
        ``kubectl.kubernetes.io/default-container`` names, or its first. (templated)
    :param stdin: what the command gets as its standard input; needs Kubernetes 1.30. (templated)
    :param do_xcom_push: whether the standard output becomes the task's result, as text.
    :param max_xcom_output_size: how many bytes that may be; more fail the task, rather than being
        cut.
    {(ClusterTask.__doc__ or "").partition("name.")[2].strip()}
    """

    template_fields: Sequence[str] = (
        "command",
        "pod_name",
        "label_selector",
        "container_name",
        "stdin",
        *ClusterTask.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"command": "py"}
    when_stopped = "The task was told to stop; its command may go on in the container."

    def __init__(
        self,
        *,
        command: Sequence[str],
        pod_name: str | None = None,
        label_selector: str | None = None,
        container_name: str | None = None,
        stdin: str | None = None,
        do_xcom_push: bool = False,
        max_xcom_output_size: int = _XCOM_SIZE,
        **kwargs: Any,
    ) -> None:
        super().__init__(do_xcom_push=do_xcom_push, **kwargs)
        if isinstance(max_xcom_output_size, bool) or max_xcom_output_size <= 0:
            raise ValueError("max_xcom_output_size must be more than 0.")
        self.command = command
        self.pod_name = pod_name
        self.label_selector = label_selector
        self.container_name = container_name
        self.stdin = stdin
        self.max_xcom_output_size = max_xcom_output_size

    def execute(self, context: Context) -> str | None:
        """Run it; returns its output if that is wanted. Raises ``CommandFailed``."""
        command = self._checked()
        exit_code, output = self.do_in_cluster(
            lambda client, namespace: self._run(client, namespace, command), CommandFailed
        )
        if exit_code != 0:
            raise CommandFailed(f"The command ended with exit code {exit_code}.", exit_code)
        if not self.do_xcom_push:
            return None
        if len(output) > self.max_xcom_output_size:
            raise CommandFailed(
                f"The command ended well, but its output has more than the "
                f"{self.max_xcom_output_size} bytes of max_xcom_output_size, so it cannot be the "
                "task's result.",
                exit_code,
            )
        return output.decode(errors="replace")

    async def _run(self, client: Client, namespace: str, command: list[str]) -> tuple[int, bytes]:
        from podlift.runs.commands import find_place, run_command

        place = await find_place(
            client,
            namespace,
            self.pod_name or "",
            self.label_selector or "",
            self.container_name or "",
        )
        self.log.info("Running the command in %s.", place)
        return await run_command(
            client,
            place,
            command,
            lambda stream, line: self.log.info("[%s] %s", stream, line),
            stdin=None if self.stdin is None else self.stdin.encode(),
            keep=self.max_xcom_output_size if self.do_xcom_push else 0,
        )

    def _checked(self) -> list[str]:
        words = self.command
        if isinstance(words, str) or not all(isinstance(each, str) for each in words) or not words:
            raise CommandFailed(
                f"command must be a list of strings, for example ['ls', '/tmp'], not {words!r}."
            )
        if bool(self.pod_name) == bool(self.label_selector):
            raise CommandFailed("Give pod_name or label_selector, and not both.")
        return list(words)
