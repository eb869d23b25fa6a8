"""Bring a language model's answers, over many rounds, to a chosen distribution.

The method of arXiv:2604.05756: steering tokens calibrated by KL divergence,
bound to answers by Kahneman-Tversky Optimization.
"""

__version__ = "0.1.0"
