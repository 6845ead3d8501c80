//! Files for a one-way relay.

use super::{Bench, assert_tells_no_secret, message, signature};
use sharpeyes::domain::message::{Message, MessageKind};
use sharpeyes::notify::Channel;
use std::path::PathBuf;
use std::time::Duration;

fn relay(bench: &Bench) -> (Channel, PathBuf) {
    let folder = bench.path("spool");
    std::fs::create_dir_all(&folder).unwrap();
    let keys = format!(
        "kind = \"file\"\nfolder = \"{}\"\nsecret_file = \"KEYFILE\"\nlimit_bytes = 65536",
        folder.display()
    );
    (bench.channel(&keys), folder)
}

fn names(folder: &PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_holds_what_a_webhook_would_be_sent() {
    let bench = Bench::new();
    let (channel, folder) = relay(&bench);
    channel.send(&[message(MessageKind::Problem)]).await.unwrap();
    bench.clock.advance(Duration::from_secs(60));
    channel.send(&[message(MessageKind::Problem)]).await.unwrap();
    channel.send(&[message(MessageKind::Recovery)]).await.unwrap();
    let expected = ["1790000000000-incident-17-problem.json", "1790000000000-incident-17-recovery.json"];
    assert_eq!(
        names(&folder),
        expected,
        "one that is sent again is one file, and nothing unfinished is left"
    );
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join(expected[0])).unwrap()).unwrap();
    let (timestamp, body) = (file["timestamp"].as_str().unwrap(), file["body"].as_str().unwrap());
    assert_eq!((&file["id"], timestamp), (&"incident-17-problem".into(), "1790000060"));
    assert_eq!(file["signature"], signature(timestamp, body));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["title"], "【故障】青山镇上行链路中断，影响 12 路");
}

#[tokio::test]
async fn an_id_is_no_path() {
    let bench = Bench::new();
    let (channel, folder) = relay(&bench);
    let odd = Message { id: "../../etc/odd id".to_owned(), ..message(MessageKind::Problem) };
    channel.send(&[odd]).await.unwrap();
    assert_eq!(names(&folder), ["1790000000000-______etc_odd_id.json"]);
}

#[tokio::test]
async fn a_relay_that_stopped_fills_no_disk_and_loses_nothing() {
    let bench = Bench::new();
    let (channel, folder) = relay(&bench);
    let numbered =
        |number: i32| Message { id: format!("incident-{number}-problem"), ..message(MessageKind::Problem) };
    for number in 0..16 {
        channel.send(&[numbered(number)]).await.unwrap();
    }
    let error = channel.send(&[numbered(16)]).await.unwrap_err();
    assert!(!error.is_final() && error.why.contains("65536 of 65536 bytes lie there already"), "{error}");
    std::fs::remove_file(folder.join(&names(&folder)[0])).unwrap();
    channel.send(&[numbered(16)]).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = channel.send(&[numbered(17)]).await.unwrap_err();
    assert!(!error.is_final() && error.why.contains("No such file"), "{error}");
    assert_tells_no_secret(&error.why);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let open = bench.private("open.key", "x");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error =
        bench.try_channel(&format!("kind = \"file\"\nfolder = \"/\"\nsecret_file = \"{open}\"")).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
