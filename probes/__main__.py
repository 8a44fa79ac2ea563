"""`python -m probes`: one look in a process of its own, told on stdin and answered on stdout, both in JSON.

    {"kind", "config", "seconds", "denied": [CIDR…], "allowed": [CIDR…], "previous": an observation or null}

The configuration is one that `check_config` took: it comes on stdin, for a command line is anybody's to read.
"""

import json
import sys
from dataclasses import asdict

from probes import Observation
from probes._machinery.runner import run


def main() -> None:
    """Look once."""
    told = json.load(sys.stdin)
    seen = run(
        told["kind"],
        told["config"],
        previous=Observation(**told["previous"]) if told["previous"] else None,
        timeout=told["seconds"],
        denied_networks=told["denied"],
        allowed_networks=told["allowed"],
    )
    json.dump(asdict(seen), sys.stdout)


if __name__ == "__main__":
    main()
