// An order for a picture as each surface wants it, and the pictures of each surface's answer. Pure: nothing is sent here.

/** The surfaces by name: which kinds of model they serve, and whether they need a reference. */
export const SURFACES = {
  generations: { title: "OpenAI images: generations", kinds: ["image"] },
  edits: { title: "OpenAI images: edits", kinds: ["image"], needsReference: true },
  chat: { title: "OpenAI chat", kinds: ["image", "chat"] },
  tasks: { title: "Image tasks, asynchronous", kinds: ["image"] },
  gemini: { title: "Gemini", kinds: ["image"] },
};

/** `{path, body, keyHeader}` for an order `{surface, model, prompt, ratio, n, format, references}`; references are data URIs. */
export function requestOf(order) {
  const { surface, model, prompt, references } = order;
  const options = optionsOf(order);
  const keyHeader = surface === "gemini" ? "x-goog-api-key" : "authorization";
  if (surface === "generations") {
    return { keyHeader, path: "/v1/images/generations", body: { model, prompt, ...options, ...(references.length ? { image: references } : {}) } };
  }
  if (surface === "edits") {
    return { keyHeader, path: "/v1/images/edits", body: { model, prompt, images: references.map((url) => ({ image_url: url })), ...options } };
  }
  if (surface === "tasks") {
    return { keyHeader, path: "/v1/images/tasks", body: { model, prompt, ...options, ...(references.length ? { images: references } : {}) } };
  }
  if (surface === "chat") {
    const parts = [{ type: "text", text: prompt }, ...references.map((url) => ({ type: "image_url", image_url: { url } }))];
    return { keyHeader, path: "/v1/chat/completions", body: { model, messages: [{ role: "user", content: references.length ? parts : prompt }], ...options } };
  }
  const inline = references.map((url) => ({ inlineData: { mimeType: url.slice(5, url.indexOf(";")), data: url.slice(url.indexOf(",") + 1) } }));
  const config = order.ratio ? { generationConfig: { imageConfig: { aspectRatio: order.ratio } } } : {};
  return { keyHeader, path: `/v1beta/models/${model}:generateContent`, body: { contents: [{ role: "user", parts: [{ text: prompt }, ...inline] }], ...config } };
}

/** What is said beside model and prompt; what is not chosen is not said. */
export function optionsOf({ ratio, n, format, kind }) {
  if (kind === "chat") return {};
  return { ...(ratio ? { aspect_ratio: ratio } : {}), ...(n > 1 ? { n } : {}), ...(format ? { output_format: format } : {}) };
}

/** The pictures of any surface's answer, as `{url, width, height, mime_type}`. */
export function picturesOf(answer) {
  const inline = (answer.candidates ?? []).flatMap((candidate) => candidate.content?.parts ?? []).filter((part) => part.inlineData)
    .map(({ inlineData }) => ({ url: `data:${inlineData.mimeType};base64,${inlineData.data}`, mime_type: inlineData.mimeType }));
  const chat = (answer.choices?.[0]?.message?.images ?? []).map((image) => ({ url: image.image_url.url }));
  const listed = (Array.isArray(answer.data) ? answer.data : answer.data?.results ?? [])
    .map((one) => ({ ...one, url: one.url ?? `data:${one.mime_type ?? "image/png"};base64,${one.b64_json}` }));
  return [...inline, ...chat, ...listed];
}

/** The text of a chat answer of a text model. */
export const textOf = (answer) => (answer.choices?.[0]?.message?.images?.length ? "" : answer.choices?.[0]?.message?.content ?? "");

/** What the gateway says about an answer: `{task_id, units, warnings, …}`. */
export const noteOf = (answer) => answer.oneshape ?? answer.data?.oneshape ?? {};
