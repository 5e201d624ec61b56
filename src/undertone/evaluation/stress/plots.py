"""What conditions cost, as one picture: the score of each with its interval, beside the clean one.

In:  ``Stress``.
Out: text of an inline ``<svg>``, which follows the page's theme.
"""

from markupsafe import Markup
from matplotlib.figure import Figure

from undertone.evaluation.report import plots
from undertone.evaluation.report.plots import FAINT, FLOOR, PAPER, SERIES
from undertone.evaluation.stress.result import Stress

INCHES_A_ROW = 0.24


def picture(stress: Stress) -> tuple[Markup, Markup]:
    """For a wide page and for a narrow one."""
    description = f"{stress.metric} under {len(stress.rows)} conditions; the numbers are in a table"
    return tuple(  # type: ignore[return-value]
        Markup(plots.svg(figure(stress, narrow=narrow), description)) for narrow in (False, True)
    )


def figure(stress: Stress, *, narrow: bool = False) -> Figure:
    """A line a condition, from top to bottom as in the table; a colour a group."""
    height = 1.2 + INCHES_A_ROW * len(stress.rows)
    drawn, axes = plots.empty((4.4, height) if narrow else (9.6, height))
    groups = list(dict.fromkeys(row.condition.group for row in stress.rows))
    axes.axvspan(stress.clean.low, stress.clean.high, color=FAINT, alpha=0.6, linewidth=0)
    axes.axvline(stress.clean.value, color=FLOOR, linewidth=1.5)
    for place, row in enumerate(stress.rows):
        colour = SERIES[groups.index(row.condition.group) % len(SERIES)]
        axes.hlines(place, row.score.low, row.score.high, color=colour, linewidth=1.6)
        axes.plot([row.score.value], [place], "o", color=colour, markersize=6)
        axes.plot([row.score.value], [place], "o", color=PAPER, markersize=2)
    axes.set_yticks(range(len(stress.rows)))
    names = [row.condition.name if narrow else row.condition.label for row in stress.rows]
    axes.set_yticklabels(names, fontsize=9)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_xlabel(f"{stress.metric}; the line and its band: as recorded", fontsize=11)
    return drawn
