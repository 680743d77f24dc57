"""Codebooks, product, activation and encoding tables, and the artifact that stores them."""
