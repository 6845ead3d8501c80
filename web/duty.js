// The duty desk (值班台): what is broken, by which one cause, and who has it. Keyboard first; `?wall` shows it to a room.
import { $, Problem, Refused, el, get, getAll, isDivision, keepToken, post, span, time, token } from "./base.js";
import { explain } from "./form.js";
import { Handovers } from "./handover.js";
import { Detail } from "./incident.js";
import { Silences } from "./silence.js";
import * as sound from "./sound.js";
import { CLASSES, KINDS, causeName, due, holder, lasted, rootCode, rootName, stage } from "./word.js";

const EVERY_MS = 3000;
const OLD_MS = 15000; // what is older is marked
const STALE_MS = 60000; // ..and from here on the page turns grey
const MOST_OPEN = 2000;
const ENDED_PAGE = 200;
const MOST_AT_ONCE = 200; // that the service acknowledges in one request
const NAMES_EVERY_MS = 600000;
const STAGE_ORDER = ["open", "acknowledged", "dispatched", "in_repair", "suspended", "restored"];
const KIND_ORDER = Object.keys(KINDS);

const desk = { incidents: [], unseen: [], next: null, cursor: null, selected: new Set(), rows: new Map(), names: new Map(), namesAt: 0, wanted: ENDED_PAGE, loadedAt: null, turn: 0, isSounding: false, isHandover: false };

const hasEnded = () => $("which").value === "true";

function division() {
  const code = $("division").value.trim();
  if (code && !isDivision(code)) throw new Problem("区划代码为 2、4、6、9 或 12 位数字");
  return code;
}

/** Where an incident lies, from the city down. */
function path({ division: code, division_name }) {
  if (!code) return "全网";
  const above = [4, 6, 9].filter((length) => length < code.length).map((length) => desk.names.get(code.slice(0, length)));
  return [...above, division_name ?? code].filter(Boolean).join(" ");
}

async function loadNames() {
  if (Date.now() - desk.namesAt < NAMES_EVERY_MS) return;
  const levels = await Promise.all(["city", "county", "township"].map((level) => getAll("divisions", { level }, 5000)));
  desk.names = new Map(levels.flatMap(({ items }) => items.map(({ code, name }) => [code, name])));
  desk.namesAt = Date.now();
}

async function load() {
  const turn = ++desk.turn;
  await loadNames();
  const ended = hasEnded();
  const wanted = ended ? desk.wanted : MOST_OPEN;
  const list = (query, count) => getAll("incidents", { ...query, division: division() }, count);
  const [{ items, next }, open, summary, deadmen] = await Promise.all([list({ ended: String(ended) }, wanted), list({ stage: "open" }, MOST_OPEN), get("summary"), get("deadman")]);
  if (turn !== desk.turn) return;
  [desk.incidents, desk.next, desk.unseen, desk.loadedAt] = [ended ? items : items.sort(worseFirst), next, open.items, new Date()];
  showNotice(summary, deadmen.items);
  showList();
  await Promise.all([detail.refresh(), silences.refresh()]);
}

/** Nobody has it before somebody has it, the wide before the narrow, the strict class, the many points, the newest. */
function worseFirst(one, other) {
  const rank = (it) => [STAGE_ORDER.indexOf(it.stage), KIND_ORDER.indexOf(it.root.kind), Number(it.class), it.members_restored - it.members, -it.id];
  const [left, right] = [rank(one), rank(other)];
  const at = left.findIndex((value, index) => value !== right[index]);
  return at < 0 ? 0 : left[at] - right[at];
}

function showNotice(summary, deadmen) {
  const silent = deadmen.filter((deadman) => deadman.silent).map(({ name, evaluated }) => `告警链路静默，勿信“已恢复”：${name}，自 ${time(evaluated)}`);
  const notices = [summary.suspects_itself ? "大面积同时失败：怀疑本机网络，不作离线判定。" : "", summary.first_round_done ? "" : "首轮巡检尚未完成。", ...silent].filter(Boolean);
  $("notice").hidden = notices.length === 0;
  $("notice").textContent = notices.join(" ");
}

/** What the search leaves. */
function shown() {
  const text = $("text").value.trim().toLowerCase();
  const says = (it) => [it.id, rootName(it.root), it.root.code, causeName(it.cause), path(it), it.acknowledged_by, it.assignee].join(" ").toLowerCase();
  return text ? desk.incidents.filter((it) => says(it).includes(text)) : desk.incidents;
}

function showList() {
  const incidents = shown();
  const ids = new Set(incidents.map((it) => it.id));
  for (const id of [...desk.rows.keys()]) if (!ids.has(id)) desk.rows.delete(id);
  for (const id of [...desk.selected]) if (!ids.has(id)) desk.selected.delete(id);
  if (!ids.has(desk.cursor)) desk.cursor = incidents[0]?.id ?? null;
  const rows = incidents.length ? incidents.map(rowOf) : [el("li", { class: "empty" }, emptyText())];
  const list = $("list");
  if (rows.length !== list.children.length || rows.some((row, index) => row !== list.children[index])) list.replaceChildren(...rows);
  showCounts();
  mark();
}

