from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from starlette.testclient import TestClient

from coilal.active.labels import NoLabel
from coilal.common import machine
from coilal.labelling.page.app import build
from tests.unit.labelling.fake_desk import FakeDesk, Told

ADDRESS = "http://127.0.0.1:8571"
ANNA, PAUL = "Anna#a1", "Paul#p1"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(images=12, views=4, audit=1, asked=6)


def opened(desk: FakeDesk) -> TestClient:
    client = TestClient(build(desk, "secret", []), base_url=ADDRESS, headers={"Origin": ADDRESS})
    client.get("/", params={"token": "secret"})
    return client


@pytest.fixture
def client(desk: FakeDesk) -> TestClient:
    return opened(desk)


def answer(**fields: Any) -> Mapping[str, Any]:
    return {"who": ANNA, "number": 0, "label": "dent", "seconds": 1.5, "saw_guess": True, **fields}


def test_the_next_image_comes_with_those_to_load_beforehand(client: TestClient) -> None:
    reply = client.get("/api/next", params={"who": ANNA}).json()
    shown = reply["shown"]
    assert reply["ahead"] == [1, 2, 3, 4]
    assert (shown["number"], shown["name"], shown["group"]) == (0, "coil001_view01.png", "coil001")
    assert (shown["stage"], shown["views"], shown["asked_views"]) == ("audit", [0, 1, 2, 3], [0, 1, 2, 3])
    assert (shown["label"], shown["no_label"], shown["place"], shown["of"]) == (None, None, 1, 6)
    assert shown["guess"] == {"label": "ok", "confidence": pytest.approx(0.55)}


def test_two_people_are_given_different_images(client: TestClient) -> None:
    numbers = [client.get("/api/next", params={"who": who}).json()["shown"]["number"] for who in (ANNA, PAUL)]
    assert numbers == [0, 1]


def test_an_answer_is_told_and_followed_by_the_next_image(client: TestClient, desk: FakeDesk) -> None:
    reply = client.post("/api/tell", json=answer()).json()
    assert desk.told == [Told(ANNA, 0, "dent", 1.5, True)]
    assert reply["receipt"] == {"number": 0, "conflict": None, "told": 1}
    assert reply["shown"]["number"] == 1
    assert reply["ahead"] == [2, 3, 4, 5]


@pytest.mark.parametrize("kind", list(NoLabel))
def test_an_answer_may_be_none(client: TestClient, desk: FakeDesk, kind: NoLabel) -> None:
    client.post("/api/tell", json=answer(label=None, no_label=kind.value)).raise_for_status()
    assert desk.told[0].answer is kind
    assert client.get("/api/show/0", params={"who": ANNA}).json()["shown"]["no_label"] == kind.value


def test_labels_of_several_are_a_list() -> None:
    desk = FakeDesk("multilabel")
    client = opened(desk)
    client.post("/api/tell", json=answer(label=["dent", "scratch"])).raise_for_status()
    client.post("/api/tell", json=answer(number=1, label=[])).raise_for_status()
    assert [told.answer for told in desk.told] == [("dent", "scratch"), ()]
    assert client.get("/api/show/0", params={"who": ANNA}).json()["shown"]["label"] == ["dent", "scratch"]


def test_a_conflict_is_in_the_receipt(client: TestClient, desk: FakeDesk) -> None:
    desk.conflict = "scratch"
    assert client.post("/api/tell", json=answer()).json()["receipt"]["conflict"] == "scratch"


def test_an_answer_that_is_sent_twice_is_told_once(client: TestClient, desk: FakeDesk) -> None:
    first = client.post("/api/tell", json=answer(id="x1")).json()
    second = client.post("/api/tell", json=answer(id="x1", again=True)).json()
    assert len(desk.told) == 1
    assert first == second


def test_the_same_answer_under_another_id_is_another_one(client: TestClient, desk: FakeDesk) -> None:
    for each in ("x1", "x2"):
        client.post("/api/tell", json=answer(id=each)).raise_for_status()
    assert len(desk.told) == 2


def test_another_answer_with_the_same_words_is_told_after_a_restart(desk: FakeDesk) -> None:
    opened(desk).post("/api/tell", json=answer(id="x1")).raise_for_status()
    opened(desk).post("/api/tell", json=answer(id="x2", again=True)).raise_for_status()
    assert len(desk.told) == 2


