"""Runs ``airflow`` commands in forks of one process that has imported Airflow, which takes seconds.

Reads lines of JSON (arguments, environment, input, files for the output) and answers each with the
exit code of the command.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any


def run(asked: dict[str, Any]) -> int:
    """Exit code of the command, as a shell would see it."""
    from airflow.__main__ import main

    os.environ.update(asked["environment"])
    reading, writing = os.pipe()
    os.write(writing, asked["input"].encode())
    os.close(writing)
    os.dup2(reading, 0)
    for number, file in ((1, asked["out"]), (2, asked["err"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv = ["airflow", *asked["arguments"]]
    try:
        main()  # type: ignore[no-untyped-call]
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
            return 1
        return ending.code or 0
    return 0


def serve() -> None:
    """Answer until there are no more questions."""
    import airflow.__main__  # noqa: F401

    import podlift.commands.cleaning
    import podlift.commands.doctor.visiting
    import podlift.commands.entries
    import podlift.commands.explaining.telling
    import podlift.commands.listing  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = run(json.loads(line))
            finally:  # the fork must not go on as the server
                if sys.exc_info()[0] is not None:
                    traceback.print_exc()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
