"""The use cases: admission, dispatch and settlement of image and chat requests."""
