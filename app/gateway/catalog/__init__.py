"""The catalog as operators write it: read strictly, checked whole, built into one immutable snapshot, and kept live."""
