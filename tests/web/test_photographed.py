"""A sample of `make screenshots`: a story is one sheet of paper, and what can be seen without looking is seen."""

import pytest

from articles import shelf
from core import links
from core.database import db
from tests.proofs import watching
from tests.screenshots import shots
from tests.screenshots.camera import Camera
from tests.web.readers import korea_and_cuba

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def camera(browser, tmp_path):
    """A camera with the browser of the tests."""
    return Camera(browser, tmp_path)


def test_a_story_of_an_ordinary_length_is_one_sheet_of_paper(served, app, camera):
    stories = [korea_and_cuba(), shelf.latest("ar", limit=1)[0], shelf.latest("zh-Hans", limit=1)[0]]
    paths = {one.language: links.path("print", language=one.language, story=one.ref) for one in stories}
    db.session.rollback()
    for language, path in paths.items():
        camera.take(language, served + path, shots.ONE_SHEET)
    assert camera.faults == []


def test_what_is_wrong_can_be_told_without_looking(served, camera):
    words = "<p>Words.</p>" * 200
    fit = "<meta name=viewport content=width=device-width>"
    page = f"<!doctype html><title>x</title>{fit}<body><h1>\U00030000</h1><pre class=wide>{'wide ' * 90}</pre>{words}"
    with watching.canary() as server:
        address = server.show("wrong", f"{page}<script>never.there()</script>")
        camera.take("screen", address, shots.LIGHT_PHONE)
        camera.take("sheet", address, shots.ONE_SHEET)
        camera.take("gone", served + "/en/nothing-here", shots.LIGHT_PHONE)
    told = "\n".join(camera.faults)
    assert "screen: no font has \U00030000" in told
    assert 'screen: <pre class="wide"> is wider than the screen' in told
    assert "screen: never is not defined" in told
    assert "sheet: it takes" in told
    assert "/en/nothing-here answered 404" in told
