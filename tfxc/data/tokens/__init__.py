"""Texts and sparse features to bags of weighted tokens."""
