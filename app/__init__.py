"""Oneshape: one API in front of many image and chat vendors."""
