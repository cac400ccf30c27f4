// Asking the API, with the key if there is one. Every number of the page comes through here.

const KEY = "footfall_key";

export class ApiError extends Error {
  // `status` 0: nothing answered.
  constructor(status, code, message, retryAfter = 5, field = undefined) {
    super(message);
    Object.assign(this, { status, code, retryAfter, field });
  }
}

export const key = () => sessionStorage.getItem(KEY);
export const keepKey = (value) => sessionStorage.setItem(KEY, value);
export const forgetKey = () => sessionStorage.removeItem(KEY);
// Whether whoever looks has no key where there are some: then only public sites are shown.
export const isVisitor = () =>
  document.documentElement.hasAttribute("data-asks-key") && key() === null;
export const authorization = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

// Relative, so that the page works below a proxy's path too.
export function address(route, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  return `${route}?${new URLSearchParams(given)}`.replace(/\?$/, "");
}

// `cache` is fetch's: answers may be kept for seconds, `no-cache` asks whether they still hold.
export async function ask(route, parameters, { signal, cache } = {}) {
  const answer = await request(address(route, parameters), { signal, cache });
  return answer.json();
}

export async function request(url, options = {}) {
  const answer = await reached(fetch(url, { headers: authorization(), ...options }));
  if (!answer.ok) throw await errorOf(answer);
  return answer;
}

// Raises ApiError with status 0 where nothing answered.
export async function reached(answering) {
  try {
    return await answering;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "no answer");
  }
}

export async function errorOf(answer) {
  const body = await answer.json().catch(() => ({}));
  const retryAfter = Number(answer.headers.get("Retry-After")) || undefined;
  return new ApiError(
    answer.status,
    body.code ?? "",
    body.error ?? `HTTP ${answer.status}`,
    retryAfter,
    body.field,
  );
}
