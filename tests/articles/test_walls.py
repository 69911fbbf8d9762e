"""What stands in the place of a story's text is not taken for it: walls, questions for consent, other pages."""

import pytest

from articles import walls

HEADLINE = "Islanders move the ferry to fit the school bell"
TEASER = "For years pupils slept across the water. A new timetable lets 38 of them go home for supper."
STORY = (
    "<p>The boat that leaves Banog at 5.40 is blue and, since Monday, on time. On board are 38 pupils, two teachers "
    "and the girl who moved it. Her new timetable lets all of them be home for supper.</p>"
    "<p>The next school is 50 minutes away by ferry, across the water, and for years most pupils slept there.</p>"
)
WALLS = [
    ("en", "Subscribe to continue reading"),
    ("en", "Already a subscriber? Log in"),
    ("en", "This article is for subscribers only."),
    ("en", "You have 2 free articles left this month."),
    ("en", "We value your privacy. Accept all cookies?"),
    ("it", "Abbonati per continuare a leggere"),
    ("it", "Contenuto riservato agli abbonati"),
    ("fr", "Cet article est réservé aux abonnés"),
    ("es", "Aceptar todas las cookies"),
    ("pt", "Assine para continuar lendo"),
    ("de", "Jetzt abonnieren und weiterlesen"),
    ("ar", "اشترك لمتابعة القراءة"),
    ("zh", "登录后继续阅读全文"),
    ("zh", "會員專屬內容"),
    ("ja", "この記事は会員限定です"),
    ("ko", "구독자 전용 기사입니다"),
]


def why(body: str, own: str = TEASER, headline: str = HEADLINE) -> str:
    return walls.why_not(body, own=own, headline=headline)


def test_a_page_that_has_the_story_is_taken():
    assert why(STORY) == ""


def test_a_chinese_story_is_compared_sign_by_sign():
    body = "<p>" + "韩国与古巴在纽约互换照会，建立了大使级外交关系，地图上少了一块空白。" * 3 + "</p>"
    assert why(body, own="韩国与古巴在纽约互换照会。", headline="韩国与古巴建交") == ""
    assert "another text" in why(body, own="曼谷老药铺里年轻人学着用手称药。", headline="老药铺的新学徒")


@pytest.mark.parametrize(("_language", "wall"), WALLS, ids=[f"{code} {text[:12]}" for code, text in WALLS])
def test_a_text_with_a_wall_behind_it_is_not_the_story(_language, wall):
    assert "asks for something" in why(f"{STORY}<p>{wall}</p>")


def test_a_story_about_subscribers_is_a_story():
    told = " ".join(f"word{number}" for number in range(60))
    assert why(f"{STORY}<p>The paper, which is for subscribers only since May, was told so. {told}</p>") == ""


@pytest.mark.parametrize(
    "body",
    [f"<p>{TEASER}</p>", f"<p>{TEASER} Read more.</p>", "<p>Login</p>", ""],
    ids=["same", "and a word", "no", "nothing"],
)
def test_a_page_that_gives_no_more_than_the_feed_brings_nothing(body):
    assert "no more than the feed" in why(body)


def test_another_page_is_another_text():
    body = (
        "<p>This site needs to check the security of your connection before it goes on. Please wait for a moment "
        "while we verify your browser; this may take up to ten seconds, and you will be redirected by yourself. Thank "
        "you for your patience, and for reading us.</p>"
    )
    assert "another text" in why(body)
