"""`oneshape catalog explain`: what would become of a request, by the catalog in force; nothing is sent."""

import json
from typing import Annotated, Any, Final

import typer

from app.cli.output import print_json
from app.cli.running import AsJson, run_beside
from app.gateway.explain import Explanation
from app.gateway.services import Services
from app.web.admin.explain import render_explanation

GENERATIONS: Final = "/v1/images/generations"
CHAT: Final = "/v1/chat/completions"


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name or an alias.")],
    prompt: Annotated[str, typer.Option(help="What is asked for.")] = "a red cube",
    path: Annotated[str | None, typer.Option(help="The path of the API; by default the kind of model decides.")] = None,
    aspect_ratio: Annotated[str | None, typer.Option(help="Such as 16:9.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="The URL of a reference picture; may be repeated.")] = None,
    n: Annotated[int, typer.Option(min=1, max=10, help="How many pictures.")] = 1,
    key: Annotated[str | None, typer.Option(help="The id of the key that would ask.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which targets would be tried, in order, with the exact requests; nothing is sent."""

    async def ask(services: Services) -> Explanation:
        found = services.catalog().find(model)
        chosen = path or (CHAT if found is not None and found.kind == "chat" else GENERATIONS)
        body = _body(chosen, model, prompt, aspect_ratio, image or [], n)
        return await services.operations.explainer.explain(chosen, body, key_id=key)

    document = render_explanation(run_beside(ask))
    if as_json:
        print_json(document)
    else:
        _print(document)


def _body(path: str, model: str, prompt: str, ratio: str | None, images: list[str], n: int) -> dict[str, Any]:
    """The request as a client of that path would write it."""
    shape = {} if ratio is None else {"aspect_ratio": ratio}
    if path == CHAT:
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in images]
        content = [{"type": "text", "text": prompt}, *pictures] if pictures else prompt
        return {"model": model, "messages": [{"role": "user", "content": content}], **shape}
    if ":" in path:
        files = [{"fileData": {"fileUri": url}} for url in images]
        config = {"generationConfig": {"imageConfig": {"aspectRatio": ratio}}} if ratio else {}
        return {"contents": [{"role": "user", "parts": [{"text": prompt}, *files]}], **config}
    return {"model": model, "prompt": prompt, "n": n, **({"image": images} if images else {}), **shape}


def _print(document: dict[str, Any]) -> None:
    typer.echo(f"{document['model']} ({document['kind']}), {document['hold_units']} units held")
    for warning in document["warnings"]:
        typer.echo(f"warning: {warning['message']}")
    if document["refusal"] is not None:
        typer.echo(f"refused with {document['refusal']['status']}: {document['refusal']['message']}")
    for target in document["targets"]:
        place = f"{target['order']}." if target["order"] else "–"
        why = f", left out: {target['reason']}" if target["reason"] else ""
        chance = f", first for {target['first_chance']:.0%}" if target["first_chance"] else ""
        typer.echo(
            f"\n{place} {target['vendor']} as {target['model']} "
            f"(priority {target['priority']}, weight {target['weight']}{chance}{why})"
        )
        for warning in target["warnings"]:
            typer.echo(f"   warning: {warning['message']}")
        if target["request"] is not None:
            _print_request(target["request"], target["calls"])


def _print_request(request: dict[str, Any], calls: int) -> None:
    typer.echo(f"   {request['method']} {request['url']}" + (f"  ({calls} times)" if calls > 1 else ""))
    for name, value in request["headers"].items():
        typer.echo(f"   {name}: {value}")
    for line in json.dumps(request["body"], indent=2, ensure_ascii=False).splitlines():
        typer.echo(f"   {line}")
