"""Figures for papers: one function a figure, drawn by matplotlib from the facts that the reports show."""

from __future__ import annotations

from rapidnn.plot.draw import FIGURES, draw, save

__all__ = ["FIGURES", "draw", "save"]
