"""Lets the tests import coursekit, from whatever folder pytest is called in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
