//! `/probe`: what Prometheus is answered, which questions are refused, and that only known points are looked at.

use super::service::{Answer, Service, TAKEN};
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, Failure, Look, Observation, Outcome, PointCode, Stage, StageTimes};
use sharpeyes::ingest::Refused;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A look that fails at DESCRIBE.
fn refused_login(point: PointCode) -> Observation {
    let mut stages = StageTimes::default();
    stages.set(Stage::Connect, Duration::from_millis(12));
    stages.set(Stage::Describe, Duration::from_millis(250));
    let failure =
        Failure { stage: Stage::Describe, cause: Cause::WrongCredential, status: Some(401), measured: None };
    let ended = TAKEN.plus(Duration::from_millis(300));
    Observation {
        point,
        started: TAKEN,
        ended,
        look: Look::Manual,
        stages,
        outcome: Outcome::Failed(failure),
    }
}

async fn a_point(service: &Service) -> PointCode {
    let answer = service.get("/api/v1/points?limit=1", None).await;
    answer.json()["items"][0]["code"].as_str().unwrap().parse().unwrap()
}

/// Asks for a point while the scheduler answers with `answer`; gives also how long the asker would wait.
async fn ask(
    service: &mut Service,
    parameters: &str,
    headers: &[(&str, &str)],
    answer: impl FnOnce(PointCode) -> Result<Observation, Refused>,
) -> (Answer, Duration) {
    let path = format!("/probe?point={}&module=rtsp_frame{parameters}", a_point(service).await);
    let mut stream = service.send("GET", &path, None, headers, b"").await;
    let question = tokio::time::timeout(Duration::from_secs(10), service.questions.recv()).await;
    let question = question.unwrap().unwrap();
    question.answer.send(answer(question.point)).unwrap();
    (super::service::read(&mut stream).await, question.patience)
}

#[tokio::test]
async fn a_look_is_answered_as_the_blackbox_exporter_does() {
    let mut service = Service::start().await;
    let timeout = [("x-prometheus-scrape-timeout-seconds", "10")];
    let (answer, patience) = ask(&mut service, "", &timeout, |point| Ok(refused_login(point))).await;
    assert_eq!((answer.status, patience), (200, Duration::from_millis(9_500)), "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    for line in [
        "probe_success 0",
        "probe_duration_seconds 0.3",
        "probe_timeout_seconds 9.5",
        "probe_rtsp_duration_seconds{phase=\"connect\"} 0.012",
        "probe_rtsp_duration_seconds{phase=\"describe\"} 0.25",
        "probe_rtsp_failure_info{stage=\"describe\",cause=\"wrong_credential\"} 1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}:\n{text}");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_transcript_tells_what_happened_and_no_address() {
    let mut service = Service::start().await;
    let (answer, _) = ask(&mut service, "&debug=true", &[], |point| Ok(refused_login(point))).await;
    let text = answer.text();
    assert!(
        text.contains("# describe: 0.250 s\n# failed at describe: wrong_credential, RTSP status 401\n"),
        "{text}"
    );
    assert!(text.contains("\nprobe_success 0\n") && !text.contains("rtsp://"), "{text}");
}

#[tokio::test]
async fn what_a_device_cannot_give_now_is_refused() {
    let mut service = Service::start().await;
    let wait = Duration::from_millis(2_500);
    for (refused, status, detail) in [
        (Refused::TooSoon { wait }, 429, "ask again in 3 s"),
        (Refused::NoRoom, 429, "no session left"),
        (Refused::NotWatched, 422, "is not watched"),
    ] {
        let (answer, _) = ask(&mut service, "", &[], |_| Err(refused)).await;
        assert_eq!(answer.status, status, "{refused:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{}", answer.text());
    }
}

#[tokio::test]
async fn only_a_known_point_is_looked_at_and_never_an_address() {
    let mut service = Service::start().await;
    let point = a_point(&service).await;
    for (query, status) in [
        (format!("point={point}"), 400),
        (format!("point={point}&module=http_2xx"), 400),
        (format!("point={point}&module=rtsp_frame&debug=perhaps"), 400),
        (format!("point={point}&module=rtsp_frame&target=rtsp%3A%2F%2F127.0.0.1%2F"), 400),
        ("module=rtsp_frame".to_owned(), 400),
        ("point=rtsp%3A%2F%2F127.0.0.1%3A554%2Fcam&module=rtsp_frame".to_owned(), 400),
        ("point=127.0.0.1&module=rtsp_frame".to_owned(), 400),
        ("point=23059999991320000001&module=rtsp_frame".to_owned(), 404),
    ] {
        let answer = service.get(&format!("/probe?{query}"), None).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
    let elsewhere = service.token("elsewhere", Role::Read, Some("230522")).await;
    let path = format!("/probe?point={point}&module=rtsp_frame");
    assert_eq!(service.get(&path, Some(&elsewhere)).await.status, 404, "outside the token's division");
    assert_eq!(service.get(&path, None).await.status, 401);
    assert!(service.questions.try_recv().is_err(), "nothing was looked at");
}

#[tokio::test]
async fn our_own_workers_are_found_where_they_answer() {
    let service = Service::start().await;
    let answer = service.get("/api/v1/sd/prometheus?kind=worker", None).await;
    let expected = serde_json::json!([
        {"targets": [service.address.to_string()], "labels": {"kind": "worker", "role": "all"}}
    ]);
    assert_eq!(answer.json(), expected);
    let links = service.get("/api/v1/sd/prometheus?kind=village&division=230521100201", None).await;
    let expected = serde_json::json!([{
        "targets": ["10.1.2.1:80"],
        "labels": {
            "link": "L-230521100201", "kind": "village", "probe": "tcp",
            "village": "230521100201", "township": "230521100", "county": "230521",
        },
    }]);
    assert_eq!(links.json(), expected);
    let unknown = service.get("/api/v1/sd/prometheus?kind=satellite", None).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.json()["detail"].as_str().unwrap().contains("access, village, township, county, worker"));
}
