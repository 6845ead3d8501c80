// The console page: shows the network now, live by server-sent events. Plain JavaScript, nothing from elsewhere.
import { $, Problem, Refused, el, get, getAll, headers, isDivision, keepToken, problem, time, token } from "./base.js";
import { CAUSES, STATE_NAMES } from "./word.js";

const STATES = ["good", "degraded", "no_video", "offline", "unreachable", "unknown", "excluded"];
const PAGE = 200;
const REFRESH_GAP_MS = 2000; // lists are loaded again at most this often while changes come
const FIGURES_EVERY_MS = 60000;
const WORDS = {
  zh: {
    title: "乡村视频覆盖监测", duty: "值班台", division: "区划", token: "访问令牌", enter: "进入", fleet: "全网点位", figures: "四全指标", roots: "根因",
    counties: "县区", points: "异常点位", state: "状态", class: "类别", search: "查找", more: "更多", skip: "跳到异常点位", all: "全部",
    total: "总数", online: "在线", live: "实时", lost: "连接中断,重试中", refused: "令牌无效", none: "没有", days: "近 30 天",
    suspect: "大面积同时失败:怀疑本机网络,不作离线判定。", firstRound: "首轮巡检尚未完成。", silent: "告警链路静默，勿信“已恢复”：", restored: "已恢复", of: "/", inferred: "推断",
    name: "名称", cause: "原因", since: "自", village: "村屯", leader: "网格长", code: "编码", rate: "在线率", bulk: "批量原因", target: "目标",
    numerator: "分子/分母", asOf: "截至", suspected: "疑似", still: "查看抓拍图", notLooked: "尚未诊断",
    grades: { not_checked: "未检测", normal: "正常", warning: "预警", abnormal: "异常" },
    skips: {
      off: "未启用", waived: "已屏蔽", no_picture: "无完整画面", not_measured: "未测得", learning: "基线学习中", resized: "尺寸已变", no_colour: "黑白画面",
      light: "光照不适", featureless: "画面无细节", explained: "由其他项引起",
    },
    badDivision: "区划代码为 2、4、6、9 或 12 位数字", classes: { 1: "一类", 2: "二类", 3: "三类", 9: "其他" }, goals: { full_area: "全域覆盖", full_network: "全网共享", full_time: "全时可用", full_control: "全程可控" },
    states: STATE_NAMES,
    kinds: { access: "接入", village: "村级", township: "乡镇汇聚", county: "县级" }, linkStates: { up: "已恢复", down: "中断", suspected: "疑似", unknown: "未知" },
    causes: CAUSES,
  },
  en: {
    title: "Village video coverage", duty: "Duty desk", division: "Division", token: "Access token", enter: "Enter", fleet: "All points", figures: "The four targets",
    roots: "Root causes", counties: "Counties", points: "Points that are not good", state: "State", class: "Class", search: "Search", more: "More",
    skip: "Skip to points", all: "all", total: "total", online: "online", live: "live", lost: "connection lost, trying again", refused: "The token is not valid",
    none: "none", days: "last 30 days", suspect: "Most of everything fails at once: we suspect our own network and call nothing offline.",
    firstRound: "The first round of looks is not done yet.", silent: "Alerting is silent, believe no recovery of it:", restored: "restored", of: "of", inferred: "inferred", name: "Name", cause: "Cause",
    since: "Since", village: "Village", leader: "Grid leader", code: "Code", rate: "Online", bulk: "bulk cause", target: "target", numerator: "numerator/denominator",
    asOf: "as of", suspected: "suspected:", still: "Look at the still of", notLooked: "not looked at yet", grades: {}, skips: {}, badDivision: "A division code has 2, 4, 6, 9 or 12 digits", classes: { 1: "class 1", 2: "class 2", 3: "class 3", 9: "other" },
    goals: { full_area: "Full area", full_network: "Full network", full_time: "Full time", full_control: "Full control" },
    states: {}, kinds: {}, linkStates: { up: "repaired" }, causes: {},
  },
};

const shared = { language: localStorage.getItem("language") || "zh", rows: [], next: null, wanted: PAGE, fresh: new Set(), stream: null, opened: new Map() };
const t = (key) => WORDS[shared.language][key] ?? key;
const word = (group, key) => WORDS[shared.language][group][key] ?? String(key).replaceAll("_", " ");

/** The chosen division, "" for everything. Half a code is not everything. */
function division() {
  const code = $("division").value.trim();
  if (code && !isDivision(code)) throw new Problem(t("badDivision"));
  return code;
}

