"""What vendors speak: each module encodes core requests to calls and decodes replies; no I/O, no vendor names."""
