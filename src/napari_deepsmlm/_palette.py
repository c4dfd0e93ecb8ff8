"""The colours of all plots: those of Okabe and Ito, told apart by all eyes."""

from __future__ import annotations

BLUE = "#0072b2"
VERMILION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#cc79a7"
ORANGE = "#e69f00"
SKY = "#56b4e9"
YELLOW = "#f0e442"
GREY = "#999999"

# In the order in which curves take them: the dark ones first on white paper, the light ones first
# in a window, which may be dark.
ON_PAPER = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
IN_WINDOW = (SKY, ORANGE, GREEN, PURPLE, VERMILION, BLUE)

# A shape for each colour, told apart where there is none.
MARKERS = ("o", "s", "^")
