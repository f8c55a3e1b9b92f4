"""What stands in a worker's place: a few lines of shell that ask the desk what to do.

A real worker costs some two seconds of processor time; a thousand of them would measure the
machine. What matters to the executor is the same: the pod starts, tells Airflow that its task
runs, works, tells how it ended, and ends itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chaos.plans import GATED, Mishap, Plan, Work

GATE = "podlift.dev/chaos"
IMAGE = "busybox:1.36"
IMPOSSIBLE_IMAGE = "Not An Image"
SECRET = "chaos-{index}"

_SCRIPT = r"""
reply="$DESK/$POD_UID"
mkfifo "$reply" && exec 3<>"$reply" || exit 70
trap 'kill $! 2>/dev/null; echo "stop $POD_UID $TI_ID $MAP_INDEX" >"$DESK/requests"; exit 143' TERM
ask() {
    word=; seconds=; code=
    echo "$1 $POD_UID $TI_ID $MAP_INDEX" >"$DESK/requests"
    read -r word seconds code <&3
}
ask begin
case "$word" in
run) sleep "$seconds" & wait $! ;;
eat) exec dd if=/dev/zero of=/dev/null bs=300M count=20000 ;;
*) exit 76 ;; # as the real worker, when Airflow does not let it begin
esac
result=$code
ask end
[ "$word" = ended ] || exit 1
exit "$result"
"""


def template(desk: Path, *, mount: bool) -> dict[str, Any]:
    """The pod of every task. With ``mount`` the desk's folder comes in as a volume."""
    container: dict[str, Any] = {
        "name": "base",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _SCRIPT],
        "env": [
            {"name": "DESK", "value": str(desk)},
            _field("POD_UID", "metadata.uid"),
            _field("TI_ID", "metadata.annotations['podlift.dev/ti-id']"),
            _field("MAP_INDEX", "metadata.annotations['map_index']"),
        ],
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    if mount:
        spec["hostNetwork"] = True  # it needs no network, and to set one up costs the node time
        container["volumeMounts"] = [{"name": "desk", "mountPath": str(desk)}]
        spec["volumes"] = [{"name": "desk", "hostPath": {"path": str(desk), "type": "Directory"}}]
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec}


def _field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def executor_config(plan: Plan) -> dict[str, Any]:
    """What a task's author wrote about its pod."""
    base: dict[str, Any] = {"name": "base"}
    spec: dict[str, Any] = {"containers": [base]}
    if plan.work is Work.OUT_OF_MEMORY:
        base["resources"] = {"limits": {"memory": "32Mi"}}
    if plan.work is Work.BAD_IMAGE:
        base["image"] = IMPOSSIBLE_IMAGE
    if plan.work is Work.NO_SECRET or plan.mishap is Mishap.SECRET_LATE:
        source = {"secretKeyRef": {"name": SECRET.format(index=plan.index), "key": "x"}}
        base["env"] = [{"name": "NEEDED", "valueFrom": source}]
    if plan.mishap in GATED:
        spec["schedulingGates"] = [{"name": GATE}]
    plain = len(base) == 1 and len(spec) == 1
    return {} if plain else {"pod_override": {"spec": spec}}
