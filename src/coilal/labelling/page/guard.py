"""Lets in who has the token, and no foreign page; gives every reply its security headers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coilal.labelling.page.hosts import allowed, name_of
from coilal.labelling.page.templates import TEMPLATES

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
WITHOUT_TOKEN = "/static/"
"""Style and script of the page hold nothing of the session, and the page of a refusal needs the style."""
COOKIE_S = 30 * 24 * 3600

NO_TOKEN = (
    "This page needs the address that the command printed, with the token at its end. Copy it as a whole from the "
    "window in which python -m coilal.label runs."
)
OTHER_HOST = (
    "This server is not known by the name in the address. Use the address that the command printed, or start it "
    "with label.host=NAME."
)
FOREIGN = "The request comes from a page of another server, and is refused."


class Guard:
    """Middleware that refuses other hosts, foreign pages, and whoever has no token.

    Args:
        app: what is guarded.
        token: the secret of the address.
        hosts: names by which the server may be called.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Sequence[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = allowed(hosts)
        # Cookies do not know of ports: each session has one of its own, so that two of them can be open.
        self._cookie = f"coilal_{hashlib.sha256(self._token).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope)
        reply = self._refusal(request) or self._entry(request) or self._without_token(request)
        await (reply or self._app)(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> Response | None:
        """Refuse what another page, or a name that was made to point here, brings."""
        if name_of(request.headers.get("host", "")) not in self._hosts:
            return _refuse(request, OTHER_HOST, 421)
        site = request.headers.get("sec-fetch-site", "none")
        is_link = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
        if site not in ("none", "same-origin") and not is_link:
            return _refuse(request, FOREIGN, 403)
        own = f"{request.url.scheme}://{request.headers['host']}"
        if request.method not in ("GET", "HEAD") and request.headers.get("origin", "").lower() != own.lower():
            return _refuse(request, f"{FOREIGN} A program must send the header Origin: {own}.", 403)
        return None

    def _entry(self, request: Request) -> Response | None:
        """Turn the token of the address into a cookie."""
        given = request.query_params.get("token")
        if request.url.path != "/" or request.method != "GET" or given is None:
            return None
        if not self._is_token(given):
            return _refuse(request, NO_TOKEN, 403)
        if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            reply: Response = RedirectResponse("/", 303)
        else:  # followed from a link in a mail: a browser withholds a strict cookie from what it redirects to
            reply = TEMPLATES.TemplateResponse(request, "enter.html.j2")
        reply.set_cookie(
            self._cookie, self._token.decode(), max_age=COOKIE_S, path="/", httponly=True, samesite="strict"
        )
        return reply

    def _without_token(self, request: Request) -> Response | None:
        if request.url.path.startswith(WITHOUT_TOKEN) or self._is_token(request.cookies.get(self._cookie, "")):
            return None
        return _refuse(request, NO_TOKEN, 403)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="surrogateescape"), self._token)


def _refuse(request: Request, why: str, status: int) -> Response:
    if request.method == "GET" and not request.url.path.startswith("/api/"):
        text = TEMPLATES.get_template("refused.html.j2").render(why=why)
        return HTMLResponse(text, status)
    return JSONResponse({"error": why}, status)
