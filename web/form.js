// Small forms: what is asked, what is sent, and what went wrong beside the button that was pressed.
import { Problem, Refused, el } from "./base.js";

/** A field that most forms have. */
export const NOTE = { name: "note", label: "备注", kind: "lines", max: 1000 };

/** What the codes of problems mean; the service's own sentence follows. */
const PROBLEMS = {
  malformed: "填写有误", unprocessable: "填写有误", forbidden: "此令牌无权操作", outside_scope: "超出此令牌的区划", cross_site: "请求被拒", not_found: "不存在",
  conflict: "现在不能这样做", busy: "服务繁忙，请稍后再试", timed_out: "服务超时，请再试", store_unavailable: "数据库不可用，请稍后再试", internal: "服务内部错误",
};

/** An error as the person reads it. */
export function explain(error) {
  if (error instanceof Refused) return "需要有效的访问令牌：按右上角“令牌”";
  if (error instanceof Problem) return error.code in PROBLEMS ? `${PROBLEMS[error.code]}：${error.message}` : error.message;
  console.warn(error);
  return "服务连不上，未提交";
}

/**
 * A form that calls `run` with the values of its fields and shows what it refuses.
 * A field is `{name, label, kind, required, value, options, max}`; kind: `line`, `lines`, `number`, `time` or `choice`.
 */
export function form({ title, fields, submit, run, cancel }) {
  const wrong = el("p", { class: "bad", role: "alert" });
  const button = el("button", { class: "main" }, submit);
  const send = async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = "";
    try {
      await run(Object.fromEntries(new FormData(made)));
    } catch (error) {
      wrong.textContent = explain(error);
    } finally {
      button.disabled = false;
    }
  };
  const made = el("form", { class: "deed", "aria-label": title, onsubmit: send }, el("h4", {}, title),
    ...fields.map((field) => el("label", {}, el("span", {}, field.label), input(field))), wrong,
    el("div", { class: "buttons" }, button, cancel && el("button", { type: "button", onclick: cancel }, "取消")));
  return made;
}

function input({ name, kind, required, value, options, max }) {
  const common = { name, required: required ? "" : null, maxlength: max };
  if (kind === "choice") return el("select", common, ...options.map(([word, text]) => el("option", { value: word }, text)));
  if (kind === "lines") return el("textarea", { ...common, rows: 2 }, value ?? "");
  const type = { line: "text", number: "number", time: "datetime-local" }[kind];
  return el("input", { ...common, type, value, step: kind === "number" ? "any" : null, autocomplete: "off" });
}

/** A moment as a field of kind `time` wants it: local, to the minute. */
export function localTime(at) {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** A moment of a field of kind `time` as the API wants it. */
export const instant = (text) => new Date(text).toISOString();