const sum = (points) => STATES.reduce((total, state) => total + points[state], 0);

/** Online over what was judged; null without data. */
function online(points) {
  const judged = points.good + points.degraded + points.no_video + points.offline + points.unreachable;
  return judged ? (points.good + points.degraded) / judged : null;
}

const percent = (ratio) => (ratio === null ? "—" : `${(Math.floor(ratio * 10000) / 100).toFixed(2)} %`);

function showFleet(summary, deadmen) {
  const total = sum(summary.points);
  const tile = (state) => {
    const pressed = $("state").value === state;
    const pick = () => { $("state").value = pressed || state === "good" ? "" : state; loadOtherPoints(); showFleet(summary, deadmen); };
    return el("button", { class: `tile ${state}`, type: "button", "aria-pressed": String(pressed), onclick: pick },
      word("states", state), el("b", {}, String(summary.points[state])));
  };
  $("fleet").replaceChildren(
    el("div", { class: "tile" }, t("total"), el("b", {}, String(total)), el("span", { class: "quiet" }, `${t("online")} ${percent(online(summary.points))}`)),
    ...STATES.map(tile));
  $("bar").replaceChildren(...STATES.map((state) => {
    const part = el("span", { class: state });
    part.style.flex = String(summary.points[state]);
    part.style.background = "var(--tone)";
    return part;
  }));
  $("taken").textContent = `${t("asOf")} ${time(summary.taken)}`;
  const silent = deadmen.filter((deadman) => deadman.silent).map((deadman) => `${t("silent")} ${deadman.name}, ${t("since")} ${time(deadman.evaluated)}`);
  const notices = [summary.suspects_itself ? t("suspect") : "", summary.first_round_done ? "" : t("firstRound"), ...silent].filter(Boolean);
  $("notice").hidden = notices.length === 0;
  $("notice").textContent = notices.join(" ");
}

function showRoots(summary) {
  const root = ({ link, since, inferred }) => {
    const restored = link.members - link.unreachable;
    return el("li", {},
      el("div", {}, el("span", { class: "state unreachable" }, word("linkStates", link.status)), ` ${word("kinds", link.kind)} ${link.name} `,
        el("span", { class: "quiet" }, `${link.code}${inferred ? ` · ${t("inferred")}` : ""}`)),
      el("progress", { max: Math.max(link.members, 1), value: restored, "aria-label": t("restored") }),
      el("div", { class: "quiet" }, `${restored} ${t("of")} ${link.members} ${t("restored")} · ${t("since")} ${time(since)}`));
  };
  const bulk = ({ cause, since, members }) => el("li", {}, `${t("bulk")}: ${word("causes", cause.cause)} `,
    el("span", { class: "quiet" }, `${members.length} · ${t("since")} ${time(since)}`));
  const items = [...summary.root_causes.map(root), ...summary.bulk_causes.map(bulk)];
  $("root-count").textContent = String(items.length);
  $("roots").replaceChildren(...(items.length ? items : [el("li", { class: "empty" }, t("none"))]));
}

function showCounties(counties) {
  const head = [t("name"), ...STATES.map((state) => word("states", state)), t("rate")];
  $("county-head").replaceChildren(...head.map((text, index) => el("th", { scope: "col", class: index ? "n" : null }, text)));
  $("counties").replaceChildren(...counties.map((county) => el("tr", {},
    el("th", { scope: "row" }, el("button", { type: "button", class: "plain", onclick: () => choose(county.code) }, county.name),
      " ", el("span", { class: "quiet" }, county.code)),
    ...STATES.map((state) => el("td", { class: "n" }, String(county.points[state]))),
    el("td", { class: "n" }, percent(online(county.points))))));
}

function showFigures(report) {
  const names = shared.language === "zh" ? "name_zh" : "name";
  const figure = (it) => [
    el("dt", { title: it.id }, it[names], it.id.includes("class") ? ` · ${word("classes", it.id.split("class")[1])}` : ""),
    el("dd", { class: it.met === null ? "" : it.met ? "met" : "missed", title: `${it.formula} · ${t("target")} ${it.target === null ? "—" : percent(it.target)}` }, it.display),
    el("dd", { class: "quiet", title: t("numerator") }, fraction(it)),
  ];
  const goal = (id) => el("div", { class: "goal" }, el("h3", {}, t("goals")[id]),
    el("dl", {}, ...report.whole.figures.filter((it) => it.goal === id && isShown(it)).flatMap(figure)));
  $("figures").replaceChildren(...Object.keys(WORDS.zh.goals).map(goal));
  $("window").textContent = `${t("days")} · ${time(report.from)} – ${time(report.to)}`;
}

