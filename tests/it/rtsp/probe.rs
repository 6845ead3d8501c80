//! `sharpeyes probe` as a technician runs it.

use super::fake::{Answer, Counts, Fake, SIZE, Script};
use super::faults::wait_until;
use super::foreign::{Carrier, Server, ffprobe};
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Runs the command with a terminal nowhere near it.
async fn sharpeyes(arguments: &[&str], password: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    command.args(arguments).stdin(Stdio::null()).env_remove("SHARPEYES_PASSWORD").kill_on_drop(true);
    if let Some(password) = password {
        command.env("SHARPEYES_PASSWORD", password);
    }
    command.output().await.unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

#[tokio::test]
async fn a_good_stream_is_told_with_its_figures_and_ends_with_0() {
    let server = Server::gst("digest");
    let url = server.url("/h265");
    let arguments = ["probe", &url, "--user", "admin", "--window", "3"];
    let told = sharpeyes(&arguments, Some("pass 123!")).await;
    assert_eq!(told.status.code(), Some(0), "{}", text(&told));
    for words in ["good 正常", "h265 320x240", "key frames", "first_key_frame", "loss 丢包"] {
        assert!(text(&told).contains(words), "{words} in {}", text(&told));
    }
    assert!(!text(&told).contains("pass 123!"));

    let document = json(&sharpeyes(&[&arguments[..], &["--json"]].concat(), Some("pass 123!")).await);
    let with_login = url.replace("rtsp://", "rtsp://admin:pass%20123!@");
    let probed = tokio::task::spawn_blocking(move || ffprobe(&with_login, Carrier::Tcp, 3)).await.unwrap();
    let observed = &document["observed"];
    assert_eq!(observed["codec"], probed.codec);
    assert_eq!(
        (observed["width"].as_u64(), observed["height"].as_u64()),
        (Some(probed.size.0), Some(probed.size.1))
    );
    assert_eq!(observed["key_frame_interval_frames"].as_u64(), probed.group);
    let rate = observed["frames_per_second"].as_f64().unwrap();
    assert!((rate - probed.rate).abs() < 0.1 * probed.rate, "{rate} against {}", probed.rate);
    assert_eq!(document["state"], "good");
}

#[tokio::test]
async fn a_fault_is_told_with_its_cause_and_remedy_and_ends_with_1() {
    let answer = Answer { hold: Duration::ZERO, status: 404 };
    let fake = Fake::start(Script { answers: [("DESCRIBE", answer)].into(), ..Script::default() }).await;
    let url = fake.url("cam");
    let told = sharpeyes(&["probe", &url], None).await;
    assert_eq!(told.status.code(), Some(1), "{}", text(&told));
    for words in ["no_video 无视频", "stream_not_found 码流不存在", "status 404", "config/brands.toml"]
    {
        assert!(text(&told).contains(words), "{words} in {}", text(&told));
    }
    let document = json(&sharpeyes(&["probe", &url, "--json"], None).await);
    assert_eq!(
        (&document["state"], &document["causes"][0]["cause"]),
        (&"no_video".into(), &"stream_not_found".into())
    );
    assert_eq!((&document["failed_stage"], &document["status"]), (&"describe".into(), &404.into()));
    assert!(document["stages_ms"]["connect"].as_f64().is_some());
}

#[tokio::test]
async fn what_cannot_be_run_says_what_to_do_and_ends_with_2() {
    let check = async |arguments: &[&str], words: &str| {
        let told = sharpeyes(&[&["probe"], arguments].concat(), None).await;
        assert_eq!(told.status.code(), Some(2), "{arguments:?}: {}", text(&told));
        assert!(text(&told).contains(words), "{words} in {}", text(&told));
        assert!(!text(&told).contains("geheim"));
    };
    check(&["rtsp://admin:geheim@127.0.0.1/cam"], "SHARPEYES_PASSWORD").await;
    check(&["http://127.0.0.1/cam"], "rtsp://").await;
    check(&["rtsps://127.0.0.1/cam", "--trust", "me"], "--trust me").await;
    check(&["rtsp://127.0.0.1/cam", "--user", "admin"], "set SHARPEYES_PASSWORD").await;
    check(&["rtsp://127.0.0.1/cam", "--window", "0"], "--window 0").await;
    check(&["--point", "23052100001320000001", "--config", "/nowhere.toml"], "/nowhere.toml").await;
}

#[tokio::test]
async fn a_known_point_is_probed_with_its_own_credential_and_expected_size() {
    let fake = Fake::start(Script { needs_login: true, ..Script::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let config = inventory_of_one_point(folder.path(), &fake.url("cam")).await;
    let arguments = ["probe", "--config", &config, "--point", POINT, "--window", "2", "--json"];
    let told = sharpeyes(&arguments, None).await;
    let document = json(&told);
    assert_eq!(document["point"], POINT);
    assert_eq!(document["observed"]["width"], SIZE.0);
    // The record wants another size: the stream is fine and not what was agreed.
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(
        (&document["state"], &document["causes"][0]["cause"]),
        (&"degraded".into(), &"resolution_changed".into())
    );
}

#[tokio::test]
async fn a_look_during_which_we_stood_still_ourselves_proves_nothing() {
    let fake = Fake::start(Script::default()).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    command.args(["probe", &fake.url("cam"), "--window", "3", "--json"]).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let process = child.id().unwrap().to_string();
    wait_until(|| Counts::of(&fake.counts.playing) == 1).await;
    let passes = async |span: Duration| {
        let began = Instant::now();
        wait_until(|| began.elapsed() > span).await;
    };
    passes(Duration::from_secs(1)).await;
    signal("STOP", &process).await;
    passes(Duration::from_secs(9)).await;
    signal("CONT", &process).await;
    let told = child.wait_with_output().await.unwrap();
    assert_eq!(told.status.code(), Some(2), "{}", text(&told));
    assert_eq!(json(&told)["causes"][0]["cause"], "backlog");
    assert_eq!(Counts::of(&fake.counts.teardowns), 1);
}

async fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), process]).status().await;
    assert!(sent.unwrap().success());
}

const POINT: &str = "23052100001320000001";

/// Imports one village with one point. Gives the settings file.
async fn inventory_of_one_point(folder: &Path, url: &str) -> String {
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let base = folder.display();
    let config = write(
        "sharpeyes.toml",
        &format!(
            "[store]\nurl = \"sqlite:{base}/sharpeyes.db\"\n\n[credentials]\nkey_file = \"{base}/camera.key\"\n"
        ),
    );
    let files = [
        write("divisions.csv", "code,name\n23,省\n2305,市\n230521,县\n230521100,镇\n230521100201,村\n"),
        write(
            "points.csv",
            &format!(
                "code,name,village,class,status,commissioned,watch,sub_stream,credential,expected_width,expected_height\n\
                 {POINT},村口,230521100201,1,in_use,2024-05-01,patrol,{url},camera,1920,1080\n"
            ),
        ),
        write("credentials.csv", "name,username,password\ncamera,admin,secret\n"),
    ];
    let mut arguments = vec!["import", "--config", &config];
    arguments.extend(files.iter().map(String::as_str));
    let imported = sharpeyes(&arguments, None).await;
    assert!(imported.status.success(), "{}", text(&imported));
    config
}