def test_without_an_id_an_answer_with_the_same_words_is_taken_for_the_same(desk: FakeDesk) -> None:
    opened(desk).post("/api/tell", json=answer()).raise_for_status()
    opened(desk).post("/api/tell", json=answer(again=True)).raise_for_status()
    assert len(desk.told) == 1


@pytest.mark.parametrize(("given", "looks"), [({"second_look": True}, [0]), ({"second_look": False}, []), ({}, [])])
def test_the_desk_is_told_whether_an_image_was_shown_for_a_second_look(
    client: TestClient, desk: FakeDesk, given: Mapping[str, Any], looks: list[int]
) -> None:
    client.post("/api/tell", json=answer(**given)).raise_for_status()
    assert desk.second_looks == looks
    assert client.post("/api/tell", json=answer(second_look="yes")).status_code == 400


@pytest.mark.parametrize("given", [{"label": "dent"}, {"label": None, "no_label": "unsure"}])
def test_an_answer_that_had_arrived_at_the_server_before_is_not_told_again(
    desk: FakeDesk, given: Mapping[str, Any]
) -> None:
    opened(desk).post("/api/tell", json=answer(id="x1", **given)).raise_for_status()
    reply = opened(desk).post("/api/tell", json=answer(id="x1", again=True, **given)).json()
    assert len(desk.told) == 1
    assert reply["shown"]["number"] == 1


def test_an_answer_that_had_not_arrived_is_told_by_the_server_after(desk: FakeDesk) -> None:
    opened(desk).post("/api/tell", json=answer(id="x1", again=True)).raise_for_status()
    assert desk.answers() == {0: "dent"}


def test_a_part_that_had_arrived_at_the_server_before_is_not_told_again(desk: FakeDesk) -> None:
    opened(desk).post("/api/part", json=answer(id="x1")).raise_for_status()
    opened(desk).post("/api/part", json=answer(id="x1", again=True)).raise_for_status()
    assert len(desk.told) == 4


def test_what_the_disk_refuses_can_be_sent_again(client: TestClient, desk: FakeDesk) -> None:
    desk.disk_is_full = True
    refused = client.post("/api/tell", json=answer(id="x1"))
    assert (refused.status_code, refused.json()) == (503, {"error": "the disk is full; nothing was told."})
    desk.disk_is_full = False
    client.post("/api/tell", json=answer(id="x1", again=True)).raise_for_status()
    assert desk.answers() == {0: "dent"}


