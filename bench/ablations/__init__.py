"""Ablations: one knob at a time, measured on seen templates that are kept out of training."""