function emptyText() {
  if ($("text").value.trim()) return "没有符合查找的事件";
  return hasEnded() ? "没有已结束的事件" : "没有未结束的事件";
}

/** The row of an incident: the same element as long as what it says is the same. */
function rowOf(incident) {
  const said = JSON.stringify([incident, path(incident), lasted(incident), due(incident)]);
  const known = desk.rows.get(incident.id);
  if (known?.said === said) return known.row;
  const row = known?.row ?? el("li", { class: "row", role: "option", id: `incident-${incident.id}`, onclick: (event) => click(incident.id, event), ondblclick: () => open(incident.id) });
  row.className = `row ${incident.stage}`;
  row.replaceChildren(...cells(incident));
  desk.rows.set(incident.id, { row, said });
  return row;
}

function cells(it) {
  const share = el("progress", { max: Math.max(it.members, 1), value: it.members_restored, "aria-label": "已恢复" });
  const quiet = (text) => el("small", { class: "quiet" }, text);
  const muted = it.silence ? el("span", { class: "muted", title: `静默 ${it.silence}` }, "静默") : null;
  return [
    el("span", { class: "mark", "aria-hidden": "true" }), el("span", {}, stage(it)),
    el("span", { class: "what" }, el("b", {}, rootName(it.root)), muted, quiet(`${path(it)} · ${rootCode(it.root)}`)),
    el("span", {}, causeName(it.cause), quiet(`${CLASSES[it.class]} · ${it.id}`)),
    el("span", {}, time(it.since), quiet(lasted(it))),
    el("span", {}, `${it.members_restored} / ${it.members}`, share),
    el("span", {}, holder(it)),
    el("span", { class: it.overdue ? "bad" : "" }, due(it), it.due ? quiet(time(it.due)) : null),
  ];
}

function showCounts() {
  const count = (name, number, kind) => el("span", { class: number ? kind : "quiet" }, name, el("b", {}, `${number}`));
  const more = desk.next ? `（只载入 ${desk.incidents.length} 件）` : "";
  $("counts").replaceChildren(count("待确认", desk.unseen.length, "bad"), ...(hasEnded()
    ? [count("已结束", desk.incidents.length, "")]
    : [count("未结束", desk.incidents.length, ""), count("超时", desk.incidents.filter((it) => it.overdue).length, "bad")]), more);
  $("older").hidden = !(hasEnded() && desk.next);
  // Whatever list is looked at.
  sound.want(desk.unseen.some((it) => !it.silence));
}

/** Shows where the cursor is and what is selected. */
function mark() {
  for (const [id, { row }] of desk.rows) {
    const isSelected = String(desk.selected.has(id));
    if (row.getAttribute("aria-selected") !== isSelected) row.setAttribute("aria-selected", isSelected);
    row.classList.toggle("cursor", id === desk.cursor);
    row.classList.toggle("opened", id === detail.id);
  }
  if (desk.cursor === null) $("list").removeAttribute("aria-activedescendant");
  else $("list").setAttribute("aria-activedescendant", `incident-${desk.cursor}`);
  $("selected").textContent = desk.selected.size ? `已选 ${desk.selected.size} 件` : "";
  $("acknowledge").hidden = !desk.selected.size;
}

function move(step) {
  complain("");
  const ids = shown().map((it) => it.id);
  const at = Math.max(0, Math.min(ids.length - 1, ids.indexOf(desk.cursor) + step));
  desk.cursor = ids[at] ?? null;
  desk.rows.get(desk.cursor)?.row.scrollIntoView({ block: "nearest" });
  mark();
}

function select(id) {
  if (id === null) return;
  if (!desk.selected.delete(id)) desk.selected.add(id);
  mark();
}

function click(id, event) {
  desk.cursor = id;
  if (event.ctrlKey || event.metaKey || event.target.classList.contains("mark")) select(id);
  else open(id);
}

function open(id) {
  if (id === null) return;
  desk.cursor = id;
  location.hash = `incident=${id}`;
}

/** Acknowledges what is selected, or else where the cursor is; then the cursor goes to the next that nobody has. */
async function acknowledge() {
  const incidents = desk.selected.size ? [...desk.selected] : [desk.cursor].filter((id) => id !== null);
  if (!incidents.length) return;
  try {
    const refused = [];
    for (let from = 0; from < incidents.length; from += MOST_AT_ONCE) {
      const answer = await post("incidents/acknowledge", { incidents: incidents.slice(from, from + MOST_AT_ONCE), note: "" });
      for (const id of answer.acknowledged) desk.selected.delete(id);
      refused.push(...answer.refused);
    }
    complain(refused.map(({ incident, why }) => `事件 ${incident} 未确认：${why}`).join("；"));
  } catch (error) {
    complain(explain(error));
  }
  await reload();
  desk.cursor = shown().find((it) => it.stage === "open")?.id ?? desk.cursor;
  mark();
}

