"""Breaks a running gateway on purpose and looks from outside at what is left. `make campaign` runs all of it."""
