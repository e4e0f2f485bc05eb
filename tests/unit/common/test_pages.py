from __future__ import annotations

import jinja2
import pytest

from coilal.common.pages import templates_of


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("coilal.evidence", "report.html.j2"),
        ("coilal.labelling.formats", "thumbnails.html.j2"),
        ("coilal.labelling.page", "label.html.j2"),
    ],
)
def test_each_package_finds_its_templates(package: str, name: str) -> None:
    assert name in templates_of(package).list_templates()


def test_texts_are_escaped_and_none_may_be_missing() -> None:
    templates = templates_of("coilal.evidence")
    assert templates.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
    with pytest.raises(jinja2.UndefinedError):
        templates.from_string("{{ name }}").render()
