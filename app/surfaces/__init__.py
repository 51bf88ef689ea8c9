"""What clients speak: each module parses one API into core requests and renders core results back."""
