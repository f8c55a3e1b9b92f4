"""The OpenAPI documents that kubectl reads to apply, to check and to explain.

``schemas.json`` holds a real server's schemas of the served kinds, see ``trim.py``; the few that
its documents did not cover are in ``written.json``.
"""

from podlift.local.api.openapi.documents import answer, load_schemas

__all__ = ["answer", "load_schemas"]
