"""The text of a story from its page, where its feed has only a teaser and its publisher says so."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0015'
down_revision = '0018'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. No feed says so yet."""
    op.add_column('feeds', sa.Column('full_text', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        'full_texts',
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('own_hash', sa.LargeBinary(), nullable=False),
        sa.Column('wanted_at', core.database.UtcTime(), nullable=False),
        sa.Column('next_try_at', core.database.UtcTime(), nullable=True),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('taken_at', core.database.UtcTime(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ('etag', 'last_modified')),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_full_texts_article_id')),
        sa.PrimaryKeyConstraint('article_id', name=op.f('pk_full_texts')),
    )
    op.create_index(op.f('ix_full_texts_next_try_at'), 'full_texts', ['next_try_at'])


def downgrade() -> None:
    """Undo. What waited for its text is published a few minutes later, with its teaser."""
    op.drop_index(op.f('ix_full_texts_next_try_at'), table_name='full_texts')
    op.drop_table('full_texts')
    with op.batch_alter_table('feeds') as batch:
        batch.drop_column('full_text')
