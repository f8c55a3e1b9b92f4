"""Pure functions on pod manifests: build, merge, name, read status, diagnose.

``plain`` and ``checking`` take what users hand in, ``merging`` and ``building`` make a manifest,
``naming`` and ``labels`` say whose it is; ``reading`` decodes what the server reports, and
``diagnosis`` says what went wrong.
"""
