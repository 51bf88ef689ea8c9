"""The waist: types and rules shared by every room; no I/O, no framework, no clock but the one passed in."""
