"""What Kubernetes lets a service account do, as `kubectl auth can-i --list` tells it."""

from __future__ import annotations

from tests.install.commands import Commands

_EVERYBODY = ("selfsubject",)
"""Reviews of one's own rights, which Kubernetes gives to whoever has a name."""


def rights_of(commands: Commands, account: str, home: str = "") -> dict[str, set[str]]:
    """The verbs for each resource, named ``resource name`` where only one object is meant.

    ``home`` is the namespace of the account, where that is another one.
    """
    found: dict[str, set[str]] = {}
    for resource, names, verbs in _rows(commands, account, home):
        if resource and not resource.startswith(_EVERYBODY):
            for each in names or [""]:
                key = f"{resource} {each}".strip()
                found.setdefault(key, set()).update(verbs)
    return found


def may(commands: Commands, account: str, *what: str) -> bool:
    """Whether the account may do that in the namespace: ``create``, ``pods``."""
    given = f"--as={_name(commands.namespace, account)}"
    answer = commands.answer("kubectl", "auth", "can-i", *what, given)
    assert answer in ("yes", "no"), answer
    return answer == "yes"


def _rows(commands: Commands, account: str, home: str) -> list[tuple[str, list[str], list[str]]]:
    """The table's rows: resource, names of objects, verbs. Its columns have no other form."""
    given = f"--as={_name(home or commands.namespace, account)}"
    table = commands.kubectl("auth", "can-i", "--list", given)
    head, *lines = table.splitlines()
    columns = [head.index(title) for title in ("Resources", "Non-Resource", "Resource Names")]
    verbs = head.index("Verbs")
    found = []
    for line in lines:
        resource = line[columns[0] : columns[1]].strip()
        names = line[columns[2] : verbs].strip().strip("[]").split()
        found.append((resource, names, line[verbs:].strip().strip("[]").split()))
    return found


def _name(home: str, account: str) -> str:
    return f"system:serviceaccount:{home}:{account}"
