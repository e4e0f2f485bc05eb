"""The part of the interface that speaks JSON; ``app`` says what each route takes and gives."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from coilal.active.labels import NoLabel
from coilal.labelling.contract import Desk, NotAskedError, Receipt
from coilal.labelling.page.as_json import Json, item_json, progress_json, receipt_json, shown_json
from coilal.labelling.page.fields import LARGEST_NUMBER, Told, json_of, text_of, who_of, whole
from coilal.labelling.page.once import Once

AHEAD = 4
"""Images that a page loads beforehand."""
MOST_ITEMS = 200


class Api:
    """The JSON routes over a desk. All that may wait for a lock or a disk runs in threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._once: Once[Receipt] = Once()

    def next(self, request: Request) -> Response:
        """Give the image that comes next."""
        after = whole(request.query_params.get("after"), 0, LARGEST_NUMBER, None, "after")
        return JSONResponse(self._following(who_of(request.query_params.get("who")), after))

    async def tell(self, request: Request) -> Response:
        """Take an answer."""
        told = Told.of(await json_of(request))
        return JSONResponse(await run_in_threadpool(self._told, told, self._tell))

    async def part(self, request: Request) -> Response:
        """Take one label for the views of a part."""
        told = Told.of(await json_of(request))
        return JSONResponse(await run_in_threadpool(self._told, told, self._tell_part))

    async def undo(self, request: Request) -> Response:
        """Give the image that was answered last, to answer it anew."""
        who = who_of((await json_of(request)).get("who"))
        return JSONResponse(await run_in_threadpool(self._undo, who))

    async def add_class(self, request: Request) -> Response:
        """Add a class."""
        name = text_of(await json_of(request), "name").strip()
        await run_in_threadpool(self._desk.add_class, name)
        return JSONResponse({"classes": list(self._desk.classes)})

    def progress(self, request: Request) -> Response:
        """Say how far the session is."""
        progress = self._desk.progress(who_of(request.query_params.get("who")))
        return JSONResponse({**progress_json(progress), "classes": list(self._desk.classes)})

    def gallery(self, request: Request) -> Response:
        """Give answered images."""
        query = request.query_params
        first = whole(query.get("first"), 0, LARGEST_NUMBER, 0, "first") or 0
        most = whole(query.get("most"), 1, MOST_ITEMS, 60, "most") or 60
        items = self._desk.gallery(query.get("label") or None, query.get("disagrees") == "1", first, most)
        return JSONResponse({"items": [item_json(item) for item in items]})

    def show(self, request: Request) -> Response:
        """Give an image by its number."""
        who = who_of(request.query_params.get("who"))
        return JSONResponse({"shown": shown_json(self._desk.show(who, request.path_params["number"]))})

    def _following(self, who: str, after: int | None) -> Json:
        shown = shown_json(self._desk.next(who, after))
        return {"shown": shown, "ahead": [int(number) for number in self._desk.ahead(who, AHEAD)]}

    def _told(self, told: Told, tell: Callable[[Told], Receipt]) -> Json:
        key = f"{told.who} {told.id}" if told.id else ""
        receipt = self._once.do(key, lambda: tell(told))
        return {"receipt": receipt_json(receipt), **self._following(told.who, told.number)}

    def _tell(self, told: Told) -> Receipt:
        if told.again and self._stands(told):
            return Receipt(told.number)
        try:
            return self._desk.tell(
                told.who, told.number, told.answer, told.seconds, told.saw_guess, told.second_look, told.id
            )
        except NotAskedError:
            if told.again and told.answer is NoLabel.SKIP:  # it has been passed on already, and waits no longer
                return Receipt(told.number)
            raise

    def _tell_part(self, told: Told) -> Receipt:
        if told.again and self._stands(told):
            return Receipt(told.number)
        return self._desk.tell_part(told.who, told.number, told.label, told.seconds, told.saw_guess, told.id)

    def _stands(self, told: Told) -> bool:
        """Return whether the answer had arrived before the server ended, whatever became of it."""
        if told.id:
            return self._desk.was_sent(told.id)
        return self._desk.was_told(told.who, told.number, told.answer)

    def _undo(self, who: str) -> Json:
        number = self._desk.last(who)
        return {"shown": None if number is None else shown_json(self._desk.show(who, number))}
