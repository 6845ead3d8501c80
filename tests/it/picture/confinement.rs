//! A decoder process has nothing but its pipes, some memory and some time.
//!
//! That it can open neither a file nor a socket nor a thread is tried by each child itself before it says that it is
//! ready (`picture::confine`, whose unit test shows that the trying finds what can be opened). Here it is seen from
//! outside.

use super::program;
use sharpeyes::picture::Worker;
use std::fs;

fn read(worker: &Worker, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", worker.id().unwrap())).unwrap()
}

/// The words behind a name that begins a line.
fn words(text: &str, name: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_ready_decoder_is_confined() {
    let worker = Worker::start(program()).await.unwrap();
    let status = read(&worker, "status");
    assert_eq!(words(&status, "Seccomp:"), ["2"], "a filter of system calls");
    assert_eq!(words(&status, "NoNewPrivs:"), ["1"]);
    assert_eq!(words(&status, "Threads:"), ["1"]);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(words(&status, set), ["0000000000000000"], "{set}");
    }
    let limits = read(&worker, "limits");
    let check = |name, expected: &str| assert_eq!(words(&limits, name)[..2], [expected, expected], "{name}");
    check("Max data size", "536870912");
    check("Max cpu time", "600");
    check("Max open files", "256");
    check("Max file size", "0");
    check("Max core file size", "0");
    worker.stop().await;
}

#[tokio::test]
async fn every_thread_is_confined() {
    let worker = Worker::start(program()).await.unwrap();
    for thread in fs::read_dir(format!("/proc/{}/task", worker.id().unwrap())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert_eq!(words(&status, "Seccomp:"), ["2"]);
    }
    worker.stop().await;
}

/// Whether a socket has no name and no address: one of a pair that the process made to wake itself up.
fn is_pair(worker: &Worker, target: &str) -> bool {
    let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    // Num RefCount Protocol Flags Type St Inode Path
    let sockets = read(worker, "net/unix");
    let fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .into_iter()
        .any(|fields| matches!(fields[..], [.., "03", number] if fields.len() == 7 && number == inode))
}

#[tokio::test]
async fn a_decoder_inherits_nothing_but_its_pipes() {
    let _ours = fs::File::open("/etc/hostname").unwrap();
    let _socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let worker = Worker::start(program()).await.unwrap();
    for file in fs::read_dir(format!("/proc/{}/fd", worker.id().unwrap())).unwrap() {
        let target = fs::read_link(file.unwrap().path()).unwrap().display().to_string();
        let is_harmless = target.starts_with("pipe:") || target == "/dev/null" || is_pair(&worker, &target);
        assert!(is_harmless, "{target}");
    }
    assert_eq!(read(&worker, "environ").matches("PATH=").count(), 0);
    worker.stop().await;
}
