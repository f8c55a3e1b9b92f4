"""The key that seals workloads."""

from __future__ import annotations

import base64
import binascii

from podlift.commands.doctor.checks import Check, bad, good
from podlift.executor.seals import ENTRY
from podlift.kube.client import Client
from podlift.kube.errors import Forbidden, NotFound
from podlift.kube.resources import SECRETS
from podlift.pods.plain import Manifest
from podlift.sealing import SealError, seal, unseal

WHAT = "seal"


async def check_seal(client: Client, name: str, namespace: str) -> Check:
    """Look at the Secret of one namespace. Raises ``KubeError``."""
    where = f"Secret {name} in namespace {namespace}"
    try:
        secret = await client.get(SECRETS, name, namespace)
    except NotFound:
        says = f"There is no {where} yet; the executor makes it with the first task's pod."
        return good(WHAT, says)
    except Forbidden as error:
        return bad(WHAT, f"{where} cannot be read: {error}", "Grant get on secrets there.")
    return judge_seal(where, secret)


def judge_seal(where: str, secret: Manifest) -> Check:
    """Whether the key, or each of several, can be used."""
    remedy = "Delete it, and a fresh one is made; pods that wait to start then fail once."
    try:
        keys = base64.b64decode(secret["data"][ENTRY], validate=True).decode("ascii").split()
        for key in keys:
            unseal(seal(b"", key), [key])
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        return bad(WHAT, f"{where} has no readable entry {ENTRY!r}.", remedy)
    except SealError as error:
        return bad(WHAT, f"{where} cannot be used: {error}", remedy)
    if not keys:
        return bad(WHAT, f"The entry {ENTRY!r} of {where} is empty.", remedy)
    more = "" if len(keys) == 1 else f"; {len(keys) - 1} older ones still open what they sealed"
    return good(WHAT, f"{where} holds a usable key{more}.")
