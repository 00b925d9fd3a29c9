"""Right redshifts of template fitting beside the network's."""

from __future__ import annotations

import numpy as np

from common.figures import panels, styled
from mtopnet.figures.redshifts import HOURS

SPAN = (18.5, 27.5)  # mag


@styled
def success_beside(table, *, limit=0.01):
    """Draw the fraction of right redshifts against m_H, network and peer, for each exposure.

    Parameters
    ----------
    table : DataFrame
        As `mtopnet.tables.peer.peer_table` gives it.
    limit : float
        Of |dz|; one of `mtopnet.tables.peer.LIMITS`.
    """
    figure, (top, bottom) = panels(2, columns=2, width=4.4, height=3.6)
    for name, colour in HOURS.items():
        part = table[(table["exposure"] == name) & table["low"].notna()]
        part = part.dropna(subset=[f"peer_{limit:g}"])
        middle = (part["low"] + part["high"]) / 2
        for side, style in (("network", "-"), ("peer", "--")):
            top.plot(middle, part[f"{side}_{limit:g}"], style, marker="o", ms=3.5, color=colour,
                     label=f"{side}, {name}")  # fmt: skip
        gain = part[f"network_minus_peer_{limit:g}"]
        bottom.errorbar(middle, gain, part[f"network_minus_peer_{limit:g}_err"], marker="o", ms=3.5,
                        capsize=2, color=colour, label=name)  # fmt: skip
    bottom.axhline(0, color="#777777", lw=0.8)
    top.set(xlabel="$m_H$", ylabel=rf"fraction with |$\Delta z$| < {limit:g}", xlim=SPAN,
            ylim=(0, 1.03))  # fmt: skip
    bottom.set(xlabel="$m_H$", xlim=SPAN, ylabel="network $-$ peer")
    reach = np.nanmax(np.abs(bottom.get_ylim()))
    bottom.set_ylim(-reach, reach)
    for axis in (top, bottom):
        axis.legend(fontsize=7)
    return figure
