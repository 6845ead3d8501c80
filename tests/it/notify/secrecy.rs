//! No channel tells its secrets: not in a log of any level, not in an error, not when it is printed.

use super::receiver::{Manner, Receiver};
use super::{Bench, assert_tells_no_secret, message};
use crate::support::process::free_port;
use sharpeyes::domain::message::MessageKind;
use std::io;
use std::sync::{Arc, Mutex};

/// Where the log goes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One channel of each kind that has a secret, to `address`.
fn kinds(bench: &Bench, address: &str) -> Vec<String> {
    let port = address.rsplit(':').next().unwrap();
    vec![
        format!(
            "kind = \"webhook\"\nurl = \"http://{address}/a-key-of-the-test\"\nsecret_file = \"KEYFILE\"\n\
             token_file = \"KEYFILE\"\nexpect = \"never\""
        ),
        format!(
            "kind = \"alertmanager\"\nurls = [\"http://{address}\"]\nusername = \"u\"\nsecret_file = \"KEYFILE\""
        ),
        format!("kind = \"wecom\"\nurl = \"http://{address}\"\nsecret_file = \"KEYFILE\""),
        format!(
            "kind = \"dingtalk\"\nurl = \"http://{address}\"\ntoken_file = \"KEYFILE\"\nsecret_file = \"KEYFILE\""
        ),
        format!(
            "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"tls\"\nusername = \"u\"\n\
             secret_file = \"KEYFILE\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]"
        ),
        format!(
            "kind = \"file\"\nfolder = \"{}\"\nsecret_file = \"KEYFILE\"",
            bench.path("missing").display()
        ),
    ]
}

#[tokio::test]
async fn no_channel_tells_its_secrets() {
    let written = Written::default();
    let writer = written.clone();
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _log = tracing::subscriber::set_default(log);
    let (bench, repeating) = (Bench::new(), Receiver::start(Manner::ok(super::KEY)).await);
    let refusing = Receiver::start(Manner::answer("403 No", "", super::KEY)).await;
    let gone = format!("127.0.0.1:{}", free_port());
    for address in [repeating.address.to_string(), refusing.address.to_string(), gone] {
        for keys in kinds(&bench, &address) {
            let channel = bench.channel(&format!("{keys}\ndeadline_seconds = 0.5"));
            assert_tells_no_secret(&format!("{channel:?}"));
            if let Err(error) = channel.send(&[message(MessageKind::Problem)]).await {
                assert_tells_no_secret(&format!("{error} {error:?}"));
            }
        }
    }
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert_tells_no_secret(&log);
    assert!(log.matches("did not deliver 1 notifications").count() >= 3 * 5, "{log}");
}
