"""Whatever changes on pages moves one fact on, in the same transaction; nothing else does."""

import pytest
from flask import Flask
from sqlalchemy import delete, event, insert, select, text, update

from articles.models import ArticleTopic, Feed, Topic
from core import changes, clock, database
from core.database import Base, db

TOPICS, ARTICLES = (Base.metadata.tables[name] for name in ("topics", "articles"))


@pytest.fixture(params=["sqlite", "postgresql"])
def watch(request, tmp_path):
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'changes.db'}" if sqlite else request.getfixturevalue("postgres_database")
    app = Flask("changes")
    app.config["SQLALCHEMY_DATABASE_URI"] = url.replace("postgresql:", "postgresql+psycopg:")
    db.init_app(app)
    with app.app_context():
        database.prepare_engine(db.engine)
        Base.metadata.create_all(db.engine)
        changes.register(db.session)
        made = changes.Watch(db.engine)
        yield made
        made.close()
        db.session.remove()
        db.engine.dispose()


def topic(key: str) -> Topic:
    return Topic(key=key, kind="theme", names={"en": key})


def seen(watch: changes.Watch) -> changes.Seen:
    found = watch.seen()
    assert found is not None
    return found


def test_a_change_moves_it_on_when_it_is_committed_and_not_before(watch):
    assert seen(watch) == changes.NEVER
    db.session.add(topic("sport"))
    db.session.flush()
    assert seen(watch) == changes.NEVER
    db.session.commit()
    first = seen(watch)
    assert first != changes.NEVER
    db.session.scalars(select(Topic)).one().names = {"en": "Sports"}
    db.session.commit()
    assert seen(watch) != first


def test_what_is_rolled_back_or_changes_nothing_does_not_move_it(watch):
    db.session.add(topic("sport"))
    db.session.commit()
    first = seen(watch)
    db.session.add(topic("law"))
    db.session.flush()
    db.session.rollback()
    db.session.scalars(select(Topic)).one().key = "sport"
    db.session.commit()
    db.session.add(Feed(url="https://news.example.org/feed", language="en"))
    db.session.commit()
    assert seen(watch) == first


@pytest.mark.parametrize(
    "statement",
    [
        insert(Topic).values(key="law", kind="theme", names={}),
        update(Topic).values(kind="theme"),
        delete(ArticleTopic),
        delete(TOPICS),
        update(ARTICLES).values(shareable=False),
    ],
    ids=str,
)
def test_a_statement_for_many_rows_moves_it_on_too(watch, statement):
    db.session.execute(statement)
    db.session.commit()
    assert seen(watch) != changes.NEVER


def test_each_change_is_a_second_later_than_the_one_before_and_none_is_like_another(watch):
    found = []
    for key in ("law", "sport", "church"):
        db.session.add(topic(key))
        db.session.commit()
        found.append(seen(watch))
    assert [one.at - found[0].at for one in found] == [0, 1, 2] or found[2].at - found[0].at > 2
    assert len({one.value.partition(" ")[2] for one in found}) == 3
    assert found[0].at <= clock.utc_now().timestamp()


def test_it_is_the_last_row_that_a_transaction_writes(watch):
    """Whoever held it longer would keep others waiting, or wait with another in a circle."""
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _u, statement, *_rest: statements.append(statement))
    db.session.add(topic("sport"))
    db.session.flush()
    db.session.add(topic("law"))
    db.session.commit()
    words = [one.split() for one in statements if one.startswith(("INSERT", "UPDATE"))]
    writes = [one[2] if one[0] == "INSERT" else one[1] for one in words]
    assert writes[:2] == ["topics", "topics"]
    assert set(writes[2:]) == {"marks"}


def test_a_line_that_was_cut_is_opened_again_and_a_database_that_is_away_is_said(watch, monkeypatch):
    db.session.add(topic("sport"))
    db.session.commit()
    first = seen(watch)
    watch._driver.close()
    assert seen(watch) == first
    db.session.execute(text("DROP TABLE marks"))
    db.session.commit()
    assert watch.seen() is None


def test_every_table_of_stories_says_whether_pages_show_it():
    theirs = [
        Base.metadata.tables[mapper.class_.__tablename__]
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.partition(".")[0] == "articles"
    ]
    assert len(theirs) > 5
    silent = [str(table) for table in theirs if changes.ON_PAGES not in table.info]
    assert not silent, f"Say changes.SHOWN or changes.NOT_SHOWN as the last of the __table_args__ of {silent}"
