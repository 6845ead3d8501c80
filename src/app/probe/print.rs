//! The result of a probe as text on the terminal.

use crate::app::probe::document::{DeclaredDocument, Document, ObservedDocument};
use crate::app::probe::picture::{ItemDocument, PictureDocument};
use crate::app::say;

pub(super) fn print(document: &Document, logged_in: bool) {
    say(&format!("{} {}", document.point.as_deref().unwrap_or("stream 码流"), document.stream));
    say(&format!("verdict 判定    {} {}", document.state, document.state_zh));
    for cause in &document.causes {
        say(&format!("cause 原因      {} {}: {}", cause.cause, cause.cause_zh, cause.meaning));
    }
    if let Some(stage) = document.failed_stage {
        let status = document.status.map_or_else(String::new, |status| format!(", status {status}"));
        let login = if logged_in { ", logged in" } else { "" };
        say(&format!("failed 失败阶段 {stage}{status}{login}"));
    }
    say(&format!("stages 各阶段   {}", stages(document)));
    say(&format!("pulled 取流方式 {}", transport(document)));
    if let Some(observed) = &document.observed {
        print_observed(observed);
    }
    if let Some(declared) = &document.declared {
        say(&format!("declared 声明   {}", declared_line(declared)));
    }
    if let Some(picture) = &document.picture {
        print_picture(picture);
    }
    for cause in &document.causes {
        say(&format!("next 处理建议   {}\n                {}", cause.next, cause.next_zh));
    }
}

fn stages(document: &Document) -> String {
    let stages: Vec<String> = document
        .stage_order
        .iter()
        .map(|(stage, took)| format!("{stage} {:.1} ms", took.as_secs_f64() * 1000.0))
        .collect();
    stages.join(", ")
}

fn transport(document: &Document) -> String {
    let way = &document.transport;
    let note = way.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
    format!("{} by {}{note}", way.carrier, way.puller)
}

fn print_observed(observed: &ObservedDocument) {
    let size = size(observed.width, observed.height);
    say(&format!(
        "observed 实测   {} {size}, {:.2} pictures/s, {:.0} kbit/s over {:.1} s, longest gap {:.2} s",
        observed.codec,
        observed.frames_per_second,
        observed.bit_rate_bps / 1000.0,
        observed.window_seconds,
        observed.longest_gap_seconds
    ));
    say(&format!("key frames I帧  {}", key_frames(observed)));
    say(&format!(
        "loss 丢包       {} of {} packets, {:.2} %",
        observed.lost_packets,
        observed.packets.saturating_add(observed.lost_packets),
        observed.loss_ratio * 100.0
    ));
    say(&format!("clock 时钟      {}", clock(observed)));
}

/// What is wrong with the picture first, then what is well, then what could not be checked. One look confirms nothing.
fn print_picture(picture: &PictureDocument) {
    if let Some(missing) = &picture.missing {
        return say(&format!("picture 画面    not checked 未检测: {missing}"));
    }
    let of_grade = |grade: &str| {
        let items = picture.items.iter().filter(|item| item.grade == grade).map(item_words);
        items.collect::<Vec<_>>().join(", ")
    };
    say(&format!("picture 画面    {}", size(picture.width, picture.height)));
    for (grade, title) in
        [("abnormal", "异常"), ("warning", "预警"), ("normal", "正常"), ("not_checked", "未检测")]
    {
        let items = of_grade(grade);
        if !items.is_empty() {
            say(&format!("                {grade} {title}: {items}"));
        }
    }
}

fn item_words(document: &ItemDocument) -> String {
    let ItemDocument { item, item_zh, not_checked, value, threshold, .. } = document;
    match (not_checked, value, threshold) {
        (Some(why), ..) => format!("{item} {item_zh} ({why})"),
        (None, Some(value), Some(threshold)) => format!("{item} {item_zh} {value:.2} of {threshold:.2}"),
        (None, ..) => format!("{item} {item_zh}"),
    }
}

fn key_frames(observed: &ObservedDocument) -> String {
    match (observed.key_frame_interval_frames, observed.key_frame_interval_seconds) {
        (Some(frames), Some(seconds)) => {
            format!("{}, one every {frames} pictures ({seconds:.2} s)", observed.key_frames)
        }
        _ => format!("{}, interval longer than the window", observed.key_frames),
    }
}

fn clock(observed: &ObservedDocument) -> String {
    match (observed.clock, observed.clock_error_ms) {
        (_, Some(error)) => format!("{error:+} ms against this machine 与本机相差"),
        ("not_a_wall_clock", _) => "the device reports no time of day 设备未报告真实时间".to_owned(),
        _ => "no sender report within the window 窗口内未收到发送者报告".to_owned(),
    }
}

fn declared_line(declared: &DeclaredDocument) -> String {
    let rate = declared
        .frames_per_second
        .map_or_else(|| "? pictures/s".to_owned(), |rate| format!("{rate:.2} pictures/s"));
    let server = declared.server.as_ref().map_or_else(String::new, |server| format!(", server {server}"));
    let size = size(declared.width, declared.height);
    format!("{} {size}, {rate}{server}", declared.codec.unwrap_or("?"))
}

fn size(width: Option<u32>, height: Option<u32>) -> String {
    match (width, height) {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        _ => "size ?".to_owned(),
    }
}
