"""Simulated vendors drawing real images, one per documented vendor page; for the demo and the tests."""
