"""`flask mail`: as whom we mail, and what the DNS must say of it.

What hangs below it has modules of its own: see commands/__init__.py.
"""

from flask.cli import AppGroup

mail_commands = AppGroup("mail", help="As whom we mail, and what the DNS must say of it.")
