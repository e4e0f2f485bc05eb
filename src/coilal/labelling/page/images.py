"""The images, by number."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from coilal.labelling.contract import Desk
from coilal.labelling.page.encoding import Picture, as_file_is, as_model_sees

KEPT = "private, max-age=3600"
"""Browsers keep an image for the session. The page asks for it by an address that no other session has."""


class Images:
    """The routes of images over a desk; they run in threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def small(self, request: Request) -> Response:
        """Give an image as the model sees it."""
        return _reply(as_model_sees(self._desk.pixels(request.path_params["number"])))

    def full(self, request: Request) -> Response:
        """Give the file, sharp to the pixel."""
        return _reply(as_file_is(self._desk.file(request.path_params["number"])))


def _reply(picture: Picture) -> Response:
    return Response(picture.content, media_type=picture.kind, headers={"Cache-Control": KEPT})
