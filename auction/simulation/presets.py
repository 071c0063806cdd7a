"""Settings a simulated market runs with, by name: the source's own, and better ones."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from auction import quests

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_AS_IT_IS: Final[quests.Settings] = {}


class Preset(NamedTuple):
    """What differs from the defaults of the tables: of each quest, of the pool, of the monetary policy."""

    name: str
    why: str
    quest: quests.Settings = _AS_IT_IS
    pool: Mapping[str, object] = _NOTHING
    money: Mapping[str, object] = _NOTHING


SOURCE: Final = Preset("source", "the defaults: bid_factor 0.6 of the value, at most the wallet's share per task")
PACED: Final = Preset(
    "paced",
    "quests bid their tasks' value, scaled so that the wallet lasts a day",
    quest={"strategy": "paced"},
)
SCALED: Final = Preset(
    "scaled",
    "as the source, but a hundredth of the value: below the wallet's share per task, so that bids tell values apart",
    quest={"bid_factor": Decimal("0.01")},
)
BY_NAME: Final = {preset.name: preset for preset in (SOURCE, PACED, SCALED)}
