"""``python -m tests.real COMMAND``: the single-node Kubernetes for tests."""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.real import building, node
from tests.real.errors import RealClusterError
from tests.real.paths import KUBECONFIG

_COMMANDS = ("up", "down", "status", "build", "kubelet", "forget", "during")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real", description=__doc__)
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("line", nargs=argparse.REMAINDER, help="what to run during that time")
    parser.add_argument("--minor", help=f"Kubernetes minor version ({building.DEFAULT_MINOR})")
    arguments = parser.parse_args()
    if arguments.line and arguments.command != "during":
        parser.error(f"{arguments.command} takes nothing after it; options come before it")
    try:
        if arguments.command == "during":
            return _during(arguments.line, arguments.minor)
        return _run(arguments.command, arguments.minor)
    except RealClusterError as error:
        print(error, file=sys.stderr)
        return 1


def _during(line: list[str], minor: str | None) -> int:
    """Run a command while the node is up; one that ran before goes on running."""
    ran = node.is_up()
    node.up(minor)
    try:
        return subprocess.run(line, check=False).returncode
    finally:
        if not ran:
            node.down()


def _run(command: str, minor: str | None) -> int:
    if command == "up":
        print(node.up(minor))
    elif command == "down":
        node.down()
    elif command == "kubelet":
        node.start_kubelet_again()
    elif command == "forget":
        node.forget_history()
    elif command == "build":
        print(*node.prepare(minor or building.DEFAULT_MINOR), sep="\n")
    else:
        running = node.is_up()
        print(f"running: {KUBECONFIG}" if running else "not running")
        return 0 if running else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
