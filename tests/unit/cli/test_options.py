"""Options that make no sense together are refused before anything is started."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from podlift.cli.errors import BadOption, PortTaken
from podlift.cli.home import Home
from podlift.cli.ports import choose_port
from podlift.cli.up import UpOptions, check_options

HOME = Home(Path("/nowhere"))


def test_the_local_cluster_takes_no_image() -> None:
    with pytest.raises(BadOption, match="runs programs of this machine"):
        check_options(UpOptions(home=HOME, image="python:3.13"))


def test_a_real_cluster_needs_an_image() -> None:
    with pytest.raises(BadOption, match="name it with --image"):
        check_options(UpOptions(home=HOME, context="staging"))


def test_a_real_cluster_needs_a_way_back() -> None:
    with pytest.raises(BadOption, match="--api-url"):
        check_options(UpOptions(home=HOME, context="staging", image="a:1"))


def test_a_real_cluster_with_both_is_fine() -> None:
    check_options(UpOptions(home=HOME, context="staging", image="a:1", api_url="http://x:8080"))


def test_a_dag_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="There is no folder"):
        check_options(UpOptions(home=HOME, dags=tmp_path / "dags"))


def test_a_taken_port_is_refused_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTaken, match="choose another with --port"):
            choose_port(taken.getsockname()[1])


def test_port_zero_means_any_free_one() -> None:
    assert choose_port(0) > 0
