"""Consent chain: the proof of consent can only grow, and gets its seals; pauses are known afterwards, too.

A later step that rebuilds one of these tables on SQLite (batch_alter_table) must set the triggers up again.
"""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0006'
down_revision = '0005'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
SEALED = '(seq IS NULL) = (seal IS NULL)'
KEPT = ('id', 'at', 'kind', 'digest_id', 'wording', 'commitment')
"""What of an entry never changes: all but its place in the chain and its seal, which come once."""
NO_CHANGE = 'An entry of the proof of consent is sealed once; nothing else of it changes.'
NO_DELETE = 'An entry of the proof of consent is never taken out.'
NO_EDIT = 'Particulars of the proof of consent are added and erased, never changed.'

POSTGRESQL = (
    'CREATE FUNCTION consent_refused() RETURNS trigger LANGUAGE plpgsql AS '
    '$$ BEGIN RAISE EXCEPTION \'%\', TG_ARGV[0]; END $$',
    'CREATE TRIGGER consent_entries_sealed_once BEFORE UPDATE ON consent_entries FOR EACH ROW WHEN '
    '(OLD.seq IS NOT NULL OR NEW.seq IS NULL OR '
    f'({", ".join(f"OLD.{name}" for name in KEPT)}) IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in KEPT)})) '
    f"EXECUTE FUNCTION consent_refused('{NO_CHANGE}')",
    f"CREATE TRIGGER consent_entries_kept BEFORE DELETE ON consent_entries FOR EACH ROW "
    f"EXECUTE FUNCTION consent_refused('{NO_DELETE}')",
    f"CREATE TRIGGER consent_entries_not_emptied BEFORE TRUNCATE ON consent_entries FOR EACH STATEMENT "
    f"EXECUTE FUNCTION consent_refused('{NO_DELETE}')",
    f"CREATE TRIGGER consent_particulars_not_edited BEFORE UPDATE ON consent_particulars FOR EACH ROW "
    f"EXECUTE FUNCTION consent_refused('{NO_EDIT}')",
)
SQLITE = (
    'CREATE TRIGGER consent_entries_sealed_once BEFORE UPDATE ON consent_entries WHEN '
    'OLD.seq IS NOT NULL OR NEW.seq IS NULL OR '
    + ' OR '.join(f'OLD.{name} IS NOT NEW.{name}' for name in KEPT)
    + f" BEGIN SELECT RAISE(ABORT, '{NO_CHANGE}'); END",
    f"CREATE TRIGGER consent_entries_kept BEFORE DELETE ON consent_entries "
    f"BEGIN SELECT RAISE(ABORT, '{NO_DELETE}'); END",
    # REPLACE takes a row out without a word to the trigger above.
    "CREATE TRIGGER consent_entries_not_replaced BEFORE INSERT ON consent_entries "
    'WHEN EXISTS (SELECT 1 FROM consent_entries WHERE id = NEW.id OR seq = NEW.seq) '
    f"BEGIN SELECT RAISE(ABORT, '{NO_CHANGE}'); END",
    f"CREATE TRIGGER consent_particulars_not_edited BEFORE UPDATE ON consent_particulars "
    f"BEGIN SELECT RAISE(ABORT, '{NO_EDIT}'); END",
    "CREATE TRIGGER consent_particulars_not_replaced BEFORE INSERT ON consent_particulars "
    'WHEN EXISTS (SELECT 1 FROM consent_particulars WHERE entry_id = NEW.entry_id) '
    f"BEGIN SELECT RAISE(ABORT, '{NO_EDIT}'); END",
)


def upgrade() -> None:
    """Apply. A site of before can go on beside it: what it adds is sealed like the rest."""
    sqlite = op.get_bind().dialect.name == 'sqlite'
    op.add_column('consent_entries', sa.Column('seq', BIG, nullable=True))
    if sqlite:
        # Only so does SQLite take a condition without building the table anew, which others point to.
        op.execute(f'ALTER TABLE consent_entries ADD COLUMN seal BLOB CONSTRAINT ck_consent_entries_sealed CHECK ({SEALED})')
    else:
        op.add_column('consent_entries', sa.Column('seal', sa.LargeBinary(), nullable=True))
        op.create_check_constraint(op.f('ck_consent_entries_sealed'), 'consent_entries', SEALED)
    op.create_index('ix_consent_entries_seq', 'consent_entries', ['seq'], unique=True)
    where = sa.text('seq IS NULL')
    op.create_index('ix_consent_entries_unsealed', 'consent_entries', ['id'], postgresql_where=where, sqlite_where=where)
    for statement in SQLITE if sqlite else POSTGRESQL:
        op.execute(statement)
    op.create_table(
        'pauses',
        sa.Column('id', BIG, autoincrement=True, nullable=False),
        sa.Column('subscriber_id', BIG, nullable=False),
        sa.Column('began_at', core.database.UtcTime(), nullable=False),
        sa.Column('until', sa.Date(), nullable=False),
        sa.Column('ended_at', core.database.UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_pauses_subscriber_id_subscribers')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_pauses')),
    )
    op.create_index('ix_pauses_subscriber_id', 'pauses', ['subscriber_id'])


def downgrade() -> None:
    """Undo. The seals go; what they sealed stays."""
    op.drop_table('pauses')
    sqlite = op.get_bind().dialect.name == 'sqlite'
    for statement in SQLITE if sqlite else POSTGRESQL[1:]:
        name, table = statement.split()[2], statement.partition(' ON ')[2].split()[0]
        op.execute(f'DROP TRIGGER {name}' if sqlite else f'DROP TRIGGER {name} ON {table}')
    if not sqlite:
        op.execute('DROP FUNCTION consent_refused()')
        op.drop_constraint(op.f('ck_consent_entries_sealed'), 'consent_entries')
    op.drop_index('ix_consent_entries_unsealed', 'consent_entries')
    op.drop_index('ix_consent_entries_seq', 'consent_entries')
    op.drop_column('consent_entries', 'seal')
    op.drop_column('consent_entries', 'seq')
