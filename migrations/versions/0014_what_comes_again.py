"""What a digest brings again, how many headlines stand below, who waits for more stories, and the editors' rank."""

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0011'


def upgrade() -> None:
    """Apply. Every digest goes on to bring a story once, and has five headlines below."""
    with op.batch_alter_table('digests') as batch:
        batch.add_column(sa.Column('headlines', sa.SmallInteger(), server_default='5', nullable=False))
    _repeats("'never', 'headline', 'updated', 'recap'")
    op.add_column('subscriptions', sa.Column('waited', sa.SmallInteger(), server_default='0', nullable=False))
    op.add_column('articles', sa.Column('rank', sa.SmallInteger(), server_default='0', nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_column('articles', 'rank')
    op.drop_column('subscriptions', 'waited')
    op.execute("UPDATE digests SET repeat = 'never'")
    _repeats("'never'")
    with op.batch_alter_table('digests') as batch:
        batch.drop_column('headlines')


def _repeats(repeats: str) -> None:
    with op.batch_alter_table('digests') as batch:
        batch.drop_constraint(op.f('ck_digests_repeat'), type_='check')
        batch.create_check_constraint(op.f('ck_digests_repeat'), f'repeat IN ({repeats})')
