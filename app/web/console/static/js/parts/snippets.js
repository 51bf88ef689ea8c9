// A request as a program would make it: for curl, and in Python with the vendor's own SDK. Keys are read from the environment.

import { optionsOf } from "./surfaces.js";

const KEY = "ONESHAPE_KEY";

/** The request for a shell; the body goes in as it is sent. */
export function curl({ path, body, keyHeader }, base) {
  const key = keyHeader === "authorization" ? `authorization: Bearer $${KEY}` : `${keyHeader}: $${KEY}`;
  const text = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl ${base}${path} \\\n  -H "${key}" \\\n  -H "content-type: application/json" \\\n  -d '${text}'`;
}

/** The order in Python: OpenAI's SDK, or Google's for its surface. */
export function python(order, base) {
  return order.surface === "gemini" ? withGoogle(order, base) : withOpenAI(order, base);
}

function withOpenAI(order, base) {
  const imports = [...(order.surface === "edits" ? ["import base64"] : []), "import os", "", "from openai import OpenAI", ""];
  const client = `client = OpenAI(base_url="${base}/v1", api_key=os.environ["${KEY}"])`;
  const call = { generations, edits, chat, tasks }[order.surface](order);
  return [...imports, client, ...call].join("\n");
}

function generations(order) {
  const { n, format, ratio, references } = order;
  const extra = { ...(ratio ? { aspect_ratio: ratio } : {}), ...(references.length ? { image: references } : {}) };
  return [
    "answer = client.images.generate(", ...shared(order), n > 1 && `    n=${n},`, format && `    output_format=${literal(format)},`, extraBody(extra), ")", "print(answer.data[0].url)",
  ].filter(Boolean);
}

function edits(order) {
  const { n, format, ratio, references } = order;
  const files = references.map((url, i) => `("reference-${i + 1}", base64.b64decode(${literal(url.slice(url.indexOf(",") + 1))}), ${literal(url.slice(5, url.indexOf(";")))})`);
  return [
    "answer = client.images.edit(", ...shared(order), `    image=[${files.join(", ")}],`, n > 1 && `    n=${n},`, format && `    output_format=${literal(format)},`,
    extraBody(ratio ? { aspect_ratio: ratio } : {}), ")", "print(answer.data[0].url)",
  ].filter(Boolean);
}

function chat(order) {
  const parts = [{ type: "text", text: order.prompt }, ...order.references.map((url) => ({ type: "image_url", image_url: { url } }))];
  const content = order.references.length ? parts : order.prompt;
  const { n, ...extra } = optionsOf(order);
  return [
    "answer = client.chat.completions.create(", `    model=${literal(order.model)},`, `    messages=[{"role": "user", "content": ${literal(content)}}],`,
    n && `    n=${n},`, extraBody(extra), ")", "print(answer.choices[0].message.content)",
  ].filter(Boolean);
}

/** The SDK has no method for tasks, so its plain `post` and `get` are used: same key, retries and errors. */
function tasks(order) {
  const body = { model: order.model, prompt: order.prompt, ...optionsOf(order), ...(order.references.length ? { images: order.references } : {}) };
  return [
    `task = client.post("/images/tasks", cast_to=object, body=${literal(body)})["data"]`,
    'while task["status"] in ("queued", "in_progress"):',
    `    task = client.get(f"/images/tasks/{task['task_id']}?wait=30", cast_to=object)["data"]`,
    'print(task["status"], task["result_url"])',
  ];
}

function withGoogle({ model, prompt, ratio, references }, base) {
  const inline = references.map((url) => `types.Part.from_bytes(data=base64.b64decode(${literal(url.slice(url.indexOf(",") + 1))}), mime_type=${literal(url.slice(5, url.indexOf(";")))})`);
  const config = ratio ? `    config=types.GenerateContentConfig(image_config=types.ImageConfig(aspect_ratio=${literal(ratio)})),` : null;
  return [
    references.length && "import base64", "import os", "", "from google import genai", "from google.genai import types", "",
    `client = genai.Client(api_key=os.environ["${KEY}"], http_options=types.HttpOptions(base_url="${base}"))`,
    "answer = client.models.generate_content(", `    model=${literal(model)},`, `    contents=[${[literal(prompt), ...inline].join(", ")}],`, config, ")",
    "picture = next(part.inline_data for part in answer.candidates[0].content.parts if part.inline_data)", 'open("picture.png", "wb").write(picture.data)',
  ].filter((line) => line !== null && line !== false && line !== 0).join("\n");
}

const shared = ({ model, prompt }) => [`    model=${literal(model)},`, `    prompt=${literal(prompt)},`];
const extraBody = (extra) => Object.keys(extra).length > 0 && `    extra_body=${literal(extra)},`;

/** A JSON value as Python writes it. Orders hold texts, numbers, lists and objects only, so JSON is Python. */
const literal = (value) => JSON.stringify(value);
