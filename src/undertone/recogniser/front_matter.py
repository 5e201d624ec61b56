"""What the hub reads of a model card: the YAML between two lines of dashes.

In:  a recogniser, whose notes tell what was measured when it was trained.
Out: text. Every value is written as JSON, which is YAML too: no name can break out of its line.

A score stands in the hub's table of results as a number, with its interval and the number of
speakers in its name, because the table has no place for an interval.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from undertone.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from undertone.corpora.corpus import Corpus
    from undertone.evaluation.score import Score
    from undertone.recogniser.folder import Recogniser

PUBLISHED = "published"  # among the notes of a recogniser
FENCE = "---"
TAGS = ("audio", "speech", "emotion", "speech-emotion-recognition", "undertone")
TYPES: Mapping[str, str] = {  # of metrics, as the hub names them
    "UAR": "recall",
    "WA": "accuracy",
    "macro-F1": "f1",
    "MAE": "mae",
    "CCC": "ccc",
    "Pearson": "pearsonr",
}


def published(score: "Score | None", corpora: "Sequence[Corpus]") -> dict[str, Any]:
    """What the notes of a recogniser keep for its front matter, as JSON can hold it."""
    scores = [] if score is None else list(_scores(score))
    languages = {code for corpus in corpora for code in corpus.table["language"].dropna()}
    return {
        "corpora": [corpus.name for corpus in corpora],
        "languages": sorted(languages),
        "scores": scores,
        "synthetic": any(corpus.synthetic for corpus in corpora),
    }


def _scores(score: "Score") -> Iterator[dict[str, Any]]:
    for name, estimate in (score.metrics or {}).items():
        if estimate.value == estimate.value:
            yield {
                "metric": score.task.metrics[name].label,
                "part": score.part,
                **estimate.to_dict(),
            }
    for other in score.others:
        yield from _scores(other)


def front_matter(
    recogniser: "Recogniser", *, name: str, license: str, tags: Sequence[str] = ()
) -> str:
    """The lines, the dashes among them.

    Args:
        recogniser: with its notes.
        name: of the model.
        license: of the model.
        tags: beside the usual ones.
    """
    told = recogniser.notes.get(PUBLISHED, {})
    own = ["synthetic-voices"] if told.get("synthetic") else []
    lines = [
        FENCE,
        f"license: {_value(license)}",
        "library_name: undertone",
        "pipeline_tag: audio-classification",
        *_list("language", told.get("languages", [])),
        *_list("tags", dict.fromkeys([*TAGS, recogniser.task.name, *own, *tags])),
        *_list("metrics", dict.fromkeys(_type(one) for one in told.get("scores", []))),
    ]
    if told.get("scores"):
        lines += _model_index(name, told)
    return "\n".join([*lines, FENCE, ""])


def without(card: str) -> str:
    r"""A card without the front matter that it may begin with.

    >>> without("---\nlicense: mit\n---\n\n# A card"), without("# A card")
    ('# A card', '# A card')
    """
    lines = card.splitlines(keepends=True)
    if not lines or lines[0].strip() != FENCE:
        return card
    ends = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == FENCE), None)
    return card if ends is None else "".join(lines[ends + 1 :]).lstrip("\n")


def _model_index(name: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield from ("model-index:", f"- name: {_value(name)}", "  results:")
    corpus = " and ".join(told["corpora"]) or "unknown"
    for part in dict.fromkeys(one["part"] for one in told["scores"]):
        where = f"{corpus}, {part}" if part else corpus
        yield from (
            "  - task:",
            "      type: audio-classification",
            "      name: Speech emotion recognition",
            "    dataset:",
            f"      name: {_value(where)}",
            f"      type: {_value(corpus)}",
            "    metrics:",
        )
        for one in told["scores"]:
            if one["part"] == part:
                yield f"    - type: {_value(_type(one))}"
                yield f"      value: {one['value']:.4f}"
                yield f"      name: {_value(_named(one))}"


def _named(one: Mapping[str, Any]) -> str:
    """A metric with its interval, in words."""
    low, high = (float("nan") if one[end] is None else one[end] for end in ("low", "high"))
    estimate = Estimate(one["value"], low, high, n_speakers=one["n_speakers"])
    sure = "95 % interval over " if estimate.has_interval else ""
    return f"{one['metric']} {estimate} ({sure}{one['n_speakers']} speakers that no fit heard)"


def _type(one: Mapping[str, Any]) -> str:
    return TYPES.get(one["metric"], str(one["metric"]).lower())


def _list(name: str, values: Any) -> list[str]:
    return [f"{name}:", *(f"- {_value(value)}" for value in values)] if values else []


def _value(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=True)
