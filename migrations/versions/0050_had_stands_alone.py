"""A reader's history is no foreign key, which PostgreSQL looks up for each reader of each wave; nor packed once more."""

from alembic import op


revision = '0050'
down_revision = '0049'


def upgrade() -> None:
    """Apply. Histories of before stay as they are stored."""
    with op.batch_alter_table('had') as batch:
        batch.drop_constraint('fk_had_history_id', type_='foreignkey')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE histories ALTER COLUMN entries SET STORAGE EXTERNAL')


def downgrade() -> None:
    """Undo."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE histories ALTER COLUMN entries SET STORAGE EXTENDED')
    with op.batch_alter_table('had') as batch:
        batch.create_foreign_key('fk_had_history_id', 'histories', ['history_id'], ['id'])
