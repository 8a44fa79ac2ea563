"""`python -m alerting.cli`: the `vedette` command of this very interpreter, which `up` starts its processes with."""

from alerting.cli import main

main()
