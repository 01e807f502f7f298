"""Recipes with many fields: what these are, may be, and are for a data set."""
