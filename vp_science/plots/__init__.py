"""Figures (matplotlib): what an embedding track looks like; ``evaluation`` draws how well a probe does."""

from vp_science.plots.similarity import average_steps as average_steps
from vp_science.plots.similarity import plot_self_similarity as plot_self_similarity
from vp_science.plots.similarity import self_similarity as self_similarity
