"""Composition: sample, cluster, tabulate."""
