"""course doctor: what is missing on this machine."""

from __future__ import annotations

import json
import sys

import click

from coursekit.course import paths
from coursekit.errors import ALL_PASS, MACHINE


@click.command(short_help="What this machine has and lacks, and how to fix it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(as_json: bool) -> int:
    """What this machine has and lacks, and how to fix it.

    Exit code 3 when something is missing that `check` needs.
    """
    from coursekit.building import doctor
    from coursekit.telling import text

    checkout = paths.find_checkout()
    width = text.width_of(sys.stdout)
    findings = []
    for finding in doctor.examine(checkout):
        findings.append(finding)
        if not as_json:
            text.write(doctor.lines(finding, width))
    if as_json:
        print(json.dumps(doctor.as_object(findings), indent=1, ensure_ascii=False))
    else:
        text.write([(), *doctor.summary(findings, width)])
    return ALL_PASS if all(f.ok for f in findings if f.needed) else MACHINE
