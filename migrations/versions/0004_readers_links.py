"""Readers links: changes made by them, addresses that change, reasons to leave."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0004'
down_revision = '0003'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
KINDS = "'saved', 'paused', 'resumed', 'left', 'left_all', 'fewer', 'address', 'address_back', 'undone'"


def upgrade() -> None:
    """Apply. What ran before can go on beside it: it neither reads nor writes what is new."""
    with op.batch_alter_table('subscribers') as table:
        table.add_column(sa.Column('left_by_click_id', BIG, nullable=True))
        table.create_foreign_key(op.f('fk_subscribers_left_by_click_id_digests'), 'digests', ['left_by_click_id'], ['id'])
    _changes()
    _addresses()
    op.create_table(
        'leaving_reasons',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('digest_id', BIG, nullable=False),
        sa.Column('reason', sa.String(length=20), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_leaving_reasons_digest_id_digests')),
        sa.PrimaryKeyConstraint('day', 'digest_id', 'reason', name=op.f('pk_leaving_reasons')),
    )


def _changes() -> None:
    op.create_table(
        'link_changes',
        sa.Column('id', BIG, autoincrement=True, nullable=False),
        sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
        sa.Column('subscriber_id', BIG, nullable=False),
        sa.Column('kind', sa.String(length=12), nullable=False),
        sa.Column('digest_id', BIG, nullable=True),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('before', sa.JSON(), nullable=False),
        sa.Column('after', sa.JSON(), nullable=False),
        sa.Column('streams', sa.JSON(), nullable=False),
        sa.Column('tell_at', core.database.UtcTime(), nullable=False),
        sa.Column('told_at', core.database.UtcTime(), nullable=True),
        sa.Column('undone_at', core.database.UtcTime(), nullable=True),
        sa.Column('reason_given', sa.Boolean(), nullable=False),
        sa.CheckConstraint(f'kind IN ({KINDS})', name=op.f('ck_link_changes_kind')),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_link_changes_digest_id_digests')),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_link_changes_subscriber_id_subscribers')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_link_changes')),
        sa.UniqueConstraint('public_id', name=op.f('uq_link_changes_public_id')),
    )
    op.create_index('ix_link_changes_subscriber_id_at', 'link_changes', ['subscriber_id', 'at'])
    where = sa.text('told_at IS NULL')
    op.create_index('ix_link_changes_untold', 'link_changes', ['tell_at'], postgresql_where=where, sqlite_where=where)


def _addresses() -> None:
    op.create_table(
        'address_changes',
        sa.Column('id', BIG, autoincrement=True, nullable=False),
        sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
        sa.Column('subscriber_id', BIG, nullable=False),
        sa.Column('address', sa.Text(), nullable=True),
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('next_try_at', core.database.UtcTime(), nullable=False),
        sa.Column('answered_at', core.database.UtcTime(), nullable=True),
        sa.Column('confirmed_at', core.database.UtcTime(), nullable=True),
        sa.Column('old_address', sa.Text(), nullable=True),
        sa.Column('old_key', sa.LargeBinary(length=16), nullable=True),
        sa.CheckConstraint(
            "state IN ('new', 'answered', 'confirmed', 'undone', 'dropped')", name=op.f('ck_address_changes_state')
        ),
        sa.CheckConstraint(
            "address IS NULL OR state IN ('new', 'answered')", name=op.f('ck_address_changes_address_while_open')
        ),
        sa.CheckConstraint(
            "old_address IS NULL OR state = 'confirmed'", name=op.f('ck_address_changes_old_address_while_confirmed')
        ),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_address_changes_subscriber_id_subscribers')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_address_changes')),
        sa.UniqueConstraint('public_id', name=op.f('uq_address_changes_public_id')),
    )
    op.create_index('ix_address_changes_addr_hash_at', 'address_changes', ['addr_hash', 'at'])
    op.create_index('ix_address_changes_subscriber_id_at', 'address_changes', ['subscriber_id', 'at'])
    where = sa.text("state = 'new'")
    op.create_index(
        'ix_address_changes_waiting', 'address_changes', ['next_try_at'], postgresql_where=where, sqlite_where=where
    )
    op.create_table(
        'former_keys',
        sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
        sa.Column('subscriber_id', BIG, nullable=False),
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('link_version', sa.SmallInteger(), nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_former_keys_subscriber_id_subscribers')
        ),
        sa.PrimaryKeyConstraint('public_id', name=op.f('pk_former_keys')),
    )
    op.create_index('ix_former_keys_subscriber_id', 'former_keys', ['subscriber_id'])


def downgrade() -> None:
    """Undo."""
    for name in ('former_keys', 'address_changes', 'link_changes', 'leaving_reasons'):
        op.drop_table(name)
    with op.batch_alter_table('subscribers') as table:
        table.drop_constraint(op.f('fk_subscribers_left_by_click_id_digests'), type_='foreignkey')
        table.drop_column('left_by_click_id')
