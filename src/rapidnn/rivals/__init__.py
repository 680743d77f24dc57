"""The machines RAPIDNN is compared with, each as a model of its own on the same work."""
