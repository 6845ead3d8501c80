//! The robots of WeCom and DingTalk: what they get, and the many ways in which they refuse it with status 200.

use super::receiver::{Manner, Receiver};
use super::{Bench, KEY, NOW, assert_tells_no_secret, hmac, message};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sharpeyes::domain::message::{Message, MessageKind, Severity};
use sharpeyes::notify::{Channel, Retry, SendError};
use std::collections::BTreeMap;
use std::time::Duration;

const AGAIN: Retry = Retry::Again { after: None };
const FINE: &str = "{\"errcode\":0,\"errmsg\":\"ok\"}";

fn wecom(bench: &Bench, receiver: &Receiver) -> Channel {
    bench.channel(&format!(
        "kind = \"wecom\"\nurl = \"http://{}/cgi-bin/webhook/send\"\nsecret_file = \"KEYFILE\"\ndeadline_seconds = 0.5\n\
         mention = [\"@all\"]\nmention_mobiles = [\"13800000000\"]",
        receiver.address
    ))
}

fn dingtalk(bench: &Bench, receiver: &Receiver) -> Channel {
    bench.channel(&format!(
        "kind = \"dingtalk\"\nurl = \"http://{}/robot/send\"\ntoken_file = \"KEYFILE\"\nsecret_file = \"{}\"\n\
         keyword = \"雪亮\"\nmention_all = true\ndeadline_seconds = 0.5",
        receiver.address,
        bench.private("sign.key", "SEC0123")
    ))
}

fn flood(count: usize) -> Vec<Message> {
    let mut flood = vec![message(MessageKind::Problem); count];
    for (number, message) in flood.iter_mut().enumerate() {
        message.id = format!("incident-{number}-problem");
        message.incident = i64::try_from(number).ok();
    }
    flood
}

#[tokio::test]
async fn wecom_gets_a_text_that_fits() {
    let (bench, receiver) = (Bench::new(), Receiver::start(Manner::ok(FINE)).await);
    let channel = wecom(&bench, &receiver);
    let mut long = message(MessageKind::Problem);
    long.text = "青山村 3 号杆西侧路口 ".repeat(200);
    channel.send(&[long]).await.unwrap();
    channel.send(&flood(38)).await.unwrap();
    let ticket = Message { severity: Severity::Ticket, ..message(MessageKind::Recovery) };
    channel.send(&[ticket]).await.unwrap();
    let requests = receiver.requests();
    assert_eq!(requests[0].target(), format!("/cgi-bin/webhook/send?key={KEY}"));
    let content = |index: usize| requests[index].json()["text"]["content"].as_str().unwrap().to_owned();
    assert!((2_000..=2_048).contains(&content(0).len()), "{}", content(0).len());
    assert!(
        content(0).starts_with("【故障】青山镇")
            && content(0).ends_with("…\nhttp://10.1.2.3:8080/duty#incident=17")
    );
    let digest = content(1);
    assert!(
        digest.len() <= 2_048 && digest.starts_with("【汇总】38 条通知（故障 38）\n1. [紧急] "),
        "{digest}"
    );
    assert!(digest.ends_with(" 条，请到控制台查看") && digest.contains("\n另有 "), "{digest}");
    assert_eq!(requests[0].json()["text"]["mentioned_list"], serde_json::json!(["@all"]));
    assert_eq!(requests[2].json()["text"]["mentioned_list"], serde_json::json!([]));
}

#[tokio::test]
async fn dingtalk_gets_a_signature_and_its_keyword() {
    let (bench, receiver) = (Bench::new(), Receiver::start(Manner::ok(FINE)).await);
    dingtalk(&bench, &receiver).send(&[message(MessageKind::Problem)]).await.unwrap();
    let request = receiver.requests().remove(0);
    let url: url::Url = format!("http://h{}", request.target()).parse().unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let timestamp = NOW.as_millis().to_string();
    let sign = BASE64_STANDARD.encode(hmac("SEC0123", &format!("{timestamp}\nSEC0123"), "-binary"));
    assert_eq!(
        (query["access_token"].as_str(), &query["timestamp"], &query["sign"]),
        (KEY, &timestamp, &sign)
    );
    let content = request.json()["text"]["content"].as_str().unwrap().to_owned();
    assert!(
        content.starts_with("雪亮\n【故障】青山镇") && content.contains("\n范围：友谊县青山镇\n"),
        "{content}"
    );
    assert_eq!(request.json()["at"]["isAtAll"], true);
}