/** A class without a single point would only fill the page. */
const isShown = (figure) => !figure.id.includes(".class") || figure.denominator + figure.unknown + figure.excluded > 0;

/** Numerator over denominator; time in point hours. */
function fraction(figure) {
  const scaled = (amount) => (figure.unit === "milliseconds" ? `${Math.round(amount / 3600000)} h` : String(amount));
  return `${scaled(figure.numerator)} / ${scaled(figure.denominator)}`;
}

function showPoints() {
  const head = [t("state"), t("cause"), t("since"), t("name"), t("village"), t("leader"), t("code")];
  $("point-head").replaceChildren(...head.map((text) => el("th", { scope: "col" }, text)));
  $("rows").replaceChildren(...shared.rows.flatMap((point) => {
    const { state, cause, detail, since, suspected } = point.live;
    const why = [cause ? word("causes", cause) : "", detail ?? "", suspected ? `${t("suspected")} ${word("causes", suspected.cause)}` : ""].filter(Boolean).join(" · ");
    const leader = point.leader ? `${point.leader.name} ${point.leader.phone ?? ""}` : "";
    const row = el("tr", { class: shared.fresh.has(point.code) ? "fresh" : null },
      el("td", {}, el("span", { class: `state ${state}` }, word("states", state))), el("td", {}, why), el("td", {}, time(since)),
      el("td", {}, point.name), el("td", {}, point.village_name ?? point.village), el("td", {}, leader),
      el("td", { class: "quiet" }, el("button", { type: "button", class: "plain", onclick: () => guarded(() => showPicture(point.code)) }, point.code)));
    // The same element as before: a still that it shows was asked for once and is in the audit once.
    return [row, shared.opened.get(point.code)].filter(Boolean);
  }));
  if (!shared.rows.length) $("rows").replaceChildren(el("tr", {}, el("td", { colspan: "7", class: "quiet" }, t("none"))));
  $("point-count").textContent = `${shared.rows.length}${shared.next ? "+" : ""}`;
  $("more").hidden = !shared.next;
}

/** Opens, or closes again, what is believed of a point's picture below its row. */
async function showPicture(code) {
  if (shared.opened.delete(code)) return showPoints();
  const picture = await get(`points/${code}/picture`);
  const item = (it) => {
    const { value, threshold } = it.newest;
    const measured = value === null ? it.newest.not_checked && word("skips", it.newest.not_checked) : `${value.toFixed(2)}${threshold === null ? "" : ` / ${threshold.toFixed(2)}`}`;
    return [el("dt", {}, shared.language === "zh" ? it.name_zh : word("causes", it.item)), el("dd", { class: it.grade }, word("grades", it.grade)), el("dd", { class: "quiet" }, measured)];
  };
  const frame = el("div", {});
  // Every look at a still is entered in the audit, so nobody looks by accident.
  const look = picture.still && el("button", { type: "button", onclick: () => guarded(async () => frame.replaceChildren(await still(code))) }, `${t("still")} ${time(picture.still.at)}`);
  shared.opened.set(code, el("tr", { class: "picture" }, el("td", { colspan: "7" },
    el("div", { class: "quiet" }, picture.looked ? `${picture.width} × ${picture.height} · ${time(picture.looked)}` : t("notLooked")),
    el("dl", {}, ...picture.items.flatMap(item)), look, frame)));
  showPoints();
}

/** The newest still as an image; with the token in a header, so not by its address alone. */
async function still(code) {
  const response = await fetch(`/api/v1/points/${code}/snapshot`, { headers: headers() });
  if (!response.ok) throw await problem(response);
  const reader = new FileReader();
  await new Promise((resume) => { reader.onload = resume; response.blob().then((blob) => reader.readAsDataURL(blob)); });
  return el("img", { src: reader.result, alt: `${t("still")} ${code}`, width: "640" });
}

/** Loads the list from its beginning as far as it is wanted, so that whoever paged down stays there when something changes. */
async function loadPoints() {
  const state = $("state").value || STATES.filter((it) => it !== "good").join(",");
  const query = { state, division: division(), class: $("class").value, text: $("text").value.trim() };
  const { items, next } = await getAll("points", query, shared.wanted);
  [shared.rows, shared.next] = [items, next];
  showPoints();
}

