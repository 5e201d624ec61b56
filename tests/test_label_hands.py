"""Several tabs and raters at once: who holds what, what waits, and what is let go of."""

import json
import time

import pytest
from label_fakes import said, session_of

from undertone.annotation import hands as of_hands
from undertone.annotation import session as of_session
from undertone.annotation.choosing import AGAIN, Choice


@pytest.fixture
def two(tmp_path):
    """Anna and Bert at work on one log, as two processes are."""
    anna = session_of(tmp_path)
    return anna, session_of(tmp_path, rater="bert", corpus=tmp_path / "speech.csv")


def new_clips(session, tab: str, n: int = 3) -> set[int]:
    return {choice.index for choice in session.next(tab, (), n) if choice.why != AGAIN}


def test_what_one_rater_holds_is_no_new_clip_for_another(two):
    anna, bert = two
    held = {choice.index for choice in anna.next("tab-anna", (), 3)}
    got = set().union(*(new_clips(bert, f"tab-{i}") for i in range(4)))
    assert held
    assert not held & got
    everything = {*got, *(i for i in range(12) if i in bert._leases)}
    assert everything == set(range(12))  # to be heard by both, it is chosen all the same
    bert.release("tab-0")
    anna.release("tab-anna")
    assert anna.hands.of_others() == {
        bert.clips[i].utterance for i in bert._leases if bert._leases[i].tab != "tab-0"
    }
    assert bert.hands.of_others() == set()


def test_hands_that_are_no_longer_moved_hold_nothing(two, monkeypatch):
    anna, bert = two
    (choice,) = anna.next("tab-anna", (), 1)
    name = anna.clips[choice.index].utterance
    assert bert.hands.of_others() == {name}
    told = json.loads(anna.hands._own.read_text())
    for content in ("{", "[]", '{"until": "x"}', json.dumps({**told, "until": time.time() - 1})):
        anna.hands._own.write_text(content)
        assert bert.hands.of_others() == set()
    later = time.time() + 1e9  # of a clock that was wrong
    anna.hands._own.write_text(json.dumps({**told, "until": later}))
    assert bert.hands.of_others() == set()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(of_hands, "_write", full)
    anna.release("tab-anna")  # and nobody is kept from labelling
    assert anna.next("tab-anna", (), 1)


def test_what_another_rater_answered_while_it_waited_is_passed_over(two):
    anna, bert = two
    bert.chooser._queue = [Choice(i, "typical of many") for i in range(6)]
    for clip in (0, 2):
        anna.label("tab-anna", said(clip))
    assert [choice.index for choice in bert.next("tab-bert", (), 3)] == [1, 3, 4]
    bert.chooser._queue = [Choice(0, AGAIN), Choice(2, "typical of many"), Choice(5, "typical")]
    assert [choice.index for choice in bert.next("tab-two", (), 2)] == [0, 5]


def test_a_tab_lets_go_of_what_was_answered_or_taken_meanwhile(two, monkeypatch):
    anna, bert = two
    bert.chooser._queue = [Choice(0, "typical"), Choice(1, "typical"), Choice(2, "typical")]
    have = [choice.index for choice in bert.next("tab-bert", (), 3)]
    assert bert.renew("tab-bert", have) == []
    anna.label("tab-anna", said(0))  # though bert held it
    bert.label("tab-two", said(1))
    assert bert.renew("tab-bert", have) == [0, 1]
    monkeypatch.setattr(of_session, "LEASE_S", -1.0)
    bert.renew("tab-bert", [2])  # it slept, and its lease ran out
    monkeypatch.undo()
    bert.renew("tab-two", [2])
    assert bert.renew("tab-bert", [2]) == [2]


def test_what_was_chosen_to_be_heard_again_or_taken_back_is_kept(two):
    anna, bert = two
    anna.label("tab-anna", said(3))
    bert.chooser._queue = [Choice(3, AGAIN)]
    bert.next("tab-bert", (), 1)
    assert bert.renew("tab-bert", [3]) == []
    bert.label("tab-bert", said(4))
    anna.label("tab-anna", said(4))
    bert.undo("tab-bert", "undo-it-1")
    assert bert.renew("tab-bert", [3, 4]) == []
    assert bert.renew("tab-bert", [99]) == []


def test_choices_that_knew_much_less_are_made_anew(two, monkeypatch):
    anna, bert = two
    made = []
    monkeypatch.setattr(bert.chooser, "prepare", lambda: made.append(1))
    bert.chooser._queue = [Choice(i, "typical") for i in range(6, 12)]
    bert.next("tab-bert", (), 1)
    assert made == []
    for clip in range(6):
        anna.label("tab-anna", said(clip))
    bert.next("tab-bert", (6,), 1)
    assert made == [1]


@pytest.mark.parametrize("fails", ["write_text", "replace"])
def test_a_full_disk_is_left_as_it_was(tmp_path, monkeypatch, fails):
    """What did not fit is taken away, so that it does not stay there for good."""
    path = tmp_path / "hands-a.json"
    of_hands._write(path, {"held": []})
    real = getattr(type(path), fails)

    def full(self, *given: object) -> None:
        if fails == "write_text":
            real(self, "{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), fails, full)
    with pytest.raises(OSError, match="No space"):
        of_hands._write(path, {"held": ["u"]})
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert json.loads(path.read_text()) == {"held": []}