def test_a_page_is_told_of_no_command_to_be_given_again(
    client: TestClient, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> NoReturn:
        with machine.writing(tmp_path):
            raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(desk, "tell", full)
    error = client.post("/api/tell", json=answer(id="x1")).json()["error"]
    assert error == f"{tmp_path}: the disk is full; free some space."


def test_a_whole_part_is_told_at_once(client: TestClient, desk: FakeDesk) -> None:
    reply = client.post("/api/part", json=answer(number=1)).json()
    assert reply["receipt"]["told"] == 4
    assert desk.answers() == dict.fromkeys(range(4), "dent")
    assert reply["shown"]["number"] == 4


def test_a_whole_part_needs_a_label(client: TestClient, desk: FakeDesk) -> None:
    reply = client.post("/api/part", json=answer(label=None, no_label="skip"))
    assert (reply.status_code, reply.json()["error"]) == (400, "a whole part needs a label")
    assert not desk.told


def test_undo_shows_the_last_answer_again(client: TestClient) -> None:
    client.post("/api/tell", json=answer())
    shown = client.post("/api/undo", json={"who": ANNA}).json()["shown"]
    assert (shown["number"], shown["label"]) == (0, "dent")
    assert client.post("/api/undo", json={"who": ANNA}).json() == {"shown": None}


def test_a_class_can_be_added(client: TestClient, desk: FakeDesk) -> None:
    assert client.post("/api/class", json={"name": " burr "}).json() == {
        "classes": ["ok", "dent", "scratch", "burr"]
    }
    refused = client.post("/api/class", json={"name": "burr"})
    assert (refused.status_code, refused.json()["error"]) == (422, "'burr' is no new name")
    assert client.get("/api/progress", params={"who": ANNA}).json()["classes"][-1] == "burr"


def test_progress_has_the_curve(client: TestClient) -> None:
    for number in range(3):
        client.post("/api/tell", json=answer(number=number))
    progress = client.get("/api/progress", params={"who": ANNA}).json()
    assert (progress["done"], progress["of"], progress["labelled"], progress["stage"]) == (3, 6, 3, "batch")
    first = {"labelled": 24, "value": 0.61, "low": 0.48, "high": 0.73, "of": 64, "groups": 16}
    assert progress["curve"][0] == first


def test_nothing_waits_while_the_model_learns(client: TestClient, desk: FakeDesk) -> None:
    desk.learning = "learning"
    assert client.get("/api/next", params={"who": ANNA}).json()["shown"] is None


def test_the_gallery_is_filtered_and_paged(client: TestClient) -> None:
    for number, label in enumerate(("ok", "dent", "dent", "ok")):
        client.post("/api/tell", json=answer(number=number, label=label))
    client.post("/api/tell", json=answer(number=4, label=None, no_label="unsure"))
    client.post("/api/tell", json=answer(number=0, label="scratch"))

    def numbers(**query: Any) -> list[int]:
        return [item["number"] for item in client.get("/api/gallery", params=query).json()["items"]]

    assert numbers() == [0, 4, 3, 2, 1]
    assert numbers(label="dent") == [2, 1]
    assert numbers(label="unsure") == [4]
    assert numbers(disagrees="1", label="scratch") == [0]
    assert numbers(first="1", most="2") == [4, 3]
    item = client.get("/api/gallery").json()["items"][0]
    assert (item["label"], item["who"], item["history"], item["disagrees"]) == (
        "scratch",
        "Anna",
        ["Anna: ok"],
        True,
    )


WRONG_FIELDS = [
    ({"who": "Anna"}, "name#tab"),
    ({"who": "Anna#a b"}, "name#tab"),
    ({"who": None}, "name#tab"),
    ({"who": "A\nB#a"}, "printed"),
    ({"who": "A" * 81 + "#a"}, "printed"),
    ({"number": "0"}, "number"),
    ({"number": True}, "number"),
    ({"number": -1}, "number"),
    ({"seconds": -1}, "seconds"),
    ({"seconds": "2"}, "seconds"),
    ({"saw_guess": 1}, "saw_guess"),
    ({"id": 5}, "id must"),
    ({"id": "x" * 81}, "id must"),
    ({"label": 3}, "label must"),
    ({"label": ["ok", 3]}, "label must"),
    ({"label": None}, "either label or no_label"),
    ({"no_label": "skip"}, "either label or no_label"),
    ({"label": None, "no_label": "perhaps"}, "unsure or skip"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG_FIELDS)
def test_a_wrong_field_is_named(client: TestClient, desk: FakeDesk, fields: Mapping[str, Any], words: str) -> None:
    reply = client.post("/api/tell", json=answer(**fields))
    assert reply.status_code == 400
    assert words in reply.json()["error"]
    assert not desk.told


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"\xff", b'{"seconds": 1e999}', b"[" * 9000])
def test_what_is_no_json_object_is_refused(client: TestClient, body: bytes) -> None:
    reply = client.post("/api/tell", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_a_body_must_say_that_it_is_json(client: TestClient, desk: FakeDesk) -> None:
    reply = client.post("/api/tell", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (reply.status_code, "application/json" in reply.json()["error"]) == (415, True)


def test_a_large_body_is_refused(client: TestClient, desk: FakeDesk) -> None:
    reply = client.post("/api/tell", json=answer(padding="x" * 70_000))
    assert (reply.status_code, "larger" in reply.json()["error"]) == (413, True)
    assert not desk.told


@pytest.mark.parametrize("fields", [{"label": "rust"}, {"number": 9}])
def test_what_the_desk_refuses_is_said(client: TestClient, desk: FakeDesk, fields: Mapping[str, Any]) -> None:
    reply = client.post("/api/tell", json=answer(**fields))
    assert reply.status_code == 422
    assert "rust" in reply.json()["error"] or "never asked" in reply.json()["error"]
    assert not desk.told


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/show/99?who=a%23b", 404),
        ("/api/show/-1?who=a%23b", 404),
        ("/api/show/1", 400),
        ("/api/next", 400),
        ("/api/next?who=a%23b&after=x", 400),
        ("/api/gallery?most=0", 400),
        ("/api/gallery?most=201", 400),
        ("/api/gallery?first=-1", 400),
        ("/api/tell", 405),
        ("/api/nothing", 404),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(client: TestClient, path: str, status: int) -> None:
    reply = client.get(path)
    assert reply.status_code == status
    assert reply.json()["error"]


def test_json_is_kept_by_nobody(client: TestClient) -> None:
    reply = client.get("/api/progress", params={"who": ANNA})
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-type"] == "application/json"
