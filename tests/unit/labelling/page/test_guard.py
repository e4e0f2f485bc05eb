from __future__ import annotations

import socket

import pytest
from starlette.testclient import TestClient

from coilal.labelling.page.app import build
from tests.unit.labelling.fake_desk import FakeDesk

ADDRESS = "http://127.0.0.1:8571"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


def client_of(desk: FakeDesk, *hosts: str, token: str = "secret", address: str = ADDRESS) -> TestClient:
    return TestClient(build(desk, token, hosts), base_url=address, follow_redirects=False)


@pytest.fixture
def stranger(desk: FakeDesk) -> TestClient:
    return client_of(desk)


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    stranger.get("/?token=secret")
    return stranger


def test_the_token_of_the_address_becomes_a_cookie(stranger: TestClient) -> None:
    reply = stranger.get("/?token=secret")
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Path=/" in cookie
    assert stranger.get("/").status_code == 200


def test_from_a_link_of_another_site_the_page_goes_on_by_itself(stranger: TestClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    reply = stranger.get("/?token=secret", headers=link)
    assert reply.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/"' in reply.text
    assert "set-cookie" in reply.headers


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/?token=secre%CC%81t", "/?token=%ff"])
def test_without_the_token_the_page_says_what_is_needed(stranger: TestClient, path: str) -> None:
    reply = stranger.get(path)
    assert reply.status_code == 403
    assert reply.headers["content-type"].startswith("text/html")
    assert "the address that the command printed" in reply.text
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "path", ["/gallery", "/curve", "/image/0", "/full/0", "/api/next?who=a%23b", "/api/show/0"]
)
def test_nothing_is_had_without_the_token(stranger: TestClient, path: str) -> None:
    assert stranger.get(path).status_code == 403


def test_nothing_is_told_without_the_token(stranger: TestClient, desk: FakeDesk) -> None:
    body = {"who": "a#b", "number": 0, "label": "ok"}
    reply = stranger.post("/api/tell", json=body, headers={"Origin": ADDRESS})
    assert (reply.status_code, "token" in reply.json()["error"]) == (403, True)
    assert not desk.told


def test_a_cookie_of_another_session_does_not_open_this_one(desk: FakeDesk) -> None:
    first, second = client_of(desk, token="one"), client_of(desk, token="two")
    first.get("/?token=one")
    second.cookies = first.cookies
    assert second.get("/").status_code == 403
    second.get("/?token=two")
    assert len(second.cookies) == 2  # both sessions can be open in one browser
    assert second.get("/").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8571", "localhost", "LOCALHOST:9000", "[::1]:8571", "line-pc:8571"])
def test_it_answers_to_its_names(desk: FakeDesk, host: str) -> None:
    client = client_of(desk, "line-pc")
    assert client.get("/?token=secret", headers={"Host": host}).status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8571", "", "0.0.0.0:8571"])
def test_it_does_not_answer_to_another_name(client: TestClient, host: str) -> None:
    reply = client.get("/", headers={"Host": host})
    assert reply.status_code == 421
    assert "label.host=NAME" in reply.text


def test_all_addresses_are_the_names_of_this_machine(desk: FakeDesk) -> None:
    client = client_of(desk, "0.0.0.0")
    assert client.get("/?token=secret", headers={"Host": f"{socket.gethostname()}:8571"}).status_code == 303
    assert client.get("/?token=secret", headers={"Host": "evil.example"}).status_code == 421


FOREIGN = [
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:9999"},  # another server of this machine: for cookies the same site
    {"Origin": "https://127.0.0.1:8571"},
    {"Origin": ADDRESS, "Sec-Fetch-Site": "same-site"},
    {"Origin": ADDRESS, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_pages_tell_nothing(client: TestClient, desk: FakeDesk, headers: dict[str, str]) -> None:
    reply = client.post("/api/tell", json={"who": "a#b", "number": 0, "label": "ok"}, headers=headers)
    assert reply.status_code == 403
    assert "page of another server" in reply.json()["error"]
    assert not desk.told


def test_its_own_page_tells(client: TestClient, desk: FakeDesk) -> None:
    headers = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    client.post("/api/tell", json={"who": "a#b", "number": 0, "label": "ok"}, headers=headers).raise_for_status()
    assert desk.answers() == {0: "ok"}


@pytest.mark.parametrize("path", ["/image/0", "/api/next?who=a%23b"])
def test_foreign_pages_embed_nothing(client: TestClient, path: str) -> None:
    embedded = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get(path, headers=embedded).status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/gallery", "/api/next", "/image/0", "/static/label.js", "/nothing", "/?token=x"]
)
def test_every_reply_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"]
