// Hand-over (交接班): the sheet, signed by who gives and who takes, and those of before.
import { el, get, post, time, token } from "./base.js";
import { NOTE, explain, form } from "./form.js";
import { subject } from "./silence.js";
import { actorName, causeName, holder, rootCode, rootName, stage } from "./word.js";

/** Whoever has a token signs with it; the next person gives another one. */
const signing = (label) => (token() ? [NOTE] : [{ name: "person", label, kind: "line", required: true, max: 100 }, NOTE]);
const signer = () => (token() ? "以此令牌签名" : "");
const EARLIER = 20;

/** The page of the hand-over: the sheet as it stands now, or an earlier one. */
export class Handovers {
  constructor(place, { path }) {
    Object.assign(this, { path, earlierWanted: EARLIER });
    this.sheet = el("article", { class: "sheet" });
    this.earlier = el("nav", { class: "earlier", "aria-label": "以往交接" });
    place.replaceChildren(this.sheet, this.earlier);
  }

  async open() {
    await Promise.all([this.showDraft(), this.showEarlier()]);
  }

  async showDraft() {
    await this.show(async () => {
      const sheet = await get("handovers/draft");
      const give = async (values) => { const { id } = await post("handovers", values); await this.showOne(id); await this.showEarlier(); };
      return [this.head("交接班单（未签）"), ...this.body(sheet), signatures(null, null),
        form({ title: `交班${signer()}`, fields: signing("交班人"), submit: "交班", run: give })];
    });
  }

  async showOne(id) {
    await this.show(async () => {
      const { given, taken, sheet } = await get(`handovers/${id}`);
      const take = async (values) => { await post(`handovers/${id}/take`, values); await this.showOne(id); await this.showEarlier(); };
      const open = taken ? [] : [form({ title: `接班${signer()}`, fields: signing("接班人（另一人）"), submit: "接班", run: take })];
      return [this.head(`交接班单 ${id}`), ...this.body(sheet), signatures(given, taken), ...open];
    });
  }

  async show(made) {
    try {
      this.sheet.replaceChildren(...await made());
    } catch (error) {
      this.sheet.replaceChildren(el("p", { class: "bad", role: "alert" }, explain(error)));
    }
  }

  head(title) {
    return el("h2", {}, title, " ", el("button", { type: "button", onclick: () => window.print() }, "打印"));
  }

  body(sheet) {
    const count = (name, number, quiet = "") => el("div", {}, name, el("b", {}, String(number)), el("span", { class: "quiet" }, quiet));
    const cut = sheet.incidents_total > sheet.incidents.length ? `（只列前 ${sheet.incidents.length} 件）` : "";
    return [
      el("p", {}, `截至 ${time(sheet.at)}，${sheet.since ? `上次交接 ${time(sheet.since)}` : "此前没有交接"}`),
      el("div", { class: "counts" }, count("本班新增", sheet.opened), count("本班结束", sheet.closed), count("未结事件", sheet.incidents_total), count("挂起", sheet.suspended),
        count("静默", sheet.silences.length), count("未知点位", sheet.unknown_points), count("待发消息", sheet.queued), count("未送达消息", sheet.dead)),
      el("h3", {}, `未结事件 ${sheet.incidents_total} 件${cut}`), this.incidents(sheet.incidents),
      el("h3", {}, `静默 ${sheet.silences.length} 项`), silences(sheet.silences),
      ...(sheet.unknown_points ? [el("h3", {}, `未知点位 ${sheet.unknown_points} 个`), el("p", {}, sheet.unknown_points_sample.join("、"), sheet.unknown_points > sheet.unknown_points_sample.length ? " …" : "")] : []),
    ];
  }

  incidents(incidents) {
    const row = (it) => [it.id, stage(it), el("span", {}, el("b", {}, rootName(it.root)), " ", el("span", { class: "quiet" }, rootCode(it.root))), causeName(it.cause), this.path(it),
      time(it.since), `${it.members_restored}/${it.members}`, holder(it), it.overdue ? "已超时" : time(it.due)];
    return table(["编号", "阶段", "对象", "原因", "区划", "发生", "恢复", "谁在办", "期限"], incidents.map(row));
  }

  async showEarlier() {
    try {
      const { items, next } = await get("handovers", { limit: this.earlierWanted });
      const line = ({ id, given, taken }) => el("li", {}, el("button", { type: "button", class: "plain", onclick: () => this.showOne(id) }, time(given.at)),
        ` ${given.person} → `, taken ? taken.person : el("b", { class: "bad" }, "未接"));
      const more = next && el("button", { type: "button", onclick: () => { this.earlierWanted += EARLIER; this.showEarlier(); } }, "更多");
      this.earlier.replaceChildren(el("h3", {}, "以往交接"), el("button", { type: "button", onclick: () => this.showDraft() }, "现在的交接班单"),
        el("ol", {}, ...items.map(line)), ...(more ? [more] : []));
    } catch (error) {
      this.earlier.replaceChildren(el("h3", {}, "以往交接"), el("p", { class: "bad", role: "alert" }, explain(error)));
    }
  }
}

function silences(items) {
  return table(["对象", "至", "由", "原因"], items.map((silence) => [subject(silence), time(silence.ends), actorName(silence.by), silence.reason]));
}

function table(heads, rows) {
  if (!rows.length) return el("p", { class: "quiet" }, "没有");
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, typeof cell === "number" ? String(cell) : cell))))));
}

/** Who signed, or a line to sign on paper. */
function signatures(given, taken) {
  const one = (name, signed) => el("div", {}, el("h4", {}, name),
    signed ? el("p", {}, el("b", {}, signed.person), ` ${time(signed.at)}`, el("span", { class: "quiet" }, `（${actorName(signed.by)}）`)) : el("p", { class: "sign" }, "签名"),
    signed?.note ? el("p", {}, signed.note) : null);
  return el("div", { class: "signatures" }, one("交班人", given), one("接班人", taken));
}
