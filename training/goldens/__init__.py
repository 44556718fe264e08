"""Stored answers of the reference implementations, which the product's tests compare with."""
