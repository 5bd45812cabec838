"""What holds for all tests of the tools."""

import os
import pty
import signal
import sys
from pathlib import Path

import pytest

# Lets the tests import coursekit, from whatever folder pytest is called in.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# A shell starts its background jobs with Ctrl-C ignored, nohup with hang-ups ignored, and a child
# inherits both. The tests interrupt what they start, and a child that ignores it would never end.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


@pytest.fixture
def terminals() -> None:
    """For tests that need a pseudo-terminal: a chroot without /dev/pts has none."""
    try:
        descriptors = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives out no pseudo-terminal: {error}")
    for descriptor in descriptors:
        os.close(descriptor)
