"""The post office: providers, gates, quotas, senders that live, and alerts."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0002'
down_revision = '0001'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def partial(name, *columns, where):
    op.create_index(
        f'ix_deliveries_{name}', 'deliveries', list(columns),
        postgresql_where=sa.text(where), sqlite_where=sa.text(where),
    )


def upgrade() -> None:
    """Apply. A sender of before can go on beside it: its rows get the provider 0, which is never gated."""
    op.add_column('mailings', sa.Column('counts', sa.Text(), nullable=True))
    op.add_column('deliveries', sa.Column('provider', sa.SmallInteger(), server_default='0', nullable=False))
    op.drop_index('ix_deliveries_queue', 'deliveries')
    op.drop_index(op.f('ix_deliveries_addr_hash'), 'deliveries')
    partial('queue', 'mailing_id', 'provider', 'next_attempt_at', 'id', where="state = 'planned'")
    op.drop_index('ix_deliveries_mailing_state', 'deliveries')
    partial('state', 'mailing_id', 'state', where="state <> 'planned'")
    partial('expiry', 'not_after', where="state = 'planned'")
    partial('system', 'addr_hash', where='lane = 0')
    op.create_table('gates',
    sa.Column('relay', sa.Text(), nullable=False),
    sa.Column('provider', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('not_before', core.database.UtcTime(), nullable=True),
    sa.Column('fails', sa.Integer(), nullable=False),
    sa.Column('probe', BIG, nullable=True),
    sa.Column('rate', sa.Double(), nullable=True),
    sa.Column('ready_at', core.database.UtcTime(), nullable=True),
    sa.Column('slowed_at', core.database.UtcTime(), nullable=True),
    sa.Column('paused_at', core.database.UtcTime(), nullable=True),
    sa.Column('why', sa.String(length=300), nullable=True),
    sa.PrimaryKeyConstraint('relay', 'provider', name=op.f('pk_gates')),
    )
    op.create_table('quotas',
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('taken', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('domain', 'day', name=op.f('pk_quotas')),
    )
    op.create_table('workers',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('started_at', core.database.UtcTime(), nullable=False),
    sa.Column('heartbeat_at', core.database.UtcTime(), nullable=False),
    sa.Column('sent', BIG, nullable=False),
    sa.Column('rate', sa.Double(), nullable=False),
    sa.Column('refused', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workers')),
    )
    op.create_table('alerts',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('opened_at', core.database.UtcTime(), nullable=False),
    sa.Column('told_at', core.database.UtcTime(), nullable=True),
    sa.Column('acknowledged_at', core.database.UtcTime(), nullable=True),
    sa.Column('closed_at', core.database.UtcTime(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_alerts')),
    )


def downgrade() -> None:
    """Undo."""
    for table in ('alerts', 'workers', 'quotas', 'gates'):
        op.drop_table(table)
    for name in ('system', 'expiry', 'state', 'queue'):
        op.drop_index(f'ix_deliveries_{name}', 'deliveries')
    op.create_index(op.f('ix_deliveries_addr_hash'), 'deliveries', ['addr_hash'])
    op.create_index('ix_deliveries_mailing_state', 'deliveries', ['mailing_id', 'state'])
    op.create_index(
        'ix_deliveries_queue', 'deliveries', ['lane', 'next_attempt_at', 'id'],
        postgresql_where=sa.text("state = 'planned'"), sqlite_where=sa.text("state = 'planned'"),
    )
    op.drop_column('deliveries', 'provider')
    op.drop_column('mailings', 'counts')
