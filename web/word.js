// What the API names by words, in Chinese.
import { el, now, spanSince } from "./base.js";

/** The words of `Cause` in Chinese. */
export const CAUSES = {
  name_not_resolved: "域名无法解析", no_route: "无路由", connect_refused: "连接被拒", connect_timeout: "连接超时", connection_lost: "连接断开",
  rtsp_timeout: "RTSP 无应答", request_unanswered: "请求无应答", tls_failed: "TLS 失败", not_rtsp: "不是 RTSP", wrong_credential: "口令错误", credential_missing: "缺少口令",
  forbidden: "禁止访问", stream_not_found: "码流不存在", session_limit: "会话数已满", transport_refused: "传输方式被拒", redirected: "被重定向",
  rtsp_error: "RTSP 错误", no_video_media: "无视频媒体", bad_description: "SDP 错误", no_parameters: "无参数集", no_packets: "无数据包",
  no_key_frame: "无关键帧", stalled: "码流停顿", bad_stream: "码流损坏", loss: "丢包", low_frame_rate: "帧率低", resolution_changed: "分辨率变化",
  clock_wrong: "时钟错误", slow_key_frames: "关键帧间隔过长", blank: "黑屏/单色", frozen: "画面冻结", covered: "遮挡", moved: "移位", blurred: "模糊",
  too_dark: "过暗", too_bright: "过亮", damaged: "花屏/丢包", noise: "雪花/噪声", stripes: "条纹", colour_cast: "偏色", shaking: "抖动", not_yet_probed: "尚未探测", monitor_down: "监测停机", own_network: "本机网络",
  backlog: "探测积压", credential_hold: "口令暂停使用", stale: "结果过期", not_watchable: "无法探测", link_down: "链路中断", excluded: "剔除",
};
export const STATE_NAMES = { good: "正常", degraded: "异常", no_video: "无视频", offline: "离线", unreachable: "链路中断", unknown: "未知", excluded: "剔除" };

export const STAGES = {
  open: "待确认", acknowledged: "已确认", dispatched: "已派单", in_repair: "处理中", suspended: "挂起", restored: "已恢复", closed: "已关闭", false_alarm: "误报", merged: "已合并",
};
export const LEVELS = { grid: "网格长", village: "村级", township: "乡镇综治中心", county: "县级平台", city: "市级" };
/** The worst first. */
export const KINDS = { own_network: "本机网络", link: "链路", credential: "口令", device: "设备", site: "杆位", point: "点位" };
export const CLASSES = { 1: "一类", 2: "二类", 3: "三类", 9: "其他" };
export const REASONS = { power_cut: "停电", cable: "光缆", equipment: "设备", password: "口令", construction: "施工", weather: "天气", relocation: "拆迁", other: "其他" };
export const MESSAGES = { problem: "故障", escalated: "升级", overdue: "超时", recovery: "恢复", merged: "合并", false_alarm: "误报", digest: "汇总", test: "测试" };
export const CONTACTS = { grid_leader: "网格长", maintainer: "维护单位" };
export const DELIVERY = { queued: "待发", held: "暂缓", sent: "已发", dropped: "已撤", dead: "未送达" };

export const causeName = (cause) => CAUSES[cause] ?? cause;
export const rootName = (root) => root.name ?? (root.code || KINDS[root.kind]);
/** Its kind and code, as far as the name does not say them. */
export const rootCode = (root) => [KINDS[root.kind], root.name ? root.code : ""].filter(Boolean).join(" ");
/** Who did something: the name of a token; the service itself has none. */
export const actorName = (name) => (name === "local" ? "本机" : name || "系统");
export const isOver = (incident) => incident.ended !== null;
/** Who has it: whoever was sent, or whose turn it is while nobody acknowledged. */
export const holder = (incident) => incident.assignee ?? incident.acknowledged_by ?? (incident.stage === "open" ? `轮到${LEVELS[incident.level]}` : "");
export const lasted = (incident) => spanSince(incident.since, incident.ended ? new Date(incident.ended) : now());

/** When its repair is due, in words. */
export function due(incident) {
  if (incident.overdue) return "已超时";
  if (!incident.due) return "";
  return new Date(incident.due) > now() ? `余 ${spanSince(incident.due)}` : "到期";
}

export const stage = (incident) => el("span", { class: `stage ${incident.stage}` }, STAGES[incident.stage]);
