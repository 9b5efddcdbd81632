"""00 · Start here: where two networks keep their parameters.

The other figures of notebook 00 come from the lessons that it leads to.
"""

from ..drawing import COLOURS, Drawing, figure


def draw_parameters(totals: dict[str, int], connected: dict[str, int]) -> Drawing:
    """A bar per network: its convolutions' parameters, then the fully connected."""
    fig, ax = figure(2.2)
    dense = [connected[name] / 1e6 for name in totals]
    rest = [totals[n] / 1e6 - d for n, d in zip(totals, dense, strict=True)]
    ax.barh(list(totals), rest, color=COLOURS["3x3"])
    look = {"color": COLOURS["light"], "ec": "grey", "hatch": "//"}
    ax.barh(list(totals), dense, left=rest, **look)
    ax.legend(["convolutions", "fully connected"])
    ax.set_xlabel("parameters (millions)")
    ax.set_title("where the parameters are")
    ax.invert_yaxis()
    told = (f"{n} {total / 1e6:.1f} million" for n, total in totals.items())
    return Drawing(fig, f"A bar per network, split in two: {', '.join(told)}.")
