"""Feeds that are pushed, keys for that, and the hubs that tell of others."""

import base64
import os

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0011'
down_revision = '0010'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. Feeds that are there get a public id; those that were never fetched stay so, and nobody may push yet."""
    with op.batch_alter_table('feeds') as batch:
        batch.add_column(sa.Column('public_id', sa.Text(), nullable=True))
        batch.add_column(sa.Column('is_fetched', sa.Boolean(), server_default=sa.true(), nullable=False))
        batch.add_column(sa.Column('push_version', sa.Integer(), server_default='0', nullable=False))
        batch.add_column(sa.Column('push_older_until', core.database.UtcTime(), nullable=True))
        batch.add_column(sa.Column('may_break', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column('last_push_at', core.database.UtcTime(), nullable=True))
    feeds = sa.table('feeds', *map(sa.column, ('id', 'public_id', 'is_fetched', 'next_fetch_at', 'state')))
    connection = op.get_bind()
    for (feed_id,) in connection.execute(sa.select(feeds.c.id)).all():
        public_id = base64.b32encode(os.urandom(10)).decode().lower()
        connection.execute(feeds.update().where(feeds.c.id == feed_id).values(public_id=public_id))
    handed = sa.and_(feeds.c.next_fetch_at.is_(None), feeds.c.state == 'on')
    connection.execute(feeds.update().where(handed).values(is_fetched=sa.false()))
    with op.batch_alter_table('feeds') as batch:
        batch.alter_column('public_id', existing_type=sa.Text(), nullable=False)
        batch.create_unique_constraint(op.f('uq_feeds_public_id'), ['public_id'])
    op.create_table(
        'feed_pushes',
        sa.Column('feed_id', BIG, nullable=False),
        sa.Column('digest', sa.LargeBinary(), nullable=False),
        sa.Column('forget_at', core.database.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(['feed_id'], ['feeds.id'], name=op.f('fk_feed_pushes_feed_id')),
        sa.PrimaryKeyConstraint('feed_id', 'digest', name=op.f('pk_feed_pushes')),
    )
    op.create_index(op.f('ix_feed_pushes_forget_at'), 'feed_pushes', ['forget_at'])
    op.create_table(
        'hub_subscriptions',
        sa.Column('id', BIG, nullable=False),
        sa.Column('feed_id', BIG, nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ('callback', 'hub', 'topic', 'state')),
        *(
            sa.Column(name, core.database.UtcTime(), nullable=True)
            for name in ('asked_at', 'lease_until', 'next_try_at', 'told_at')
        ),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ('fails', 'missed')),
        sa.CheckConstraint(
            "state IN ('wanted', 'asked', 'active', 'denied', 'leaving')", name=op.f('ck_hub_subscriptions_state')
        ),
        sa.CheckConstraint("feed_id IS NOT NULL OR state = 'leaving'", name=op.f('ck_hub_subscriptions_feed')),
        sa.ForeignKeyConstraint(['feed_id'], ['feeds.id'], name=op.f('fk_hub_subscriptions_feed_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_hub_subscriptions')),
        sa.UniqueConstraint('callback', name=op.f('uq_hub_subscriptions_callback')),
        sa.UniqueConstraint('feed_id', name=op.f('uq_hub_subscriptions_feed_id')),
    )
    op.create_index(op.f('ix_hub_subscriptions_next_try_at'), 'hub_subscriptions', ['next_try_at'])


def downgrade() -> None:
    """Undo."""
    op.drop_table('hub_subscriptions')
    op.drop_table('feed_pushes')
    with op.batch_alter_table('feeds') as batch:
        batch.drop_constraint(op.f('uq_feeds_public_id'), type_='unique')
        for column in ('last_push_at', 'may_break', 'push_older_until', 'push_version', 'is_fetched', 'public_id'):
            batch.drop_column(column)
