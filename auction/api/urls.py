"""The addresses of the market, each with and without a trailing slash."""

from django.urls import re_path

from auction.api import allocations, bids, market, next_task, quests, results, slots, tasks
from config.api.root import Index

BID = r"(?P<bid_id>[0-9]{1,18})"
ROUND = r"(?P<round_id>[0-9]{1,18})"
QUEST = r"(?P<quest_id>[^/\x00-\x1f]{1,64})"
SLOT = r"(?P<slot_id>[^/\x00-\x1f]{1,200})"
TASK = r"(?P<task_id>[^/\x00-\x1f]{1,200})"

COLLECTIONS = (
    *("allocations", "bids", "clears", "order-book", "pools", "quests"),
    *("rounds", "slots", "stats", "tasks", "wins"),
)

urlpatterns = [
    re_path(r"^\Z", Index.as_view(names=COLLECTIONS)),
    re_path(r"^allocations/?\Z", allocations.Allocations.as_view()),
    re_path(r"^bids/?\Z", bids.Bids.as_view()),
    re_path(r"^bids/batch/?\Z", bids.BidBatch.as_view()),
    re_path(rf"^bids/{BID}/?\Z", bids.OneBid.as_view()),
    re_path(rf"^bids/{BID}/cancel/?\Z", bids.CancelBid.as_view()),
    re_path(r"^clears/?\Z", results.Clears.as_view()),
    re_path(rf"^clears/{SLOT}/?\Z", results.OneClear.as_view()),
    re_path(r"^next-task/?\Z", next_task.NextTask.as_view()),
    re_path(r"^order-book/?\Z", market.OrderBook.as_view()),
    re_path(r"^pools/?\Z", market.Pools.as_view()),
    re_path(r"^pools/(?P<name>[\w-]{1,64})/?\Z", market.OnePool.as_view()),
    re_path(r"^quests/?\Z", quests.Quests.as_view()),
    re_path(rf"^quests/{QUEST}/?\Z", quests.OneQuest.as_view()),
    re_path(rf"^quests/{QUEST}/tasks/?\Z", quests.QuestTasks.as_view()),
    re_path(r"^rounds/?\Z", results.Rounds.as_view()),
    re_path(rf"^rounds/{ROUND}/?\Z", results.OneRound.as_view()),
    re_path(r"^slots/?\Z", slots.Slots.as_view()),
    re_path(rf"^slots/{SLOT}/?\Z", slots.OneSlot.as_view()),
    re_path(rf"^slots/{SLOT}/heartbeat/?\Z", slots.Heartbeat.as_view()),
    re_path(rf"^slots/{SLOT}/impact/?\Z", slots.GradeSlot.as_view()),
    re_path(rf"^slots/{SLOT}/settle/?\Z", slots.SettleSlot.as_view()),
    re_path(rf"^slots/{SLOT}/start/?\Z", slots.StartSlot.as_view()),
    re_path(rf"^slots/{SLOT}/withdraw/?\Z", slots.WithdrawSlot.as_view()),
    re_path(r"^stats/?\Z", market.Stats.as_view()),
    re_path(r"^tasks/?\Z", tasks.Tasks.as_view()),
    re_path(rf"^tasks/{TASK}/?\Z", tasks.OneTask.as_view()),
    re_path(rf"^tasks/{TASK}/cancel/?\Z", tasks.CancelTask.as_view()),
    re_path(r"^wins/?\Z", results.Wins.as_view()),
    re_path(rf"^wins/{SLOT}/?\Z", results.OneWin.as_view()),
]
