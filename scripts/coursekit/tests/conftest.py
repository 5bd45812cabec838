"""What holds for all tests of the tools."""

import signal
import sys
from pathlib import Path

# Lets the tests import coursekit, from whatever folder pytest is called in.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# A shell starts its background jobs with Ctrl-C ignored, nohup with hang-ups ignored, and a child
# inherits both. The tests interrupt what they start, and a child that ignores it would never end.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
