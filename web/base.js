// What the pages share: elements, times, and the API with its token.

/** The largest page that a list gives at once. */
export const LARGEST_PAGE = 500;

export const $ = (id) => document.getElementById(id);

/** Builds an element; text is always text, never markup. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function time(text) {
  if (!text) return "";
  const at = new Date(text);
  const pad = (number) => String(number).padStart(2, "0");
  return `${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/** The token that the person gave; "" as long as none was needed. It is gone with the tab. */
export const token = () => sessionStorage.getItem("token") ?? "";
export const keepToken = (text) => sessionStorage.setItem("token", text);
export const headers = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

/** No valid token. */
export class Refused extends Error {}
/** What the person can put right; the connection is well. */
export class Problem extends Error {
  constructor(detail, code = "") {
    super(detail);
    this.code = code;
  }
}

/** What the service says of a request that it did not serve. */
export async function problem(response) {
  const said = await response.json().catch(() => ({}));
  return new Problem(said.detail ?? response.statusText, said.code);
}

/** By how much the service's clock is ahead of this machine's, which may be set to anything. */
let ahead = 0;
/** The service's time, to the second. */
export const now = () => Date.now() + ahead;

async function ask(path, options) {
  const response = await fetch(`/api/v1/${path}`, options);
  const date = Date.parse(response.headers.get("date"));
  if (date) ahead = date - Date.now();
  if (response.status === 401) throw new Refused();
  if (!response.ok) throw await problem(response);
  return response.json();
}

export function get(path, query = {}) {
  const asked = Object.entries(query).filter(([, value]) => value);
  return ask(`${path}?${new URLSearchParams(asked)}`, { headers: headers() });
}

export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Reads a list page by page until it ends or `wanted` items are there. */
export async function getAll(path, query, wanted) {
  const items = [];
  let after = "";
  do {
    const page = await get(path, { limit: Math.min(wanted, LARGEST_PAGE), ...query, after });
    items.push(...page.items);
    after = page.next;
  } while (after && items.length < wanted);
  return { items, next: after };
}

/** Whether a text is a division code; half a one is none. */
export const isDivision = (text) => /^(\d{2}|\d{4}|\d{6}|\d{9}|\d{12})$/.test(text);

/** How long, in the two largest units. */
export function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days) return `${days} 天 ${hours} 小时`;
  if (hours) return `${hours} 小时 ${minutes % 60} 分`;
  return minutes ? `${minutes} 分` : `${Math.max(0, Math.floor(seconds))} 秒`;
}

/** How long since a time; until it when it lies ahead. */
export const spanSince = (text, at = now()) => span(Math.abs(at - new Date(text)) / 1000);
