"""The command `oneshape`, and `python -m app.cli`, as which `serve --workers` starts its processes."""

import gc


def main() -> None:
    """Loads the commands and runs the one that was asked for."""
    # Next to nothing of what loading makes is garbage, and looks for cycles in it were a fifth of a start.
    gc.disable()
    from app.cli.main import app  # noqa: PLC0415 - what costs is this

    gc.freeze()
    gc.enable()
    app(prog_name="oneshape")


if __name__ == "__main__":
    main()
