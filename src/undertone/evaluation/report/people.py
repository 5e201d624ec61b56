"""On whom a system does better or worse, and what it tells worst, as tables.

In:  ``CurveResult`` with ``People`` and ``Miss``es.
Out: ``Table``s: groups of speakers, every speaker; rows of misses, with their sound as an address.
"""

import base64
from collections.abc import Iterator

from undertone.evaluation.estimate import Difference, decimal
from undertone.evaluation.groups import Group
from undertone.evaluation.misses import Miss
from undertone.evaluation.report.result import CurveResult, count
from undertone.evaluation.report.tables import Row, Table

MOST_AT_AN_END = 12  # speakers that are shown of those who are told worst, and best


def tables_of_people(result: CurveResult) -> Iterator[Table]:
    """A table a column that speakers have in common, and one of all speakers."""
    if (people := result.people) is None:
        return
    for shared, groups in people.groups.items():
        yield _of_groups(result, shared, groups)
    yield _of_speakers(result)


def unknown(result: CurveResult) -> str:
    """What is not known of the speakers, or of too few of them."""
    if result.people is None:
        return ""
    lacking = [name for name in ("sex", "language") if name not in result.people.groups]
    if not lacking:
        return ""
    return (
        f"Nothing is said by {' or '.join(lacking)}: the corpus does not tell it, or tells fewer "
        f"than two {result.unit}s on each side."
    )


def address(miss: Miss) -> str:
    """Of a sound, itself in letters; "" where there is none."""
    if not miss.sound:
        return ""
    return f"data:audio/mpeg;base64,{base64.b64encode(miss.sound).decode()}"


def about_sounds(result: CurveResult) -> str:
    """What stands in the file, for whoever hands it on."""
    heard = [miss for miss in result.misses if miss.sound]
    if not heard:
        why = (
            "their sound was left out, as --no-sounds asks"
            if not result.sounds
            else "their sound could not be read or written"
        )
        return f"The report holds names and no voices: {why}."
    kilobytes = sum(len(miss.sound) for miss in heard) / 1000
    cut = any(miss.cut for miss in heard)
    return (
        f"The sound of {count(len(heard), 'utterance')} is part of this file ({kilobytes:.0f} kB"
        f"{', of long ones the beginning' if cut else ''}): whoever may not hear these voices may "
        "not have the file. --no-sounds leaves them out."
    )


def _of_groups(result: CurveResult, shared: str, groups: tuple[Group, ...]) -> Table:
    visible = max(group.visible for group in groups)
    return Table(
        title=f"By {shared}: {_system(result)}",
        headings=(
            shared,
            f"{result.unit}s",
            "utterances",
            result.headline.label,
            "better than all others by",
        ),
        rows=tuple(
            Row(
                group.name,
                (
                    str(group.n_speakers),
                    str(group.n_utterances),
                    group.score,
                    Difference.of(group.gain),
                ),
            )
            for group in groups
        ),
        hint=f"Above zero a group is told better than all other {result.unit}s. A difference below "
        f"about {decimal(visible)} would have been missed in more than one of five such tests: "
        "that none is seen is not that there is none.",
    )


def _of_speakers(result: CurveResult) -> Table:
    people = result.people
    assert people is not None, "whoever asks has looked"
    lower = result.headline.lower_is_better
    worse_first = sorted(people.speakers.items(), key=lambda item: item[1][0], reverse=lower)
    n, shown = len(worse_first), worse_first
    if n > 2 * MOST_AT_AN_END:
        shown = [*worse_first[:MOST_AT_AN_END], *worse_first[-MOST_AT_AN_END:]]
    some = "" if len(shown) == n else f" Of {n}, the {MOST_AT_AN_END} at either end are shown."
    return Table(
        title=f"By {result.unit}: {_system(result)}",
        headings=(result.unit, result.headline.label, "utterances"),
        rows=tuple(Row(name, (decimal(score), str(m))) for name, (score, m) in shown),
        hint=f"The mean over draws, the worst first. One {result.unit}'s score has no interval "
        f"over {result.unit}s: some are worst by chance alone.{some}",
    )


def _system(result: CurveResult) -> str:
    assert result.people is not None, "whoever asks has looked"
    return f"{result.label(result.people.system)} with {count(result.people.budget, 'label')}"
