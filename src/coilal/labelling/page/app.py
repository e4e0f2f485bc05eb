"""The labelling page as a web application, and the interface that a program may drive in place of a person.

Begin with ``GET /?token=TOKEN``: it sets the cookie that all else needs. Each POST needs ``Origin`` (scheme, host
and port of the server) and ``Content-Type: application/json``; bodies are at most 64 KiB.

``who`` is ``name#tab``: the person's name, perhaps empty, and what tells tabs of a browser (or programs) apart,
1 to 40 letters, digits, ``-`` or ``_``. Two tabs of one person are given different images; the name is kept.

======  ==========================  ====================================================================
GET     /api/next?who=&after=       ``{shown, ahead}``: what this person labels next (null: nothing waits),
                                    and numbers to load beforehand. ``after``: the number just answered.
POST    /api/tell                   ``{who, number, label | no_label, seconds, saw_guess, second_look,
                                    id, again}`` → ``{receipt, shown, ahead}``. ``label`` is a class name, or a
                                    list of labels; ``no_label`` is ``unsure`` or ``skip``. ``second_look``:
                                    whether it was shown with the stage ``again``. On the disk before it replies.
POST    /api/part                   the same with ``label`` alone, for all views of the part without one.
POST    /api/undo                   ``{who}`` → ``{shown}``: what was answered last, null where nothing was.
POST    /api/class                  ``{name}`` → ``{classes}``.
GET     /api/progress?who=          the fields of ``Progress``, and ``classes``.
GET     /api/gallery                ``{items}``; ``label=``, ``disagrees=1``, ``first=``, ``most=`` (up to 200).
GET     /api/show/NUMBER?who=       ``{shown}``.
GET     /image/NUMBER               the image as the model sees it, PNG.
GET     /full/NUMBER                the file itself; what browsers do not show, as an 8-bit PNG of its full range.
GET     /curve                      the learning curve, SVG.
GET     / and /gallery              the pages.
======  ==========================  ====================================================================

Images answered are ``{label, no_label}`` with null for what they have not; see ``as_json``.

An answer may carry an ``id`` of the sender's own, and may then be sent twice: the second time the first reply is
given again, and nothing is told. The server remembers the last ids until it ends. For what was sent to a server
that has ended since, ``again: true`` says that the answer may have arrived: where an answer with its id is kept
(or, without an id, where the person's last answer for the image is the same), it is not told a second time.

Refusals are ``{error: words}``: 400 no JSON or a field that is wrong, 403 no token or a foreign page, 404 no such
image, 413 too large, 415 not JSON, 421 another host, 422 the desk refuses the answer, 503 the disk refuses it (then
nothing was told: send it again).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from coilal.common.machine import AGAIN
from coilal.common.types import UserError
from coilal.labelling.contract import Desk, NotAskedError
from coilal.labelling.page.api import Api
from coilal.labelling.page.fields import RefusedError
from coilal.labelling.page.guard import Guard
from coilal.labelling.page.images import Images
from coilal.labelling.page.pages import Pages

# What a system has under .js may be another type, with which browsers refuse a script.
mimetypes.add_type("text/javascript", ".js")


def build(desk: Desk, token: str, hosts: Sequence[str]) -> Starlette:
    """Return the page over a desk.

    Args:
        desk: asks for labels and takes them down.
        token: the secret of the address.
        hosts: names by which the server may be called, besides 127.0.0.1, ::1 and localhost; ``0.0.0.0`` and ``::``
            stand for all names and addresses of this machine.
    """
    api, images, pages = Api(desk), Images(desk), Pages(desk)
    routes = [
        Route("/", pages.label),
        Route("/gallery", pages.gallery),
        Route("/curve", pages.curve),
        Route("/api/next", api.next),
        Route("/api/tell", api.tell, methods=["POST"]),
        Route("/api/part", api.part, methods=["POST"]),
        Route("/api/undo", api.undo, methods=["POST"]),
        Route("/api/class", api.add_class, methods=["POST"]),
        Route("/api/progress", api.progress),
        Route("/api/gallery", api.gallery),
        Route("/api/show/{number:int}", api.show),
        Route("/image/{number:int}", images.small),
        Route("/full/{number:int}", images.full),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        exception_handlers={
            RefusedError: _refused,
            NotAskedError: _not_asked,
            UserError: _user_error,
            HTTPException: _http_error,
        },
    )


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": str(error)}, error.status)


def _not_asked(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422 if request.method == "POST" else 404)


def _user_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error).removesuffix(f" {AGAIN}")}, 503)  # a page sends its answer again


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
