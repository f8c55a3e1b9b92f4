"""Kubeconfig files, as people have them, and what is said when they are wrong."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from podlift.kube.errors import ConfigurationError
from podlift.kube.kubeconfig import find_files, read_kubeconfig

Write = Callable[..., Path]


def kubeconfig(
    *,
    user: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    name: str = "dev",
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
        "clusters": [
            {"name": name, "cluster": {"server": f"https://{name}:6443", **(cluster or {})}}
        ],
        "users": [{"name": name, "user": user or {}}],
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_config(content: Any, name: str = "config") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write_config


async def headers_of(path: Path) -> dict[str, str]:
    return dict((await read_kubeconfig((path,)).access()).headers)


async def test_a_token_is_shown_as_bearer(write: Write) -> None:
    path = write(kubeconfig(user={"token": "abc\n"}, context={"namespace": "team"}))
    access = await read_kubeconfig((path,)).access()
    assert access.server == "https://dev:6443"
    assert access.namespace == "team"
    assert dict(access.headers) == {"Authorization": "Bearer abc"}
    assert access.valid_until is None
    assert "abc" not in repr(access)


async def test_a_token_file_is_relative_to_the_kubeconfig_and_comes_before_the_token(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "token").write_text("from-file\n")
    path = write(kubeconfig(user={"tokenFile": "token", "token": "old"}), "sub/config")
    access = await read_kubeconfig((path,)).access()
    assert dict(access.headers) == {"Authorization": "Bearer from-file"}
    assert access.valid_until is not None, "a token file is read again"


async def test_name_and_password(write: Write) -> None:
    headers = await headers_of(write(kubeconfig(user={"username": "me", "password": "x:y"})))
    encoded = headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"me:x:y"


async def test_impersonation(write: Write) -> None:
    user = {
        "token": "t",
        "as": "jane",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"reason": ["x"]},
    }
    access = await read_kubeconfig((write(kubeconfig(user=user)),)).access()
    assert access.headers[1:] == (
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-reason", "x"),
    )


async def test_certificates_come_inline_or_by_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"CA")
    (tmp_path / "key.pem").write_bytes(b"KEY")
    path = write(
        kubeconfig(
            cluster={
                "certificate-authority": "ca.pem",
                "tls-server-name": "other",
                "proxy-url": "http://proxy:3128",
            },
            user={
                "client-certificate-data": base64.b64encode(b"CERT").decode(),
                "client-certificate": "not-read",
                "client-key": str(tmp_path / "key.pem"),
            },
        )
    )
    access = await read_kubeconfig((path,)).access()
    tls = access.tls
    assert (tls.ca, tls.certificate, tls.key) == (b"CA", b"CERT", b"KEY")
    assert (tls.server_name, tls.verify, access.proxy) == ("other", True, "http://proxy:3128")
    assert "KEY" not in repr(tls)


async def test_verification_can_be_switched_off(write: Write) -> None:
    path = write(kubeconfig(cluster={"insecure-skip-tls-verify": True}))
    assert (await read_kubeconfig((path,)).access()).tls.verify is False


async def test_of_several_files_the_first_to_say_something_counts(write: Write) -> None:
    first = kubeconfig(name="one", user={"token": "1"})
    second = kubeconfig(name="two", user={"token": "2"})
    second["users"].append({"name": "one", "user": {"token": "not me"}})
    merged = read_kubeconfig((write("", "empty"), write(first, "a"), write(second, "b")))
    assert merged.current_context == "one"
    assert dict((await merged.access()).headers) == {"Authorization": "Bearer 1"}
    assert dict((await merged.access("two")).headers) == {"Authorization": "Bearer 2"}


def test_files_are_looked_for_where_kubectl_looks(write: Write, tmp_path: Path) -> None:
    a, b = write({}, "a"), write({}, "b")
    listed = os.pathsep.join([str(a), str(tmp_path / "missing"), "", str(b)])
    assert find_files(None, {"KUBECONFIG": listed}) == (a, b)
    assert find_files(a, {"KUBECONFIG": str(b)}) == (a,)


def test_a_missing_kubeconfig_is_told_with_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="in KUBECONFIG") as told:
        find_files(None, {"KUBECONFIG": f"{tmp_path}/x{os.pathsep}{tmp_path}/y"})
    assert f"{tmp_path}/x or {tmp_path}/y" in str(told.value)
    with pytest.raises(ConfigurationError, match="was given"):
        find_files(tmp_path / "nope", {})


async def test_an_unknown_context_is_told_with_the_known_ones(write: Write) -> None:
    path = write(kubeconfig(name="prod"))
    with pytest.raises(ConfigurationError) as told:
        await read_kubeconfig((path,)).access("staging")
    assert str(told.value) == f"Context 'staging' is not in {path}, which has prod."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "holds no mapping"),
        ({"users": ["x"]}, "an item of users is malformed"),
        ({}, "no current-context.*none at all"),
        (kubeconfig(context={"cluster": "gone"}), "names the cluster 'gone'.*there is dev"),
        (kubeconfig(context={"user": "gone"}), "names the user 'gone'"),
        (kubeconfig(cluster={"server": "dev:6443"}), "no usable server address.*'dev:6443'"),
        (kubeconfig(user={"client-certificate": "no.pem"}), "client-certificate of 'dev'.*No such"),
        (kubeconfig(user={"client-key-data": "%", "client-certificate-data": ""}), "not base64"),
        (kubeconfig(user={"tokenFile": "no"}), "tokenFile of 'dev'.*No such file"),
        (kubeconfig(user={"auth-provider": {"name": "azure"}}), "'azure'.*exec plugin"),
    ],
)
async def test_mistakes_are_told_in_words(write: Write, content: Any, words: str) -> None:
    path = write(content)
    with pytest.raises(ConfigurationError, match=words) as told:
        await read_kubeconfig((path,)).access()
    if "provider" not in str(content):
        assert str(path) in str(told.value)
