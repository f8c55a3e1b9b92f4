"""The execution API's client, without what a plain HTTP server does not need."""

from __future__ import annotations

import ssl

from airflow.sdk.api.client import Client

from podlift import compat


def test_certificates_are_read_only_for_a_server_that_shows_one() -> None:
    assert compat.client_for("https://airflow.example/execution/", Client) is Client
    url = "http://airflow.example/execution/"
    with compat.client_for(url, Client)(base_url=url, token="the-tasks-token") as client:
        made = client._get_ssl_context_cached()
    assert isinstance(client, Client)
    # Should a TLS connection come of it all the same, it trusts nobody.
    assert made.get_ca_certs() == []
    assert made.verify_mode is ssl.CERT_REQUIRED
