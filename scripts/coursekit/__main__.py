"""Entry point of `python3 -I scripts/coursekit …`.

`overlay` is dispatched before the command line is imported: CMake runs it, and it may not need the
packages that the command line needs.
"""

import sys
from pathlib import Path


def main() -> int:
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:2]))
        print(
            f"the course needs Python 3.11 or later, and {sys.executable} is {found}: "
            "use Debian 12, Debian 13, Ubuntu 24.04 or later",
            file=sys.stderr,
        )
        return 3
    # A folder that is run puts itself on the path; its modules would then have two names each.
    package = Path(__file__).resolve().parent
    sys.path[:] = [str(package.parent)] + [p for p in sys.path if Path(p).resolve() != package]

    arguments = sys.argv[1:]
    if arguments[:1] == ["overlay"]:
        from coursekit.building import targets

        return targets.main(arguments[1:])
    from coursekit import cli

    return int(cli.main() or 0)


if __name__ == "__main__":
    sys.exit(main())
