"""How Sphinx builds these pages: `make docs`."""

from podlift import __version__

project = "Podlift"
author = "The Podlift authors"
release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Podlift"
html_static_path: list[str] = []
nitpicky = True
