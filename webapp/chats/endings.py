"""What a person is told of how a model ended its reply. The reasons are those of OpenAI's `finish_reason`."""

from ..sentences import Sentence

LENGTH = "length"
LIMIT = Sentence("The model reached its limit of length.")
LIMIT_BEFORE_ANSWER = Sentence("The model reached its limit of length before its answer began.")
FILTERED = Sentence("The upstream's content filter ended this reply.")
NO_WORDS = Sentence("The model ended its reply without a word.")
NO_TOOLS = Sentence("The model asked for a tool instead of answering, and there are none here.")


def remark(reason: str) -> str:
    """On a reply that has words; empty where nothing is to be said."""
    return {LENGTH: LIMIT, "content_filter": FILTERED}.get(reason, "")


def excuse(reason: str) -> str:
    """For a reply that has none."""
    known = {LENGTH: LIMIT_BEFORE_ANSWER, "content_filter": FILTERED, "tool_calls": NO_TOOLS, "function_call": NO_TOOLS}
    return known.get(reason, NO_WORDS)
