// Changing what is set. Raises ApiError, with the field to blame where there is one.

import { authorization, errorOf, reached } from "../api.js";

export async function change(method, path, body) {
  const headers = { ...authorization() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await reached(fetch(path, { method, headers, body: text }));
  if (!answer.ok) throw await errorOf(answer);
  return answer.json();
}
