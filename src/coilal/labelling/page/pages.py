"""The pages for people: the one to label on, the gallery, and the curve that the first one shows."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from coilal.labelling.contract import Desk
from coilal.labelling.page.as_json import item_json
from coilal.labelling.page.curve import HEIGHT, WIDTH, chart
from coilal.labelling.page.fields import LARGEST_NUMBER, whole
from coilal.labelling.page.keys import KEYS
from coilal.labelling.page.templates import TEMPLATES

A_PAGE = 60
"""Images on a page of the gallery."""
NOBODY = "#page"
"""Who looks at the curve."""


class Pages:
    """The routes of pages over a desk; they run in threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Browsers keep images by their address: those of another session at the same port are others.
        self._version = secrets.token_hex(4)

    def label(self, request: Request) -> Response:
        """Give the page to label on."""
        setup = {
            "kind": self._desk.kind,
            "classes": list(self._desk.classes),
            "showsGuess": self._desk.shows_guess,
            "version": self._version,
        }
        return TEMPLATES.TemplateResponse(
            request, "label.html.j2", {"study": self._desk.study, "setup": setup, "keys": KEYS}
        )

    def gallery(self, request: Request) -> Response:
        """Give a page of answered images."""
        query = request.query_params
        label, disagrees = query.get("label") or None, query.get("disagrees") == "1"
        first = whole(query.get("first"), 0, LARGEST_NUMBER, 0, "first") or 0
        found = self._desk.gallery(label, disagrees, first, A_PAGE + 1)

        def address(label: str | None = label, disagrees: bool = disagrees, first: int = 0) -> str:
            return "?" + urlencode(
                {
                    **({"label": label} if label else {}),
                    **({"disagrees": "1"} if disagrees else {}),
                    **({"first": first} if first else {}),
                }
            )

        context = {
            "study": self._desk.study,
            "classes": list(self._desk.classes),
            "label": label,
            "disagrees": disagrees,
            "first": first,
            "items": [item_json(item) for item in found[:A_PAGE]],
            "address": address,
            "here": address(first=first)[1:],
            "before": max(0, first - A_PAGE) if first else None,
            "after": first + A_PAGE if len(found) > A_PAGE else None,
            "version": self._version,
        }
        return TEMPLATES.TemplateResponse(request, "gallery.html.j2", context)

    def curve(self, request: Request) -> Response:
        """Give the learning curve as SVG."""
        progress = self._desk.progress(NOBODY)
        context = {
            "chart": chart(progress.curve, progress.metric),
            "metric": progress.metric,
            "width": WIDTH,
            "height": HEIGHT,
        }
        return TEMPLATES.TemplateResponse(request, "curve.svg.j2", context, media_type="image/svg+xml")
