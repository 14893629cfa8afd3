"""How Sphinx builds the site. Nothing is fetched: no intersphinx, no fonts, no remote images."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Flask-APIErrors"
author = "The Flask-APIErrors developers"
copyright = author
release = version = version_of("Flask-APIErrors")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "tables"]
exclude_patterns = ["_build"]
# In docstrings, single backticks are code.
default_role = "code"
needs_sphinx = "7.3"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False

nitpicky = True
# There is no inventory to look the names of other projects up in, and names of modules are not public.
nitpick_ignore_regex = [(r"py:.*", r"(?!flask_apierrors\.\w+$).*")]

html_theme = "furo"
html_title = f"Flask-APIErrors {version}"
html_copy_source = False
html_show_sphinx = False
