// One incident in full: facts, what people may do about it, history, notifications, points.
import { el, get, getAll, post, span, time } from "./base.js";
import { NOTE, explain, form } from "./form.js";
import { silenceForm } from "./silence.js";
import { CLASSES, CONTACTS, DELIVERY, LEVELS, MESSAGES, REASONS, STATE_NAMES, actorName, causeName, due, isOver, lasted, rootCode, rootName, stage } from "./word.js";

const HAPPENINGS = {
  joined: (event) => `${event.points} 路并入`,
  recovered: (event) => `${event.points} 路恢复`,
  cause_changed: (event) => `原因变为：${causeName(event.cause)}`,
  restored: () => "全部恢复",
  failed_again: () => "再次中断",
  closed: () => "关闭：恢复稳定",
  merged: (event) => `并入事件 ${event.merged_into}`,
  gone: () => "故障已消失",
  excluded: () => "剔除期内，计时停",
  included: () => "剔除期外，计时续",
  overdue: () => "修复超时",
  escalated: (event) => `无人确认，升级到${LEVELS[event.level]}`,
  acknowledged: () => "确认",
  dispatched: (event) => `派单给 ${event.assignee}，限 ${span(event.deadline_seconds)}`,
  repairing: (event) => `处理：${REASONS[event.reason]}`,
  suspended: (event) => `挂起，批准人 ${event.approver}`,
  resumed: () => "恢复计时",
  false_alarm: () => "误报",
  noted: () => "备注",
};
const MEMBERS = 50;
const LONGEST_HISTORY = 2000;

const REASON = { ...NOTE, label: "原因", required: true };
const isRepairable = ({ stage }) => ["open", "acknowledged", "dispatched", "in_repair"].includes(stage);

/** What people may do: the key, the path, when it makes sense, what is asked, and what is sent of it. */
const DEEDS = [
  { key: "a", path: "acknowledge", name: "确认", when: ({ stage }) => stage === "open", fields: [NOTE] },
  {
    key: "d", path: "dispatch", name: "派单", when: isRepairable,
    fields: [
      { name: "assignee", label: "派给", kind: "line", required: true, max: 100 },
      { name: "hours", label: "时限（小时；空着按类别）", kind: "number" }, NOTE,
    ],
    body: ({ assignee, hours, note }) => ({ assignee, note, ...(hours ? { deadline_seconds: Math.round(hours * 3600) } : {}) }),
  },
  {
    key: "r", path: "repair", name: "处理", when: ({ stage }) => ["dispatched", "in_repair"].includes(stage),
    fields: [{ name: "reason", label: "原因", kind: "choice", options: Object.entries(REASONS) }, NOTE],
  },
  {
    key: "p", path: "suspend", name: "挂起", when: isRepairable,
    fields: [{ name: "approver", label: "批准人（另一人）", kind: "line", required: true, max: 100 }, REASON],
  },
  { key: "p", path: "resume", name: "恢复计时", when: (incident) => incident.suspended && !isOver(incident), fields: [NOTE] },
  { key: "f", path: "false-alarm", name: "误报", when: (incident) => !isOver(incident), fields: [REASON] },
  {
    key: "g", path: "merge", name: "合并", when: (incident) => !isOver(incident),
    fields: [{ name: "into", label: "并入事件（编号）", kind: "number", required: true }, NOTE],
    body: ({ into, note }) => ({ into: Number(into), note }),
  },
  { key: "n", path: "notes", name: "备注", when: () => true, fields: [{ ...NOTE, required: true }] },
];

/** The open detail; what was typed into its form outlives a refresh. */
export class Detail {
  /** `place`: the element that it fills; `path`: where a division lies, in words; `changed`: called after a deed. */
  constructor(place, { path, changed, closed }) {
    Object.assign(this, { place, path, changed, closed, id: null, shown: 0 });
    this.parts = Object.fromEntries(["head", "facts", "deeds", "form", "history", "messages", "members"].map((part) => [part, el("div", { class: part })]));
  }

  async open(id) {
    if (this.id === id) return;
    Object.assign(this, { id, incident: null, revision: null, wanted: MEMBERS });
    for (const part of Object.values(this.parts)) part.replaceChildren();
    this.place.replaceChildren(...Object.values(this.parts));
    this.place.hidden = false;
    await this.refresh();
  }

  close() {
    this.id = null;
    this.place.hidden = true;
  }

  async refresh() {
    const id = this.id;
    if (id === null) return;
    try {
      const incident = await get(`incidents/${id}`);
      if (this.id !== id) return;
      this.incident = incident;
      this.showFacts();
      await Promise.all([this.loadMessages(id), incident.revision === this.revision ? null : this.loadHistory(id), this.loadMembers(id)]);
      if (this.id === id) this.revision = incident.revision;
    } catch (error) {
      this.parts.head.replaceChildren(this.title(`事件 ${id}`), el("p", { class: "bad", role: "alert" }, explain(error)));
    }
  }

  title(text) {
    return el("h2", {}, text, " ", el("button", { type: "button", class: "close", onclick: () => this.closed() }, "返回 Esc"));
  }