async function loadMorePoints() {
  shared.wanted = shared.rows.length + PAGE;
  await loadPoints();
}

async function loadOtherPoints() {
  shared.wanted = PAGE;
  await loadPoints();
}

async function loadNow() {
  const inside = division();
  const [summary, counties, deadmen] = await Promise.all([get("summary", { division: inside }), get("divisions", { level: "county", division: inside, limit: 500 }), get("deadman"), loadPoints()]);
  showFleet(summary, deadmen.items);
  showRoots(summary);
  showCounties(counties.items);
}

async function loadFigures() {
  showFigures(await get("coverage", { division: division() }));
}

/** Runs at once, then at most once per gap, and always once after the last call. */
function throttled(run, gap) {
  let waiting = null;
  let last = 0;
  return () => {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; last = Date.now(); guarded(run); }, Math.max(0, last + gap - Date.now()));
  };
}

const refresh = throttled(() => loadNow(), REFRESH_GAP_MS);

const narrow = throttled(async () => { shared.wanted = PAGE; await loadNow(); await loadFigures(); }, 300);

function choose(code) {
  $("division").value = code;
  narrow();
}

function connection(isOn) {
  $("link").textContent = t(isOn ? "live" : "lost");
  $("link").className = `pill ${isOn ? "on" : "off"}`;
}

function login(message = "") {
  $("main").hidden = true;
  $("login").hidden = false;
  $("refused").textContent = message;
  $("token").focus();
}

function complain(message) {
  $("problem").textContent = message;
  $("problem").hidden = !message;
}

async function guarded(run) {
  try {
    await run();
    complain("");
  } catch (error) {
    if (error instanceof Refused) login(token() ? t("refused") : "");
    else if (error instanceof Problem) complain(error.message);
    else { console.warn(error); connection(false); }
  }
}

/** Reads the event stream with fetch, so that the token stays in a header. */
async function follow() {
  shared.stream?.abort();
  const stream = (shared.stream = new AbortController());
  while (!stream.signal.aborted) {
    try {
      const response = await fetch("/api/v1/events", { headers: headers(), signal: stream.signal });
      if (response.status === 401) return login(token() ? t("refused") : "");
      if (response.ok) {
        connection(true);
        await readEvents(response.body.pipeThrough(new TextDecoderStream()).getReader());
      }
    } catch (error) {
      if (stream.signal.aborted) return;
    }
    connection(false);
    await new Promise((resume) => setTimeout(resume, 3000));
  }
}

async function readEvents(reader) {
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (text + value).split("\n\n");
    text = frames.pop();
    for (const frame of frames) {
      const data = frame.split("\n").find((line) => line.startsWith("data:"));
      if (!frame.includes("event:") || !data) continue;
      if (frame.includes("changes")) shared.fresh = new Set(JSON.parse(data.slice(5)).map((change) => change.point));
      refresh();
    }
  }
}

function speak() {
  document.documentElement.lang = shared.language === "zh" ? "zh-CN" : "en";
  document.title = `${t("title")} · sharpeyes`;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  $("division").placeholder = t("all"); // a code here would look like a chosen one
  $("language").textContent = shared.language === "zh" ? "English" : "中文";
  const option = (value, text) => el("option", { value }, text);
  const [state, kind] = [$("state").value, $("class").value];
  $("state").replaceChildren(option("", t("all")), ...STATES.slice(1).map((it) => option(it, word("states", it))));
  $("class").replaceChildren(option("", t("all")), ...["1", "2", "3", "9"].map((it) => option(it, word("classes", it))));
  [$("state").value, $("class").value] = [state, kind];
}

async function start() {
  speak();
  shared.opened.clear();
  await guarded(async () => {
    await loadNow();
    $("login").hidden = true;
    $("main").hidden = false;
    follow();
    await loadFigures();
  });
}

$("language").addEventListener("click", () => {
  shared.language = shared.language === "zh" ? "en" : "zh";
  localStorage.setItem("language", shared.language);
  start();
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  start();
});
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", throttled(() => loadOtherPoints(), 300));
for (const event of ["change", "search"]) $("division").addEventListener(event, narrow);
$("more").addEventListener("click", () => guarded(loadMorePoints));
setInterval(() => { if (!$("main").hidden) guarded(loadFigures); }, FIGURES_EVERY_MS);
start();
