"""What comes back: arrivals, bounces on the ledger, outcomes, counts, suppressions with an end."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0003'
down_revision = '0002'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. A sender of before can go on beside it: it neither reads nor writes what is new."""
    op.add_column('suppressions', sa.Column('expires_at', core.database.UtcTime(), nullable=True))
    op.add_column('signup_requests', sa.Column('confirmed_at', core.database.UtcTime(), nullable=True))
    op.add_column('deliveries', sa.Column('returned_at', core.database.UtcTime(), nullable=True))
    op.add_column('deliveries', sa.Column('returned_as', sa.String(length=20), nullable=True))
    where = sa.text('returned_at IS NOT NULL')
    op.create_index(
        'ix_deliveries_returned',
        'deliveries',
        ['mailing_id', 'returned_as', 'state'],
        postgresql_where=where,
        sqlite_where=where,
    )
    op.create_index(
        'ix_deliveries_returned_at', 'deliveries', ['returned_at'], postgresql_where=where, sqlite_where=where
    )
    where = sa.text("state IN ('failed', 'expired') AND last_code IS NOT NULL AND returned_at IS NULL")
    op.create_index('ix_deliveries_unjudged', 'deliveries', ['id'], postgresql_where=where, sqlite_where=where)
    op.create_table(
        'bounces',
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('delivery_id', BIG, nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_bounces_delivery_id_deliveries')),
        sa.PrimaryKeyConstraint('addr_hash', 'kind', 'delivery_id', name=op.f('pk_bounces')),
    )
    op.create_index('ix_bounces_at', 'bounces', ['at'])
    op.create_table(
        'outcomes',
        sa.Column('id', BIG, autoincrement=True, nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('delivery_id', BIG, nullable=True),
        sa.Column('mailing_id', BIG, nullable=False),
        sa.Column('reader_key', sa.LargeBinary(length=16), nullable=True),
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.CheckConstraint(
            "kind IN ('hard_bounce', 'soft_bounce', 'complaint', 'left_by_mail', 'ended_unsent', 'mailing_cancelled')",
            name=op.f('ck_outcomes_kind'),
        ),
        sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_outcomes_delivery_id_deliveries')),
        sa.ForeignKeyConstraint(['mailing_id'], ['mailings.id'], name=op.f('fk_outcomes_mailing_id_mailings')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_outcomes')),
    )
    op.create_table(
        'arrivals',
        sa.Column('id', BIG, autoincrement=True, nullable=False),
        sa.Column('source', sa.String(length=20), nullable=False),
        sa.Column('key', sa.LargeBinary(length=32), nullable=False),
        sa.Column('arrived_at', core.database.UtcTime(), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=True),
        sa.Column('delivery_id', BIG, nullable=True),
        sa.Column('why', sa.String(length=300), nullable=True),
        sa.Column('raw', sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('new', 'done', 'unread')", name=op.f('ck_arrivals_state')),
        sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_arrivals_delivery_id_deliveries')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_arrivals')),
        sa.UniqueConstraint('source', 'key', name=op.f('uq_arrivals_source_key')),
    )
    waiting = sa.text("state = 'new'")
    op.create_index('ix_arrivals_waiting', 'arrivals', ['id'], postgresql_where=waiting, sqlite_where=waiting)
    op.create_index('ix_arrivals_arrived_at', 'arrivals', ['arrived_at'])
    op.create_table(
        'auto_answers',
        sa.Column('addr_hash', sa.LargeBinary(length=16), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('letters', sa.Integer(), nullable=False),
        sa.Column('answered_at', core.database.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint('addr_hash', name=op.f('pk_auto_answers')),
    )


def downgrade() -> None:
    """Undo."""
    for table in ('auto_answers', 'arrivals', 'outcomes', 'bounces'):
        op.drop_table(table)
    for name in ('returned', 'returned_at', 'unjudged'):
        op.drop_index(f'ix_deliveries_{name}', 'deliveries')
    op.drop_column('deliveries', 'returned_as')
    op.drop_column('deliveries', 'returned_at')
    op.drop_column('signup_requests', 'confirmed_at')
    op.drop_column('suppressions', 'expires_at')
