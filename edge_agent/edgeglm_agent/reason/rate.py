"""How often an endpoint may be asked, and for how many tokens: two buckets, as far as its owner says so. Pure."""

from typing import Final

import msgspec

from edgeglm_agent.reason.bucket import Bucket
from edgeglm_agent.reason.form import Body
from edgeglm_api.bundle import Endpoint

BYTES_A_TOKEN: Final = 4
"""About what tokenizers make of such prompts. What an answer has really cost is settled when it is there."""
_AS_MANY: Final = 1 << 30


class Rate:
    """State of one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._requests = Bucket(endpoint.requests_per_minute) if endpoint.requests_per_minute else None
        self._tokens = Bucket(endpoint.tokens_per_minute) if endpoint.tokens_per_minute else None
        self.paced = 0
        """How often a request had to wait for it."""

    def free(self, now: float) -> int:
        """Return how many more requests may be asked now, as far as that is known without seeing them."""
        if self._tokens is not None and not self._tokens.whole(now):
            return 0
        return _AS_MANY if self._requests is None else self._requests.whole(now)

    def takes(self, tokens: int, now: float) -> bool:
        """Take one request of about so many tokens, if it may be had now."""
        wanted = ((self._requests, 1), (self._tokens, tokens))
        if not all(bucket is None or bucket.holds(amount, now) for bucket, amount in wanted):
            self.paced += 1
            return False
        for bucket, amount in wanted:
            if bucket is not None:
                bucket.take(amount, now)
        return True

    def correct(self, taken: int, used: int, now: float) -> None:
        """Make good the difference between what was taken and what it came to."""
        if self._tokens is not None:
            self._tokens.take(used - taken, now)


def about_tokens(body: Body) -> int:
    """Return about how many tokens a question may come to, with its answer."""
    return len(msgspec.json.encode(body["messages"])) // BYTES_A_TOKEN + int(body["max_tokens"])