  showFacts() {
    const it = this.incident;
    const fact = (name, text, kind) => (text ? [el("dt", {}, name), el("dd", { class: kind }, text)] : []);
    this.parts.head.replaceChildren(this.title(rootName(it.root)),
      el("p", {}, stage(it), " ", el("b", {}, causeName(it.cause)), " ", el("span", { class: "quiet" }, `事件 ${it.id} · ${rootCode(it.root)}`)));
    this.parts.facts.replaceChildren(el("dl", {},
      ...fact("发生", `${time(it.since)}，历时 ${lasted(it)}`),
      ...fact("恢复", `${it.members_restored} / ${it.members} 路${it.restored ? `，全部恢复于 ${time(it.restored)}` : ""}`),
      ...fact("区划", this.path(it)), ...fact("类别", CLASSES[it.class]),
      ...fact("轮到", it.stage === "open" ? LEVELS[it.level] : ""), ...fact("确认", it.acknowledged_by), ...fact("派给", it.assignee), ...it.contacts.flatMap(({ role, name, phone }) => fact(CONTACTS[role], phone ? `${name} ${phone}` : name)), ...fact("处理", REASONS[it.repair]),
      ...fact("期限", it.due && `${time(it.due)}（${due(it)}）`, it.overdue ? "bad" : ""),
      ...fact("计时", `已用 ${span(it.spent_seconds)} / 限 ${span(it.deadline_seconds)}${it.overdue ? "，已超时" : ""}`, it.overdue ? "bad" : ""),
      ...fact("静默", it.silence ? `静默 ${it.silence} 期内，只不通知` : ""), ...fact("剔除", it.excluded ? "剔除期内，计时停" : ""),
      ...fact("并入", it.merged_into && `事件 ${it.merged_into}`), ...fact("结束", time(it.ended))));
    this.parts.deeds.replaceChildren(...this.deeds().map((deed) =>
      el("button", { type: "button", onclick: () => this.ask(deed), "aria-keyshortcuts": deed.key }, deed.name, el("kbd", {}, deed.key))));
  }

  deeds() {
    const silence = { key: "m", name: "静默", when: (incident) => !isOver(incident) };
    return [...DEEDS, silence].filter((deed) => deed.when(this.incident));
  }

  /** Whether a key is one of a deed that makes sense now. */
  press(key) {
    const deed = this.incident && this.deeds().find((known) => known.key === key);
    if (deed) this.ask(deed);
    return Boolean(deed);
  }

  ask(deed) {
    const done = async () => { this.parts.form.replaceChildren(); await this.changed(); };
    const cancel = () => this.parts.form.replaceChildren();
    const made = deed.path ? this.deedForm(deed, done, cancel) : silenceForm(this.incident, done, cancel);
    this.parts.form.replaceChildren(made);
    made.querySelector("input, textarea, select").focus();
    made.scrollIntoView({ block: "nearest" });
  }

  deedForm(deed, done, cancel) {
    const id = this.id;
    const run = async (values) => {
      const incident = await post(`incidents/${id}/${deed.path}`, deed.body ? deed.body(values) : values);
      if (this.id === id) { this.incident = incident; this.showFacts(); }
      await done();
    };
    return form({ title: deed.name, fields: deed.fields, submit: deed.name, run, cancel });
  }

  async loadHistory(id) {
    const { items } = await getAll(`incidents/${id}/events`, {}, LONGEST_HISTORY);
    if (this.id !== id) return;
    const line = (at, actor, what, note) => el("li", {}, el("time", {}, time(at)), el("b", {}, what),
      el("span", { class: "quiet" }, actorName(actor)), note ? el("q", {}, note) : null);
    const said = items.map((event) => line(event.at, event.actor, HAPPENINGS[event.what]?.(event) ?? event.what, event.note));
    this.parts.history.replaceChildren(el("h3", {}, "经过"),
      el("ol", {}, ...said.reverse(), line(this.incident.opened, "", "开立", "")));
  }

  async loadMessages(id) {
    let lines;
    try {
      const { items } = await get("notifications", { incident: id, limit: 100 });
      lines = items.map(({ queued, kind, channel, state, why, settled }) => el("li", {}, el("time", {}, time(settled ?? queued)),
        el("b", {}, MESSAGES[kind]), el("span", { class: `delivery ${state}` }, DELIVERY[state]), el("span", { class: "quiet" }, channel), why ? el("q", {}, why) : null));
    } catch (error) {
      lines = [el("li", { class: "quiet" }, explain(error))];
    }
    if (this.id !== id) return;
    this.parts.messages.replaceChildren(el("h3", {}, "通知"), el("ol", {}, ...(lines.length ? lines : [el("li", { class: "quiet" }, "没有通知")])));
  }

  async loadMembers(id) {
    const { items, next } = await getAll(`incidents/${id}/members`, {}, this.wanted);
    if (this.id !== id) return;
    const row = (member) => el("tr", {},
      el("td", {}, el("span", { class: `state ${member.state ?? "unknown"}` }, STATE_NAMES[member.state] ?? "—")),
      el("td", {}, member.name ?? member.point, member.name ? el("small", { class: "quiet" }, member.point) : null),
      el("td", {}, member.restored ? `恢复于 ${time(member.restored)}` : causeName(member.cause) ?? ""));
    const more = next && el("button", { type: "button", onclick: () => { this.wanted += MEMBERS; this.loadMembers(id); } }, "更多点位");
    this.parts.members.replaceChildren(el("h3", {}, `点位 ${items.length}${next ? "+" : ""}`),
      el("div", { class: "scroll" }, el("table", {}, el("tbody", {}, ...items.map(row)))), ...(more ? [more] : []));
  }
}
