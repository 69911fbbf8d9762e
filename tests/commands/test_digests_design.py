"""The page of `flask digests preview-design`: what is changed in a template is there at the next look at it."""

import pytest

from commands.digests_design import design_app
from digests import designs
from tests import installation
from tests.digests import templates
from tests.proofs import design_facts

STORY = "digest/story.html"
NOT_EVERYWHERE = {
    "css-display-flex": "Outlook on Windows and some of Gmail's programs do not know it",
    "css-position": "Gmail takes it out",
    "html-video": "Gmail and Outlook show nothing",
    "html-form": "Outlook takes it out",
    "html-script": "all take it out",
    "html-svg": "Gmail and Outlook show nothing",
    "css-float": "Outlook on Windows does not know it",
}
"""What a mail must not use, of what the whole table of caniemail says in `make proof-design`."""


@pytest.fixture
def folder(tmp_path):
    with templates.copied(tmp_path) as copy:
        yield copy


@pytest.fixture
def page(folder):
    services = installation.services_for(installation.settings_for("sqlite:///none.db"))
    return design_app(services, "http://127.0.0.1:8028").test_client()


def change(path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_a_template_that_was_changed_is_seen_at_a_reload(page, folder):
    assert page.get("/").status_code == 200
    before = page.get("/day/en.html").text
    change(folder / "digest" / "opening.html", "<h1", '<p class="new">Hear, hear</p><h1')
    after = page.get("/day/en.html").text
    assert "Hear, hear" not in before and "Hear, hear" in after
    assert "Hear, hear" not in page.get("/day/en.txt").text


def test_a_mistake_is_said_in_a_sentence_with_its_file_and_line_until_it_is_put_right(page, folder):
    story = folder / STORY
    whole, lines = story.read_text("utf-8"), len(story.read_text("utf-8").splitlines())
    for mistake, said in (
        ("{% if %}", f"{STORY}, line {lines + 1}: Expected an expression"),
        ("{{ story.nobody.knows }}", f"{STORY}, line {lines + 1}: "),
    ):
        story.write_text(f"{whole.rstrip()}\n{mistake}\n", "utf-8")
        for path in ("/", "/day/en.html", "/day/en.txt"):
            answer = page.get(path)
            assert answer.status_code == 500
            assert answer.text.startswith(f"A template of the mail has a mistake. {said}"), answer.text
    story.write_text(whole, "utf-8")
    assert page.get("/day/en.html").status_code == 200


def test_nothing_is_used_that_mail_programs_leave_out_or_whose_lack_has_no_reason(page):
    for kind in designs.KINDS:
        used = design_facts.used(page.get(f"/{kind}/en.html").text)
        assert used.isdisjoint(NOT_EVERYWHERE), kind
    assert all(len(reason) > 20 for reason in design_facts.ALLOWED.values())
