"""Fits a request to a model: everything the model cannot do is refused here, before anything is held or sent."""

from dataclasses import replace
from typing import Final

from app.core.catalog import Resolved
from app.core.errors import InvalidRequest
from app.core.image import ImageRequest, TaskType, Warning
from app.core.shape import nearest_ratio, parse_ratio

PROMPT_CHARS_MAX: Final = 32_000
WARNINGS_MAX: Final = 64
"""How many are kept and told; a body may give reason for 100,000."""
N_MAX: Final = 10


def settle(request: ImageRequest, resolved: Resolved) -> ImageRequest:
    """The request with the model's canonical id, a ratio instead of a size, and the model's resolution.

    Raises:
        InvalidRequest: naming the field, and listing what the model allows.
    """
    model = resolved.model
    if model.kind != "image":
        raise InvalidRequest(f"The model {model.id!r} does not draw pictures.", param="model")
    _check_prompt(request)
    _check_count(request, min(model.max_n, N_MAX))
    request = _without_old_pictures(request, model.max_images)
    _check_inputs(request, model.max_images)
    if request.mask is not None and not model.mask:
        raise InvalidRequest(
            f"The model {model.id!r} does not take a mask.", code="unsupported_parameter", param="mask"
        )
    formats = model.output_formats
    if request.output_format is not None and formats and request.output_format not in formats:
        raise InvalidRequest(
            f"The output_format {request.output_format!r} is not offered by {model.id}. Allowed: {', '.join(formats)}.",
            param="output_format",
        )
    return replace(
        request,
        model=model.id,
        resolution=model.resolution,
        aspect_ratio=_ratio(request, model.id, model.aspect_ratios),
        task_type=_task_type(request),
        warnings=_bounded(request.warnings + _compression_warnings(request)),
    )


def says_nothing(prompt: str) -> bool:
    """Whether there is nothing in it to draw: only white space, and characters that show nothing (fault-cases B24)."""
    return not any(character.isprintable() and character != " " for character in prompt[:PROMPT_CHARS_MAX])


def _check_prompt(request: ImageRequest) -> None:
    if says_nothing(request.prompt):
        raise InvalidRequest("A prompt is required.", code="missing_required_parameter", param="prompt")
    if len(request.prompt) > PROMPT_CHARS_MAX:
        raise InvalidRequest(
            f"The prompt has {len(request.prompt)} characters; at most {PROMPT_CHARS_MAX} are allowed.", param="prompt"
        )


def _check_count(request: ImageRequest, allowed: int) -> None:
    if not 1 <= request.n <= allowed:
        raise InvalidRequest(f"n must be from 1 to {allowed}.", param="n")


def _without_old_pictures(request: ImageRequest, allowed: int) -> ImageRequest:
    """A long conversation has more pictures than a model takes: the newest are used, and the prompt's before all."""
    earlier = [one for one in request.inputs if one.earlier]
    surplus = min(len(request.inputs) - allowed, len(earlier))
    if surplus <= 0:
        return request
    left_out = earlier[:surplus]
    where = left_out[0].param.partition("[")[0]
    told = Warning(
        "ignored",
        where,
        f"{surplus} of {len(request.inputs)} pictures were not used, the oldest of earlier turns: this model takes at "
        f"most {allowed}.",
    )
    kept = tuple(one for one in request.inputs if not any(one is other for other in left_out))
    return replace(request, inputs=kept, warnings=(*request.warnings, told))


def _check_inputs(request: ImageRequest, allowed: int) -> None:
    if len(request.inputs) > allowed:
        raise InvalidRequest(
            f"{len(request.inputs)} reference images were sent; this model takes at most {allowed}.",
            param=request.inputs[allowed].param,
        )
    if request.mask is not None and not request.inputs:
        raise InvalidRequest("A mask needs an image to apply to.", code="missing_required_parameter", param="image")


def _ratio(request: ImageRequest, model: str, allowed: tuple[str, ...]) -> str | None:
    said = request.aspect_ratio
    if said is not None and (said not in allowed if allowed else parse_ratio(said) is None):
        listed = ", ".join(allowed) if allowed else "any W:H"
        raise InvalidRequest(
            f"The aspect_ratio {said!r} is not offered by {model}. Allowed: {listed}.", param="aspect_ratio"
        )
    if request.size is None or not allowed:
        return said
    meant = nearest_ratio(request.size, allowed)
    if meant is None:
        raise InvalidRequest(
            f"The size {str(request.size)!r} is not near any aspect ratio of {model}. Allowed: {', '.join(allowed)}.",
            param="size",
        )
    if said is not None and said != meant:
        raise InvalidRequest(
            f"'size' {str(request.size)!r} means the aspect ratio {meant}, but 'aspect_ratio' says {said!r}.",
            code="conflicting_parameters",
            param="aspect_ratio",
        )
    return meant


def _task_type(request: ImageRequest) -> TaskType:
    inferred: TaskType = "image2image" if request.inputs else "text2image"
    if request.task_type not in (None, inferred):
        given = f"{len(request.inputs)} reference image(s)" if request.inputs else "no reference image"
        raise InvalidRequest(
            f"'task_type' says {request.task_type!r}, but 'image' gives {given}.",
            code="conflicting_parameters",
            param="task_type",
        )
    return inferred


def _compression_warnings(request: ImageRequest) -> tuple[Warning, ...]:
    if request.output_compression is None or request.output_format in ("jpeg", "webp"):
        return ()
    if request.output_format == "png":
        raise InvalidRequest(
            "'output_compression' is for jpeg and webp, but 'output_format' says 'png'.",
            code="conflicting_parameters",
            param="output_compression",
        )
    return (
        Warning("ignored", "output_compression", "It applies to output_format jpeg and webp only; none was given."),
    )


def _bounded(warnings: tuple[Warning, ...]) -> tuple[Warning, ...]:
    more = len(warnings) - WARNINGS_MAX
    if more <= 0:
        return warnings
    return (*warnings[:WARNINGS_MAX], Warning("ignored", None, f"{more} more parts of the request were not used."))
