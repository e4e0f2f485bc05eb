from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coilal.labelling.formats.image_names import KnownImages

KNOWN = KnownImages(
    [
        "a.png",
        "day 1/b.png",
        "day 2/c.png",
        "deep/x/d.png",
        "left/e.png",
        "right/e.png",
        "Spule 1 (2).png",
        "50%.png",
        "x/ö b.png",
    ]
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a.png", "a.png"),
        ("./a.png", "a.png"),
        ("A.PNG", "a.png"),
        (r"day 1\b.png", "day 1/b.png"),
        (r"C:\images\day 1\b.png", "day 1/b.png"),
        ("/home/me/day 2/c.png", "day 2/c.png"),
        ("b.png", "day 1/b.png"),
        ("x/d.png", "deep/x/d.png"),
        ("/data/local-files/?d=coils/day%201/b.png", "day 1/b.png"),
        ("http://host:8080/data/local-files/?d=day%202%2Fc.png", "day 2/c.png"),
        ("/data/upload/3/0a1b2c3d-a.png", "a.png"),
        ("/data/upload/0a1b2c3d-b.png", "day 1/b.png"),
        ("upload/7/0a1b2c3d-Spule_1_2.png", "Spule 1 (2).png"),
        ("/data/upload/1/51ab8bbe-%C3%B6_b.png", "x/ö b.png"),
        ("s3://bucket/line 3/day 2/c.png", "day 2/c.png"),
        ("https://host/files/day%201/b.png?token=a/b&x=1", "day 1/b.png"),
        ("https://host/50%25.png", "50%.png"),
        ("right/e.png", "right/e.png"),
    ],
)
def test_an_image_is_found_by_what_tools_make_of_its_name(text: str, name: str) -> None:
    assert KNOWN.find(text) == (name,)


@pytest.mark.parametrize("text", ["e.png", "/data/upload/3/0a1b2c3d-e.png"])
def test_several_that_fit_are_all_told(text: str) -> None:
    assert KNOWN.find(text) == ("left/e.png", "right/e.png")


def test_an_address_may_end_with_two_names() -> None:
    images = KnownImages(["a.png", "x/a.png"])
    assert images.find("s3://bucket/x/a.png") == ("a.png", "x/a.png")
    assert images.find("/data/local-files/?d=x/a.png") == ("x/a.png",)


@pytest.mark.parametrize("text", ["", "z.png", "elsewhere/b.png/", "ba.png", "day 3/b.png", "0a1b2c3d-z.png"])
def test_what_is_no_known_image_is_not_taken_for_one(text: str) -> None:
    assert KNOWN.find(text.rstrip("/")) == ()


def test_an_image_of_the_same_file_name_is_shown() -> None:
    assert KNOWN.like("day 3/B.png") == ("day 1/b.png",)
    assert KNOWN.like("z.png") == ()


def test_a_file_that_is_named_like_an_upload_is_found_by_its_name() -> None:
    images = KnownImages(["0a1b2c3d-a.png", "b.png"])
    assert images.find("/data/upload/1/ffffffff-0a1b2c3d-a.png") == ("0a1b2c3d-a.png",)
    assert images.find("0a1b2c3d-a.png") == ("0a1b2c3d-a.png",)


PARTS = st.text(
    st.characters(blacklist_characters="/\\\x00", blacklist_categories=["Cs", "Cc"]), min_size=1
).filter(lambda part: part not in (".", ".."))


@settings(deadline=None)
@given(st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True))
def test_each_name_means_itself(names: list[str]) -> None:
    images = KnownImages(names)
    assert [images.find(name) for name in names] == [(name,) for name in names]