async fn refusal(robot: fn(&Bench, &Receiver) -> Channel, manner: Manner) -> SendError {
    let (bench, receiver) = (Bench::new(), Receiver::start(manner).await);
    let error = robot(&bench, &receiver).send(&[message(MessageKind::Problem)]).await.unwrap_err();
    assert_tells_no_secret(&error.why);
    error
}

#[tokio::test]
async fn a_robot_that_answers_200_has_not_taken_a_message_yet() {
    let refused =
        |code: i64, text: &str| Manner::ok(&format!("{{\"errcode\":{code},\"errmsg\":\"{text}\"}}"));
    let after = |seconds| Retry::Again { after: Some(Duration::from_secs(seconds)) };
    for (robot, manner, retry, says) in [
        (
            wecom as fn(&Bench, &Receiver) -> Channel,
            refused(45_009, "api freq out of limit"),
            after(60),
            "errcode 45009",
        ),
        (wecom, refused(93_000, "invalid webhook url"), AGAIN, "belongs to no robot"),
        (wecom, refused(40_058, "content exceed max length"), Retry::Never, "exceed max length"),
        (wecom, refused(-1, &format!("busy {KEY}")), AGAIN, "busy ***"),
        (dingtalk, refused(130_101, "send too fast"), after(600), "lower per_minute"),
        (dingtalk, refused(310_000, "keywords not in content"), AGAIN, "keyword"),
        (dingtalk, refused(430_104, "content not allowed"), Retry::Never, "errcode 430104"),
        (dingtalk, Manner::ok("<html>portal</html>"), AGAIN, "without errcode: <html>portal"),
    ] {
        let error = refusal(robot, manner).await;
        assert!(error.retry == retry && error.why.contains(says), "{error:?}");
    }
}

#[tokio::test]
async fn a_robot_that_misbehaves_is_tried_again() {
    let busy = || Manner::answer("429 Slow", "retry-after: 30\r\n", "");
    for robot in [wecom as fn(&Bench, &Receiver) -> Channel, dingtalk] {
        for (manner, says) in [
            (busy(), "status 429"),
            (Manner::answer("502 Gateway", "", ""), "status 502"),
            (Manner::Hang, "no answer within 0.5 s"),
            (Manner::HangHalfway, "no answer within 0.5 s"),
            (Manner::Close, "broke the exchange off"),
            (Manner::flood(), "more than 65536 bytes"),
        ] {
            let error = refusal(robot, manner).await;
            assert!(!error.is_final() && error.why.contains(says), "{error:?}");
        }
        assert_eq!(refusal(robot, busy()).await.retry, Retry::Again { after: Some(Duration::from_secs(30)) });
    }
}

#[tokio::test]
async fn a_wrong_clock_of_ours_is_named() {
    let refused = "{\"errcode\":310000,\"errmsg\":\"description:timestamp 无效\"}";
    let manner = Manner::answer("200 OK", "date: Mon, 21 Sep 2026 14:13:20 GMT\r\n", refused);
    let receiver = Receiver::start(manner).await;
    let bench = Bench::at(NOW.minus(Duration::from_secs(3 * 3_600)));
    let error = dingtalk(&bench, &receiver).send(&[message(MessageKind::Problem)]).await.unwrap_err();
    assert!(
        error.why.contains("2026-09-21T11:13:20Z, theirs 2026-09-21T14:13:20Z: put the clock right"),
        "{error}"
    );
}
