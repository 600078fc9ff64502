"""Trained files beside examples whose answers are there: metrics with intervals, confusions, calibration, residuals, the worst examples."""
