"""The command: look at one matter after the other, and go on as long as it makes sense."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable

from podlift.commands.doctor.checks import Check, bad, is_well, lines, skipped
from podlift.commands.doctor.configuration import check_settings, judge_api_url
from podlift.commands.doctor.logging_place import check_logs
from podlift.commands.doctor.rights import check_rights
from podlift.commands.doctor.sample import WHAT as SAMPLE
from podlift.commands.doctor.sample import check_sample
from podlift.commands.doctor.seal import WHAT as SEAL
from podlift.commands.doctor.seal import check_seal
from podlift.commands.doctor.server import check_server
from podlift.commands.doctor.template import WHAT as TEMPLATE
from podlift.commands.doctor.template import check_path, check_template, render_sample
from podlift.commands.looking import Namespaces
from podlift.commands.printing import is_structured, print_rows
from podlift.commands.rendering import Rendered, deployment_for
from podlift.commands.running import settings_for, with_cluster
from podlift.kube.client import Client
from podlift.kube.errors import ConfigurationError, KubeError
from podlift.settings import InvalidSetting, Settings

_IN_FORCE = "The API server has to be reached for that."


def doctor(args: Namespace) -> int:
    """Check everything; exit code 1 if something has to be put right."""
    checks = _all(args)
    if is_structured(args.output):
        print_rows([vars(each) for each in checks], args.output)
    else:
        print("\n".join(lines(checks)))
        if not is_well(checks):
            wrong = sum(not is_well([each]) for each in checks)
            print(f"\n{wrong} of {len(checks)} checks failed.")
    return 0 if is_well(checks) else 1


def _all(args: Namespace) -> list[Check]:
    try:
        settings = settings_for(args.team)
    except InvalidSetting as error:
        return [bad("settings", str(error), "Correct the option; nothing else can be looked at.")]
    checks = [*check_settings(settings, args.team), *check_logs()]
    checks.append(judge_api_url(deployment_for(settings, args.team).api_url))
    try:
        return checks + with_cluster(settings, lambda client: _of_cluster(client, settings, args))
    except ConfigurationError as error:
        return [*checks, bad("API server", str(error), "Correct the kubeconfig, or config_file.")]


async def _of_cluster(client: Client, settings: Settings, args: Namespace) -> list[Check]:
    try:
        checks = [await check_server(client)]
    except KubeError as error:
        remedy = "Look at the address, the network between, and whether the server runs."
        skips = [skipped(what, _IN_FORCE) for what in ("rights", SEAL, TEMPLATE, SAMPLE)]
        return [bad("API server", str(error), remedy), *skips]
    rendered = await render_sample(settings, args.team)
    namespaces: Namespaces = settings.namespaces or (None,)
    place = rendered.built.namespace if isinstance(rendered, Rendered) else settings.namespace
    matters: list[tuple[str, Callable[[], Awaitable[list[Check]]]]] = [
        ("rights", lambda: check_rights(client, namespaces, settings.seal_secret_name)),
        (SEAL, lambda: _seals(client, settings, [each or place for each in namespaces])),
        (TEMPLATE, lambda: _template(client, rendered)),
        (SAMPLE, lambda: _sample(client, rendered, args)),
    ]
    for what, look in matters:
        try:
            checks += await look()
        except KubeError as error:
            remedy = "Look at the API server, and at what else is told here."
            checks.append(bad(what, f"This could not be found out: {error}", remedy))
    return checks


async def _seals(client: Client, settings: Settings, namespaces: list[str]) -> list[Check]:
    return [await check_seal(client, settings.seal_secret_name, each) for each in namespaces]


async def _template(client: Client, rendered: Rendered | Check) -> list[Check]:
    if isinstance(rendered, Check):
        return [rendered]
    return [*await check_template(client, rendered), *check_path(rendered)]


async def _sample(client: Client, rendered: Rendered | Check, args: Namespace) -> list[Check]:
    if args.no_pod:
        return [skipped(SAMPLE, "Not started, because of --no-pod.")]
    if isinstance(rendered, Check):
        return [skipped(SAMPLE, "It would be made from the template.")]
    return await check_sample(client, rendered.built, args.timeout)
