"""What the recipe ``audio-textual`` sets side by side: a name for people, a folder, a system.

In:  the sizes of the encoder, the floors of the task, whether there are words.
Out: ``Line``s, in the order of the tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from undertone.recipes.small_encoders import Size
from undertone.tasks.task import Floor

WHOLE = "whole"  # folder of the run on the whole encoder
HEARD, TAUGHT, BY_ITSELF = "layers", "taught", "taught_by_itself"  # systems
BOTH, WORDS_ALONE, SHUFFLED = "audio_text", "text_alone", "text_shuffled"
ALONE = "words alone"


@dataclass(frozen=True)
class Line:
    """One system of one run.

    Attributes:
        label: for people.
        folder: of its run.
        system: its name there.
        size: of the encoder of voice; None where no voice is heard.
        reads: whether it reads transcripts.
        is_floor: whether it needs neither voice nor words.
    """

    label: str
    folder: str
    system: str
    size: Size | None = None
    reads: bool = False
    is_floor: bool = False


def folder_of(size: Size) -> str:
    """The folder of the run on an encoder of this size.

    >>> folder_of(Size(2, 12, 23_500_000, 0.25)), folder_of(Size(12, 12, 94_000_000, 1.0))
    ('2-of-12-layers', 'whole')
    """
    return WHOLE if size.layers == size.of else f"{size.layers}-of-{size.of}-layers"


def taught(size: Size) -> str:
    """An encoder's label where the whole one taught it."""
    return f"{size.label}, taught{' by itself' if size.layers == size.of else ''}"


def with_words(size: Size, *, whose: str = "words") -> str:
    """An encoder's label with words beside it."""
    return f"{size.label} + {whose}"


def lines_of(
    sizes: Sequence[Size], floors: Mapping[str, Floor], *, words: bool
) -> tuple[Line, ...]:
    """The whole encoder, the cut ones from large to small, words, and what hears nothing."""
    return (*_voice(sizes), *(_words(sizes) if words else ()), *_floors(floors))


def _voice(sizes: Sequence[Size]) -> Iterator[Line]:
    *cuts, whole = sizes
    yield Line(whole.label, WHOLE, HEARD, whole)
    yield Line(taught(whole), folder_of(cuts[0]), BY_ITSELF, whole)
    for size in reversed(cuts):
        yield Line(size.label, folder_of(size), HEARD, size)
        yield Line(taught(size), folder_of(size), TAUGHT, size)


def _words(sizes: Sequence[Size]) -> Iterator[Line]:
    whole = sizes[-1]
    for size in reversed(sizes):
        yield Line(with_words(size), folder_of(size), BOTH, size, reads=True)
    yield Line(ALONE, WHOLE, WORDS_ALONE, reads=True)
    label = with_words(whole, whose="somebody else's words")
    yield Line(label, WHOLE, SHUFFLED, whole, reads=True)


def _floors(floors: Mapping[str, Floor]) -> Iterator[Line]:
    for name, floor in floors.items():
        yield Line(floor.label, WHOLE, name, is_floor=True)
