"""What `vedette info check` says: a report for a person, a record for a program."""

from typing import Any

from alerting.cli.tables import printable
from probes._machinery.differences import Difference
from probes._machinery.documents import MISSING
from probes.info import Judged

_LONGEST_NAME = 80


def record(judged: Judged, document: Any) -> dict[str, Any]:
    """The verdict for a program."""
    return {
        "status": judged.status,
        "message": _headline(judged, document),
        "contract_faults": [{"pointer": fault.pointer, "message": fault.message} for fault in judged.faults],
        "unmet_expectations": list(judged.unmet),
        "changes": None if judged.changes is None else [_change(one) for one in judged.changes],
    }


def report(judged: Judged, document: Any) -> list[str]:
    """What a person reads: a headline, then a line for everything that was found."""
    weights = max((len(one.weight) for one in judged.changes or ()), default=0)
    found = {
        "contract faults": [f"{fault.pointer or '/'}: {fault.message}" for fault in judged.faults],
        "unmet expectations": list(judged.unmet),
        "changes since the baseline": [f"{one.weight:{weights}}  {one}" for one in judged.changes or ()],
    }
    lines = [_headline(judged, document)]
    for words, sentences in found.items():
        lines += [f"{words}:", *(f"  {sentence}" for sentence in sentences)] if sentences else []
    return [printable(line) for line in lines]


def _change(one: Difference) -> dict[str, Any]:
    values = {"before": one.before, "after": one.after}
    return {
        "change": one.change,
        "weight": one.weight,
        "pointer": one.path,
        **{key: value for key, value in values.items() if value is not MISSING},
    }


def _headline(judged: Judged, document: Any) -> str:
    counts = {
        "contract fault": len(judged.faults),
        "unmet expectation": len(judged.unmet),
        "breaking change": sum(one.weight == "breaking" for one in judged.changes or ()),
        "other change": sum(one.weight == "changed" for one in judged.changes or ()),
    }
    found = ", ".join(f"{number} {what}{'s' * (number > 1)}" for what, number in counts.items() if number)
    return f"{judged.status.upper()} - {_name(document)}{found or 'as expected'}"


def _name(document: Any) -> str:
    told = [document.get(key) for key in ("name", "version")] if isinstance(document, dict) else []
    words = " ".join(one for one in told if isinstance(one, str))[:_LONGEST_NAME]
    return f"{words}: " if words else ""
