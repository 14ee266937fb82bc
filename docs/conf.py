"""Sphinx: the pages of this folder, and the reference made from the package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import clew

project = "Clew"
author = "the Clew authors"
copyright = "the Clew authors"
version = release = clew.__version__


def _as_plain_text(app, what, name, obj, options, lines):
    """Docstrings are plain text: their stars are products and shapes."""
    lines[:] = [x if x.lstrip().startswith((">>>", "...")) else x.replace("*", "\\*") for x in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _as_plain_text, priority=900)


extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "op_reference"]
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = f"Clew {release}"
# Pages also link to files of the tree, which a reader of the repository follows.
suppress_warnings = ["myst.xref_missing"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_custom_sections = ["Reference", "Shape"]
