"""The templates of the page."""

from __future__ import annotations

from starlette.templating import Jinja2Templates

from coilal.common.pages import templates_of

TEMPLATES = Jinja2Templates(env=templates_of("coilal.labelling.page"))
