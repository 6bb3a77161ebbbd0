"""Runs beside each other: figures, curves, what their configs differ in, mean and spread over seeds."""
