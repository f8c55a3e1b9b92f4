"""What runs in the pod of a decorated function: unpacks it, calls it, writes its result.

The text of this file goes into the pod as it is. So it needs nothing but the standard library, of
Python 3.8 or later, and imports nothing of Podlift. No dollar sign may be in it: in a container's
command, Kubernetes gives some of them a meaning.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import linecache
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NoReturn

VARIABLE = "PODLIFT_FUNCTION"


def main() -> None:
    task = unpack(os.environ)
    tell_version(task)
    install(task["requirements"], task["pip_options"])
    args, kwargs = arguments_of(task)
    result = call(defined(task), args, kwargs)
    if task["output"]:
        hand_over(task, result)


def unpack(environ: MutableMapping[str, str]) -> dict[str, Any]:
    """The task, out of as many variables as it needed."""
    pieces: list[str] = []
    while VARIABLE + "_" + str(len(pieces)) in environ:
        # The function has no use for them, and every process that it starts would carry them.
        pieces.append(environ.pop(VARIABLE + "_" + str(len(pieces))))
    task: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode("".join(pieces))))
    return task


def version() -> str:
    return "{}.{}".format(*sys.version_info[:2])


def tell_version(task: Mapping[str, Any]) -> None:
    if version() != task["python"]:
        tell("This image has Python {}, the worker has Python {}.", version(), task["python"])


def install(requirements: list[str], options: list[str]) -> None:
    """Install what the function needs into a folder of this process's own."""
    if not requirements:
        return
    folder = tempfile.mkdtemp(prefix="requirements-")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", folder]
    done = subprocess.run(pip + options + requirements, check=False)
    if done.returncode:
        refuse(
            "pip could not install what the function requires ({}). Its words are above; an image "
            "that has it needs no pip.",
            ", ".join(requirements),
        )
    sys.path.insert(0, folder)


def arguments_of(task: Mapping[str, Any]) -> Any:
    try:
        pickler = pickle if task["serializer"] == "pickle" else __import__(task["serializer"])
        return pickler.loads(base64.b64decode(task["arguments"]))
    except Exception as error:  # noqa: BLE001  whatever an argument's own code may raise
        refuse(
            "The arguments cannot be unpacked with Python {} here; the worker packed them with "
            "{} and Python {}. {}: {}. Give requirements, take an image with the same versions, "
            "or pass plain values.",
            version(),
            task["serializer"],
            task["python"],
            type(error).__name__,
            error,
        )


def defined(task: Mapping[str, Any]) -> Callable[..., Any]:
    """The function, defined as if this were its file; tracebacks show its lines."""
    source, file = task["source"], "<{}>".format(task["function"])
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names = sys.modules["__main__"].__dict__
    try:
        exec(compile(source, file, "exec"), names)
    except SyntaxError as error:
        refuse("Python {} does not understand the function: {}", version(), error)
    function: Callable[..., Any] = names[task["function"]]
    return function


def call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        result = function(*args, **kwargs)
        return asyncio.run(result) if inspect.iscoroutine(result) else result
    except Exception as error:  # noqa: BLE001  told as it is, without our own frames
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace and trace.tb_next)
        sys.exit(1)


def hand_over(task: Mapping[str, Any], result: object) -> None:
    try:
        text = json.dumps(result)
    except (TypeError, ValueError) as error:
        refuse(
            "The result of {} cannot be handed over, because JSON cannot say it: {}. Return dicts, "
            "lists, text and numbers.",
            task["function"],
            error,
        )
    os.makedirs(os.path.dirname(task["output"]), exist_ok=True)
    with open(task["output"], "w", encoding="utf-8") as file:
        file.write(text)


def tell(sentence: str, *words: object) -> None:
    print(sentence.format(*words), file=sys.stderr, flush=True)


def refuse(sentence: str, *words: object) -> NoReturn:
    tell(sentence, *words)
    sys.exit(1)


if __name__ == "__main__":
    main()
