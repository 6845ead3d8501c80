// Silences (静默): what is muted, until when, by whom and why. They change no figure and hide no incident.
import { Problem, el, getAll, isDivision, now, post, spanSince, time } from "./base.js";
import { explain, form, instant, localTime } from "./form.js";
import { actorName, rootCode, rootName } from "./word.js";

const LISTED = 500;
const DEFAULT_HOURS = 4;

/** What a silence is about, in words. */
export function subject({ root, division, division_name }) {
  return [root && rootName(root), division && (division_name ?? division)].filter(Boolean).join(" · ") || "全网";
}

/** The silences in force, with a way to end each and to enter another one. */
export class Silences {
  constructor(place, { changed }) {
    this.changed = changed;
    this.list = el("ul", { class: "silences" });
    this.wrong = el("p", { class: "bad", role: "alert" });
    this.count = el("span", { class: "count" });
    this.form = el("div", { class: "form" });
    place.replaceChildren(
      el("h2", {}, "静默 ", this.count, " ", el("button", { type: "button", class: "desk-only", onclick: () => this.ask() }, "新增")),
      this.wrong, this.list, this.form);
  }

  async refresh() {
    try {
      const { items, next } = await getAll("silences", { in_force: true }, LISTED);
      this.count.textContent = `${items.length}${next ? "+" : ""}`;
      this.list.replaceChildren(...(items.length ? items.map((silence) => this.line(silence)) : [el("li", { class: "quiet" }, "没有静默")]));
      this.wrong.textContent = "";
    } catch (error) {
      this.wrong.textContent = explain(error);
    }
  }

  line(silence) {
    const end = async () => {
      try {
        await post(`silences/${silence.id}/end`);
        await this.changed();
      } catch (error) {
        this.wrong.textContent = explain(error);
      }
    };
    return el("li", {}, el("b", {}, subject(silence)), " ", el("span", { class: "quiet" }, silence.root ? rootCode(silence.root) : (silence.division ?? "")),
      el("div", {}, `至 ${time(silence.ends)}，余 ${spanSince(silence.ends)}`), el("div", { class: "quiet" }, `${actorName(silence.by)}：${silence.reason}`),
      el("button", { type: "button", class: "desk-only", onclick: end }, "结束"));
  }

  ask() {
    const done = async () => { this.form.replaceChildren(); await this.changed(); };
    this.form.replaceChildren(silenceForm(null, done, () => this.form.replaceChildren()));
    this.form.querySelector("input").focus();
  }
}

/** Asks for a silence: of an incident's root or division, or of a division that the person names. */
export function silenceForm(incident, done, cancel) {
  const what = incident
    ? { name: "what", label: "静默什么", kind: "choice", options: scopes(incident) }
    : { name: "division", label: "区划代码", kind: "line", required: true, max: 12 };
  const ends = new Date(now() + DEFAULT_HOURS * 3600000);
  const fields = [what, { name: "ends", label: "到何时（至多 7 天）", kind: "time", required: true, value: localTime(ends) },
    { name: "reason", label: "原因", kind: "lines", required: true, max: 1000 }];
  const run = async (values) => {
    const division = incident?.division ?? values.division?.trim();
    if (!incident && !isDivision(division)) throw new Problem("区划代码为 2、4、6、9 或 12 位数字");
    const { kind, code } = incident?.root ?? {};
    const scope = values.what === "root" ? { root: { kind, code } } : { division };
    await post("silences", { ...scope, ends: instant(values.ends), reason: values.reason });
    await done();
  };
  return form({ title: "静默：只不通知，到时自动结束", fields, submit: "静默", run, cancel });
}

function scopes({ root, division, division_name }) {
  const whole = division && ["division", `整个 ${division_name ?? division}`];
  return [["root", rootName(root)], whole].filter(Boolean);
}
