"""What a person is told of how a model ended its reply stands in the manual too."""

import re

from tests.support.servers import ROOT
from webapp.chats import endings
from webapp.sentences import Sentence


def test_the_manual_says_of_each_ending_what_to_do() -> None:
    said = {value for name, value in vars(endings).items() if name.isupper() and value != endings.LENGTH}
    assert all(isinstance(sentence, Sentence) for sentence in said)
    manual = (ROOT / "docs" / "getting-started.md").read_text()
    assert said == set(re.findall(r"^\| “(The [^”]*)” \| \w", manual, re.MULTILINE))
