"""``python -m podlift.pods.causes_page > docs/causes.md``: the page that lists every cause."""

from __future__ import annotations

from podlift.pods.causes import POLICIES, Cause, Policy, Stage

_HEAD = """# Causes

What can go wrong with a pod, as the executor and the operator tell it: in the task's log, in its
event log in Airflow, in the text of its failure, and in metrics. The words in the first column are
a contract: they do not change.

- **Another pod**: the executor starts another pod for the task, before its container ran or in the
  middle, without touching the task's own `retries`; `infrastructure_retries` times at most. For
  `out_of_memory` it does so if `out_of_memory_factor` is more than 1, with more memory.
- **May heal**: a pod that is still pending may yet start without anybody changing the pod. It gets
  `pending_failure_timeout` seconds for that (`unschedulable`: as long as `pending_timeout` or
  Airflow lets it), and then its task fails, or gets another pod. What cannot heal fails at once.

This page is made from `src/podlift/pods/causes.py`:
`python -m podlift.pods.causes_page > docs/causes.md`.

| Cause | What happened | When | Another pod | May heal | What to do |
|---|---|---|---|---|---|
"""
_WHEN = {
    Stage.BEFORE_START: "before the start",
    Stage.AFTER_START: "while running",
    Stage.EITHER: "any time",
}
_OTHERS = {Cause.DELETED: "yes", Cause.OUT_OF_MEMORY: "if asked"}


def page() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(_row(cause, POLICIES[cause]) for cause in Cause)


def _row(cause: Cause, policy: Policy) -> str:
    again = "yes" if policy.infrastructure else _OTHERS.get(cause, "no")
    heals = "yes" if policy.heals else "no"
    cells = (f"`{cause}`", policy.meaning, _WHEN[policy.stage], again, heals, policy.remedy)
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(page(), end="")
