"""The whole timetable: what beat wakes, and how often.

One tick a second runs whatever a pool or a policy says is due; cadences are columns of those, so the beat
table only switches jobs on and off. A message nobody took before the next one is due is dropped: the
database, not the broker, knows what remains to be done. The table knows that age as `expire_seconds` and no other name.
"""

from datetime import timedelta
from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "auction: tick": {
        "task": "auction.tasks.tick",
        "schedule": timedelta(seconds=1),
        "options": {"expire_seconds": 2},
    },
    "auction: audit": {
        "task": "auction.tasks.audit_books",
        "schedule": timedelta(minutes=5),
        "options": {"expire_seconds": 290},
    },
    "economics: tick": {
        "task": "economics.tasks.tick",
        "schedule": timedelta(seconds=1),
        "options": {"expire_seconds": 2},
    },
    "economics: figures": {
        "task": "economics.tasks.keep_figures",
        "schedule": timedelta(seconds=15),
        "options": {"expire_seconds": 14},
    },
    "governance: tick": {
        "task": "governance.tasks.tick",
        "schedule": timedelta(seconds=1),
        "options": {"expire_seconds": 2},
    },
    "house: forget": {
        "task": "auction.tasks.forget",
        "schedule": timedelta(hours=1),
        "options": {"expire_seconds": 3500},
    },
}
