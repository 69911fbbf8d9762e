"""Breaking mails: flashes, editions of one story, and how long they are news."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0017'
down_revision = '0016'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
STATES = "state IN ('published', 'held', 'withdrawn'{more})"
OF_A_STORY = "kind <> 'breaking' OR (article_id IS NOT NULL AND flagged_at IS NOT NULL)"
CHOSEN = sa.text("breaking > 0 AND state = 'on'")


def upgrade() -> None:
    """Apply. What is flagged already goes on to be called breaking news, and is mailed when it is fresh enough."""
    with op.batch_alter_table('articles') as batch:
        batch.add_column(sa.Column('urgent', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column('became_id', BIG, nullable=True))
        batch.create_foreign_key(op.f('fk_articles_became_id'), 'articles', ['became_id'], ['id'])
        batch.drop_constraint(op.f('ck_articles_state'), type_='check')
        batch.create_check_constraint(op.f('ck_articles_state'), STATES.format(more=", 'flash'"))
        batch.create_check_constraint(op.f('ck_articles_became'), "state = 'flash' OR became_id IS NULL")
    op.create_index(op.f('ix_articles_became_id'), 'articles', ['became_id'])
    with op.batch_alter_table('editions') as batch:
        batch.add_column(sa.Column('number', sa.SmallInteger(), server_default='0', nullable=False))
        batch.add_column(sa.Column('article_id', BIG, nullable=True))
        batch.add_column(sa.Column('flagged_at', core.database.UtcTime(), nullable=True))
        batch.create_foreign_key(op.f('fk_editions_article_id'), 'articles', ['article_id'], ['id'])
        batch.drop_constraint(op.f('uq_editions_digest_id_kind_slot'), type_='unique')
        batch.create_unique_constraint(
            op.f('uq_editions_digest_id_kind_slot_number'), ['digest_id', 'kind', 'slot', 'number']
        )
        batch.create_unique_constraint(
            op.f('uq_editions_digest_id_article_id_flagged_at'), ['digest_id', 'article_id', 'flagged_at']
        )
        batch.drop_constraint(op.f('ck_editions_kind'), type_='check')
        batch.create_check_constraint(op.f('ck_editions_kind'), "kind IN ('regular', 'first', 'breaking')")
        batch.create_check_constraint(op.f('ck_editions_breaking'), OF_A_STORY)
    op.create_index(op.f('ix_editions_article_id'), 'editions', ['article_id'])
    op.add_column('digests', sa.Column('breaking_not_after_s', sa.Integer(), server_default='3600', nullable=False))
    op.create_index(
        'ix_subscriptions_breaking',
        'subscriptions',
        ['digest_id', 'id'],
        sqlite_where=CHOSEN,
        postgresql_where=CHOSEN,
    )


def downgrade() -> None:
    """Undo. Breaking editions stay in the ledger as mailings; flashes are withdrawn, as they are no stories."""
    op.drop_index('ix_subscriptions_breaking', 'subscriptions')
    op.drop_column('digests', 'breaking_not_after_s')
    gone = "(SELECT id FROM editions WHERE kind = 'breaking')"
    op.execute(f'DELETE FROM cohorts WHERE edition_id IN {gone}')
    op.execute(f'DELETE FROM waves WHERE edition_id IN {gone}')
    op.execute("DELETE FROM editions WHERE kind = 'breaking'")
    op.drop_index(op.f('ix_editions_article_id'), 'editions')
    with op.batch_alter_table('editions') as batch:
        batch.drop_constraint(op.f('ck_editions_breaking'), type_='check')
        batch.drop_constraint(op.f('ck_editions_kind'), type_='check')
        batch.create_check_constraint(op.f('ck_editions_kind'), "kind IN ('regular', 'first')")
        batch.drop_constraint(op.f('uq_editions_digest_id_article_id_flagged_at'), type_='unique')
        batch.drop_constraint(op.f('uq_editions_digest_id_kind_slot_number'), type_='unique')
        batch.create_unique_constraint(op.f('uq_editions_digest_id_kind_slot'), ['digest_id', 'kind', 'slot'])
        batch.drop_constraint(op.f('fk_editions_article_id'), type_='foreignkey')
        for column in ('flagged_at', 'article_id', 'number'):
            batch.drop_column(column)
    op.execute("UPDATE articles SET became_id = NULL")
    op.execute("UPDATE articles SET state = 'withdrawn', reason = 'It was a flash.' WHERE state = 'flash'")
    op.drop_index(op.f('ix_articles_became_id'), 'articles')
    with op.batch_alter_table('articles') as batch:
        batch.drop_constraint(op.f('ck_articles_became'), type_='check')
        batch.drop_constraint(op.f('ck_articles_state'), type_='check')
        batch.create_check_constraint(op.f('ck_articles_state'), STATES.format(more=''))
        batch.drop_constraint(op.f('fk_articles_became_id'), type_='foreignkey')
        batch.drop_column('became_id')
        batch.drop_column('urgent')
