from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import coilal.labelling.page
from coilal.active.labels import NoLabel
from coilal.labelling.page.app import build
from coilal.labelling.page.keys import KEYS
from tests.unit.labelling.fake_desk import FakeDesk

ADDRESS = "http://127.0.0.1:8571"
PAGE = Path(coilal.labelling.page.__file__).parent
WRITTEN = [path for folder in ("static", "templates") for path in (PAGE / folder).iterdir()]


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(classes=("ok", "<b>dent</b>"), images=80, asked=80)


@pytest.fixture
def client(desk: FakeDesk) -> TestClient:
    client = TestClient(build(desk, "secret", []), base_url=ADDRESS)
    client.get("/?token=secret")
    return client


def tell(desk: FakeDesk, *numbers: int, label: str = "ok", who: str = "Anna#1") -> None:
    for number in numbers:
        desk.tell(who, number, label, 1.0, False)


def test_names_are_text_and_nothing_else(client: TestClient, desk: FakeDesk) -> None:
    tell(desk, 0, label="<b>dent</b>", who="<i>Eve</i>#1")
    for path in ("/", "/gallery"):
        text = client.get(path).text
        assert "<b>dent" not in text
        assert "<i>Eve" not in text
    assert "&lt;b&gt;dent" in text
    assert "&lt;i&gt;Eve" in text


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_nothing_is_inline_or_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:|innerHTML|eval\(", text)


@pytest.mark.parametrize("name", [path.name for path in (PAGE / "static").iterdir()])
def test_static_files_have_a_type_that_browsers_accept(client: TestClient, name: str) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert client.get(f"/static/{name}").headers["content-type"].startswith(kinds[Path(name).suffix])


def test_the_list_of_keys_is_on_the_page(client: TestClient) -> None:
    text = client.get("/").text
    for key, does in KEYS:
        assert f'<th scope="row">{key}</th><td>{does}</td>' in text


def test_the_gallery_shows_pages(client: TestClient, desk: FakeDesk) -> None:
    tell(desk, *range(70))
    first, second = client.get("/gallery").text, client.get("/gallery?first=60").text
    assert (first.count("<img"), second.count("<img")) == (60, 10)
    assert 'href="/gallery?first=60"' in first
    assert "later answers" not in first
    assert 'href="/gallery?">← later answers' in second
    assert "earlier answers" not in second


def test_the_gallery_opens_an_image_and_knows_the_way_back(client: TestClient, desk: FakeDesk) -> None:
    tell(desk, 5, 6)
    assert 'href="/?show=6&amp;back=label%3Dok"' in client.get("/gallery?label=ok").text


def test_the_gallery_shows_what_was_told_before(client: TestClient, desk: FakeDesk) -> None:
    tell(desk, 3, label="<b>dent</b>")
    tell(desk, 3, who="Paul#2")
    text = client.get("/gallery").text
    assert "1 earlier" in text
    assert "Anna: &lt;b&gt;dent" in text


@pytest.mark.parametrize(("query", "count"), [("label=unsure", 1), ("label=ok", 2), ("label=none", 0)])
def test_the_gallery_is_filtered(client: TestClient, desk: FakeDesk, query: str, count: int) -> None:
    tell(desk, 0, 1)
    desk.tell("Anna#1", 2, NoLabel.UNSURE, 1.0, False)
    text = client.get(f"/gallery?{query}").text
    assert text.count("<img") == count
    assert ("No answered image" in text) == (count == 0)


def test_the_gallery_names_sets_of_labels() -> None:
    desk = FakeDesk("multilabel")
    desk.tell("Anna#1", 0, ("dent", "scratch"), 1.0, False)
    desk.tell("Anna#1", 1, (), 1.0, False)
    client = TestClient(build(desk, "secret", []), base_url=ADDRESS)
    text = client.get("/?token=secret").text and client.get("/gallery").text
    assert "dent + scratch" in text
    assert '<span class="answer">none</span>' in text


def test_the_curve_is_a_drawing_that_says_itself_in_words(client: TestClient, desk: FakeDesk) -> None:
    assert "There is no learning curve yet." in client.get("/curve").text
    tell(desk, 0, 1, 2)
    reply = client.get("/curve")
    assert reply.headers["content-type"].startswith("image/svg+xml")
    assert "accuracy on the audit set by number of labels: 86% after 72 labels" in reply.text
    assert reply.text.count("<circle") == 3
    assert "style=" not in reply.text