function complain(text) {
  $("wrong").hidden = !text;
  $("wrong").textContent = text;
}

function showAge() {
  const age = desk.loadedAt ? Date.now() - desk.loadedAt : Infinity;
  const at = desk.loadedAt ? desk.loadedAt.toLocaleTimeString("zh-CN", { hour12: false }) : "—";
  $("age").textContent = age < OLD_MS ? `实时 ${at}` : `数据停在 ${at}，已 ${desk.loadedAt ? span((Date.now() - desk.loadedAt) / 1000) : "—"}`;
  $("age").className = `pill ${age < OLD_MS ? "on" : "off"}`;
  document.body.classList.toggle("stale", age > STALE_MS);
  const heard = { off: "声音：关", on: "声音：开", blocked: "声音被浏览器挡住，请再按" }[sound.state(desk.isSounding)];
  $("sound").textContent = heard;
  $("sound").setAttribute("aria-pressed", String(desk.isSounding));
}

function turnSound() {
  desk.isSounding = !desk.isSounding || sound.state(true) === "blocked";
  sound.turn(desk.isSounding);
  showAge();
}

async function reload() {
  try {
    await load();
    $("problem").hidden = true;
    $("login").hidden = true;
  } catch (error) {
    if (error instanceof Refused) return login(token() ? "令牌无效" : "");
    $("problem").hidden = false;
    $("problem").textContent = error instanceof Problem ? explain(error) : "服务连不上，重试中";
  } finally {
    showAge();
  }
}

function login(message) {
  if ($("login").hidden) {
    $("login").hidden = false;
    $("token").focus();
  }
  $("refused").textContent = message;
}

/** What the address names is shown: `#incident=12`, `#handover`. */
async function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  desk.isHandover = asked.has("handover");
  $("handover").hidden = !desk.isHandover;
  $("main").hidden = desk.isHandover;
  $("view").textContent = desk.isHandover ? "事件" : "交接班";
  const id = Number(asked.get("incident"));
  if (desk.isHandover) await handovers.open();
  else if (id) await detail.open(id);
  else detail.close();
  mark();
}

const back = () => { location.hash = ""; $("list").focus(); };
const turnView = () => { location.hash = desk.isHandover ? "" : "handover"; };

function turnEnded() {
  $("which").value = hasEnded() ? "" : "true";
  desk.wanted = ENDED_PAGE;
  reload();
}

const KEYS = {
  j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), Home: () => move(-Infinity), End: () => move(Infinity),
  " ": () => select(desk.cursor), a: acknowledge, Enter: () => open(desk.cursor), Escape: back, e: turnEnded, "/": () => $("text").focus(),
};
const KEYS_EVERYWHERE = { h: turnView, s: turnSound };

/** Keys are for the list unless the person writes, or works with a button. */
function press(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const writes = event.target.closest("input, textarea, select");
  if (writes) {
    if (event.key === "Escape") writes.blur();
    return;
  }
  if (event.target.closest("button, a") && [" ", "Enter"].includes(event.key)) return;
  const run = KEYS_EVERYWHERE[event.key] ?? (desk.isHandover ? null : KEYS[event.key]);
  // In an open detail the deeds come first, but for `a` on a selection.
  if (!desk.isHandover && detail.id !== null && !(event.key === "a" && desk.selected.size) && detail.press(event.key)) return event.preventDefault();
  if (!run) return;
  event.preventDefault();
  run();
}

const detail = new Detail($("detail"), { path, changed: reload, closed: back });
const silences = new Silences($("silences"), { changed: reload });
const handovers = new Handovers($("handover"), { path });

document.documentElement.classList.toggle("wall", new URLSearchParams(location.search).has("wall"));
document.addEventListener("keydown", press);
window.addEventListener("hashchange", follow);
$("view").addEventListener("click", turnView);
$("sound").addEventListener("click", turnSound);
$("sign-in").addEventListener("click", () => login(""));
$("acknowledge").addEventListener("click", acknowledge);
$("older").addEventListener("click", () => { desk.wanted += ENDED_PAGE; reload(); });
$("which").addEventListener("change", () => { desk.wanted = ENDED_PAGE; reload(); });
$("text").addEventListener("input", showList);
for (const event of ["change", "search"]) $("division").addEventListener(event, reload);
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  reload();
});
setInterval(showAge, 1000);

async function watch() {
  await reload();
  setTimeout(watch, EVERY_MS);
}
watch().then(follow);
$("list").focus();
