"""HTML from templates that lie beside the code which fills them in."""

from __future__ import annotations

import jinja2


def templates_of(package: str) -> jinja2.Environment:
    """Return the templates in the folder ``templates`` of a package; texts are escaped, and none may be missing."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
