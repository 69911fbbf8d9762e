"""Stories that are sent to friends."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0045'
down_revision = '0040'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
WAITING = "state IN ('new', 'confirmed')"
UNPURGED = 'purged_at IS NULL'
FRIEND_WAITS = "state = 'waiting'"
OF_ONE = 'purge_at IS NOT NULL'


def _only(where: str) -> dict[str, sa.TextClause]:
    return {'sqlite_where': sa.text(where), 'postgresql_where': sa.text(where)}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        'friends',
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('inbox_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('first_at', core.database.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint('addr_hash', name=op.f('pk_friends')),
        sa.UniqueConstraint('public_id', name=op.f('uq_friends_public_id')),
    )
    op.create_table(
        'share_ended_tokens',
        sa.Column('token_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_share_ended_tokens')),
    )
    with op.batch_alter_table('share_ended_tokens') as batch:
        batch.create_index(batch.f('ix_share_ended_tokens_at'), ['at'], unique=False)
    op.create_table(
        'share_refusals',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('friends', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('day', 'reason', name=op.f('pk_share_refusals')),
    )
    op.create_table(
        'share_switch',
        sa.Column('id', BIG, nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('mode', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('accepted', sa.Text(), nullable=True),
        sa.CheckConstraint("mode <> 'verified' OR accepted IS NOT NULL", name=op.f('ck_share_switch_accepted')),
        sa.CheckConstraint("mode IN ('mailto', 'verified', 'off')", name=op.f('ck_share_switch_mode')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_share_switch')),
    )
    op.create_table(
        'share_once',
        sa.Column('inbox_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('story_id', BIG, nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(['story_id'], ['stories.id'], name=op.f('fk_share_once_story_id')),
        sa.PrimaryKeyConstraint('inbox_hash', 'story_id', name=op.f('pk_share_once')),
    )
    op.create_table(
        'share_counts',
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('shares', sa.Integer(), nullable=False),
        sa.Column('mails', sa.Integer(), nullable=False),
        sa.Column('reads', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_share_counts_article_id')),
        sa.PrimaryKeyConstraint('article_id', 'day', name=op.f('pk_share_counts')),
    )
    op.create_table(
        'shares',
        sa.Column('id', BIG, nullable=False),
        sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('subscriber_id', BIG, nullable=True),
        sa.Column('sender_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('sender_sealed', sa.LargeBinary(), nullable=True),
        sa.Column('token_hash', sa.LargeBinary(length=16), nullable=True),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('origin_truncated', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('refusal', sa.Text(), nullable=True),
        sa.Column('content_id', BIG, nullable=True),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('next_try_at', core.database.UtcTime(), nullable=False),
        sa.Column('confirmed_at', core.database.UtcTime(), nullable=True),
        sa.Column('queued_at', core.database.UtcTime(), nullable=True),
        sa.Column('purge_at', core.database.UtcTime(), nullable=False),
        sa.Column('purged_at', core.database.UtcTime(), nullable=True),
        sa.CheckConstraint("(state = 'refused') = (refusal IS NOT NULL)", name=op.f('ck_shares_refusal')),
        sa.CheckConstraint("sender_sealed IS NOT NULL OR state NOT IN ('new', 'asked', 'confirmed')", name=op.f('ck_shares_sender_while_open')),
        sa.CheckConstraint("state IN ('new', 'asked', 'confirmed', 'queued', 'ended', 'refused')", name=op.f('ck_shares_state')),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_shares_article_id')),
        sa.ForeignKeyConstraint(['content_id'], ['contents.id'], name=op.f('fk_shares_content_id')),
        sa.ForeignKeyConstraint(['subscriber_id'], ['subscribers.id'], name=op.f('fk_shares_subscriber_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_shares')),
        sa.UniqueConstraint('public_id', name=op.f('uq_shares_public_id')),
    )
    with op.batch_alter_table('shares') as batch:
        batch.create_index(batch.f('ix_shares_article_id'), ['article_id'], unique=False)
        batch.create_index(batch.f('ix_shares_at'), ['at'], unique=False)
        batch.create_index('ix_shares_purge', ['purge_at'], unique=False, **_only(UNPURGED))
        batch.create_index(batch.f('ix_shares_sender_hash_at'), ['sender_hash', 'at'], unique=False)
        batch.create_index(batch.f('ix_shares_subscriber_id'), ['subscriber_id'], unique=False)
        batch.create_index('ix_shares_waiting', ['next_try_at'], unique=False, **_only(WAITING))
    op.create_table(
        'share_friends',
        sa.Column('id', BIG, nullable=False),
        sa.Column('share_id', BIG, nullable=False),
        sa.Column('position', sa.SmallInteger(), nullable=False),
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('sealed', sa.LargeBinary(), nullable=True),
        sa.Column('masked', sa.Text(), nullable=True),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('next_try_at', core.database.UtcTime(), nullable=False),
        sa.CheckConstraint("state = 'waiting' OR sealed IS NULL", name=op.f('ck_share_friends_sealed_while_waiting')),
        sa.CheckConstraint("state IN ('waiting', 'queued', 'dropped')", name=op.f('ck_share_friends_state')),
        sa.ForeignKeyConstraint(['share_id'], ['shares.id'], name=op.f('fk_share_friends_share_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_share_friends')),
        sa.UniqueConstraint('share_id', 'addr_hash', name=op.f('uq_share_friends_share_id_addr_hash')),
    )
    with op.batch_alter_table('share_friends') as batch:
        batch.create_index(batch.f('ix_share_friends_addr_hash'), ['addr_hash'], unique=False)
        batch.create_index('ix_share_friends_waiting', ['next_try_at'], unique=False, **_only(FRIEND_WAITS))
    with op.batch_alter_table('contents') as batch:
        batch.add_column(sa.Column('reply_to', sa.Text(), nullable=True))
        batch.add_column(sa.Column('purge_at', core.database.UtcTime(), nullable=True))
        batch.create_index('ix_contents_purge', ['purge_at'], unique=False, **_only(OF_ONE))



def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table('contents') as batch:
        batch.drop_index('ix_contents_purge', **_only(OF_ONE))
        batch.drop_column('purge_at')
        batch.drop_column('reply_to')
    with op.batch_alter_table('share_friends') as batch:
        batch.drop_index('ix_share_friends_waiting', **_only(FRIEND_WAITS))
        batch.drop_index(batch.f('ix_share_friends_addr_hash'))
    op.drop_table('share_friends')
    with op.batch_alter_table('shares') as batch:
        batch.drop_index('ix_shares_waiting', **_only(WAITING))
        batch.drop_index(batch.f('ix_shares_subscriber_id'))
        batch.drop_index(batch.f('ix_shares_sender_hash_at'))
        batch.drop_index('ix_shares_purge', **_only(UNPURGED))
        batch.drop_index(batch.f('ix_shares_at'))
        batch.drop_index(batch.f('ix_shares_article_id'))
    op.drop_table('shares')
    op.drop_table('share_counts')
    op.drop_table('share_once')
    op.drop_table('share_switch')
    op.drop_table('share_refusals')
    with op.batch_alter_table('share_ended_tokens') as batch:
        batch.drop_index(batch.f('ix_share_ended_tokens_at'))
    op.drop_table('share_ended_tokens')
    op.drop_table('friends')
