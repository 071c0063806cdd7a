"""An agent's own way to the API: one connection kept open, one key, every answer counted."""

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

ROOT = "/api/compute-auction/"
TIMEOUT_SECONDS = 15.0
TRIES = 3
LONGEST_PAUSE = 2.0
_FIRST_ERROR = 400
_TRY_AGAIN = 503


class Answer(NamedTuple):
    """What came back: the status (0 for no answer), the body, and the code of a refusal."""

    status: int
    body: Any
    code: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 0 < self.status < _FIRST_ERROR


class Tally:
    """What all clients together saw: how often which answer, how fast, and what nobody had expected."""

    def __init__(self) -> None:
        """Begin empty; many threads may note."""
        self._lock = threading.Lock()
        self.answers: Counter[tuple[int, str]] = Counter()
        self.batch_refusals: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.unexpected: list[str] = []

    def note(self, answer: Answer, seconds: float) -> None:
        """Count an answer and how long it took."""
        with self._lock:
            self.answers[answer.status, answer.code] += 1
            self.seconds.append(seconds)

    def refused_in_batch(self, agent: str, code: str, *, expected: Collection[str]) -> None:
        """Count a refusal that came inside the answer to a batch."""
        with self._lock:
            self.batch_refusals[code] += 1
        if code not in expected:
            self.complain(f"{agent}: a bid of a batch was refused: {code}")

    def complain(self, what: str) -> None:
        """Keep what should not have happened."""
        with self._lock:
            self.unexpected.append(what)


class Client:
    """Speaks to the API of one site with one agent's key, from one thread."""

    def __init__(self, host: str, port: int, *, agent: str, key: str, tally: Tally) -> None:
        """Remember where and who; the connection opens with the first request."""
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._agent = agent
        self._tally = tally

    def rows(self, path: str, **query: object) -> list[dict[str, Any]]:
        """Return the first page of a list, empty when it was refused."""
        answer = self.get(path, page_size=200, **query)
        return list(answer.body["results"]) if answer.ok else []

    def get(self, path: str, **query: object) -> Answer:
        """Read something."""
        return self._send("GET", path + (f"?{urlencode(query)}" if query else ""), None, ())

    def post(self, path: str, body: Mapping[str, object] | None = None, *, expected: Collection[str] = ()) -> Answer:
        """Do something, once however often it is sent. `expected` names the refusals this may run into."""
        return self._send("POST", path, json.dumps(body or {}), expected)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _send(self, method: str, path: str, body: str | None, expected: Collection[str]) -> Answer:
        headers = self._headers | ({"Idempotency-Key": uuid.uuid4().hex} if body is not None else {})
        for attempt in range(1, TRIES + 1):
            began = time.monotonic()
            answer, pause = self._exchange(method, ROOT + path, body, headers)
            self._tally.note(answer, time.monotonic() - began)
            if answer.status not in (0, _TRY_AGAIN) or attempt == TRIES:
                break
            time.sleep(pause)
        if not answer.ok and answer.code not in expected:
            said = f"{answer.status} {answer.code}: {answer.body}"
            self._tally.complain(f"{self._agent}: {method} {path} was answered {said}")
        return answer

    def _exchange(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[Answer, float]:
        """Send one request; return the answer and how many seconds to wait before sending it again."""
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            text = response.read()
            shown = json.loads(text)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self._connection.close()
            return Answer(0, repr(error), "no_answer"), 0.1
        pause = min(float(response.headers.get("Retry-After") or 0.1), LONGEST_PAUSE)
        if response.status >= _FIRST_ERROR:
            return Answer(response.status, shown.get("detail"), str(shown.get("code"))), pause
        return Answer(response.status, shown), pause
