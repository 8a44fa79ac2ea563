"""The configuration in force: the file's, and over it the rules that the API made, taken without a restart."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import schemas
from alerting.config import Config, Rule
from alerting.configuration.rules import is_addressee, rule_of
from alerting.store import rules
from alerting.store.database import reading
from alerting.store.rules import Made

logger = logging.getLogger("vedette.configuration")

_ADDRESSEES = ("notify_channels", "escalate_to")


class Overlay:
    """The API's rules as they were when last looked at. `over` answers the same object until something changes."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._made: tuple[Made, ...] = ()
        self._last: tuple[Config, tuple[Made, ...], Config] | None = None

    def refresh(self) -> bool:
        """Look whether a rule was made, changed or deleted, and take it: one small query where none was."""
        with reading():
            version = rules.version()
            if version == self._version:
                return False
            self._made = tuple(rules.listed())  # what is newer than the number is read once more, and never missed
        self._version = version
        return True

    def over(self, config: Config) -> Config:
        """The configuration with the API's rules between the file's and those everybody starts with."""
        last = self._last
        if last is not None and last[0] is config and last[1] is self._made:
            return last[2]
        made = self._made
        whole = with_rules(config, made) if made else config
        self._last = (config, made, whole)
        return whole


def in_force(config: Config) -> Config:
    """The file's configuration with the API's rules as they are in the database now."""
    overlay = Overlay()
    overlay.refresh()
    return overlay.over(config)


def with_rules(config: Config, made: Sequence[Made]) -> Config:
    """The configuration with these rules."""
    own = [rule for rule in config.rules if rule.managed_by != "default"]
    defaults = [rule for rule in config.rules if rule.managed_by == "default"]
    return replace(config, rules=(*own, *_rules(config, made), *defaults))


def rule_from(made: Made) -> Rule:
    """A rule of the API's as a value."""
    return replace(rule_of(made.item, "api", made.organization), id=made.id)


def _rules(config: Config, made: Sequence[Made]) -> Iterator[Rule]:
    for one in made:
        if schemas.faults("api/rule", one.item):
            logger.error("rule %d, made by %s, is not one for this version: left out", one.id, one.created_by)
        else:
            yield rule_from(replace(one, item=_reachable(config, one)))


def _reachable(config: Config, made: Made) -> Mapping[str, Any]:
    """The rule without channels that the file has no more: none left, and the severity policy tells of its alerts."""
    item = dict(made.item)
    for key in _ADDRESSEES:
        gone = [name for name in item.get(key, ()) if not is_addressee(config, made.organization, name)]
        if gone:
            logger.warning("rule %d names channels that are no more: %s", made.id, ", ".join(gone))
            item[key] = [name for name in item[key] if name not in gone]
    if item.get("escalate_to") == []:
        del item["escalate_to"], item["escalate_after_seconds"]
    return item
