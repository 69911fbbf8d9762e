"""Check the Python that was called, then let tools/environment.py make .venv ready.

Old Pythons read this file too, and have to be told what is wrong: nothing newer than Python 2.7 stands here.
"""

import os
import platform
import runpy
import sys

OLDEST = (3, 11)
TOO_OLD = (
    "Postrider needs Python 3.11 or newer; this is %s. Install a newer one "
    "(Debian: apt-get install -y python3 python3-venv) or run: make run PYTHON=/path/to/python3.11"
)

if __name__ == "__main__":
    if sys.version_info[:2] < OLDEST:
        sys.exit(TOO_OLD % platform.python_version())
    sys.dont_write_bytecode = True
    here = os.path.dirname(os.path.abspath(__file__))
    runpy.run_path(os.path.join(here, "environment.py"), run_name="__main__")
