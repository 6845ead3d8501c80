//! A browser without a window, driven over its own pipe (DevTools protocol): what a person types, and what the page shows.

use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// One answer of the browser; it starts on a loaded machine.
const ANSWER: Duration = Duration::from_secs(60);
/// Until the page shows what is waited for: it asks the service every three seconds.
const SHOWN: Duration = Duration::from_secs(30);
/// The protocol is spoken on descriptors 3 (commands) and 4 (answers). As root there is no sandbox to be had.
const COMMAND: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
     --window-size=1366,768 --remote-debugging-pipe --user-data-dir=\"$0\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// One page in a browser of its own, which ends with it.
#[derive(Debug)]
pub(crate) struct Browser {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    command_count: u64,
    complaints: Vec<String>,
    _child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a page.
    pub(crate) async fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(COMMAND).arg(profile.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut browser = Self {
            commands: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            session: None,
            command_count: 0,
            complaints: Vec::new(),
            _child: child,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        browser.call("Runtime.enable", json!({})).await;
        browser.call("Log.enable", json!({})).await;
        browser.call("Page.navigate", json!({"url": url})).await;
        browser.wait_for("location.protocol === 'http:' && document.readyState === 'complete'").await;
        browser
    }

    /// What an expression gives in the page.
    pub(crate) async fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) async fn wait_for(&mut self, expression: &str) {
        let end = Instant::now() + SHOWN;
        while self.evaluate(&format!("Boolean({expression})")).await != json!(true) {
            if Instant::now() > end {
                let shown = self.evaluate("document.body.innerText").await;
                panic!("never true: {expression}\n{:?}\nthe page:\n{shown}", self.complaints);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses a key and lets it go.
    pub(crate) async fn press(&mut self, key: &str) {
        let text = if key == "Enter" { Some("\r") } else { (key.chars().count() == 1).then_some(key) };
        self.call("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": text})).await;
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key})).await;
    }

    /// Types a text where the focus is.
    pub(crate) async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Errors of scripts, and what the page asked for and was not given.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    async fn call(&mut self, method: &str, mut params: Value) -> Value {
        if let Some(fields) = params.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        self.command_count += 1;
        let mut message = json!({"id": self.command_count, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).await.unwrap();
        loop {
            let answer =
                timeout(ANSWER, self.read()).await.unwrap_or_else(|_| panic!("no answer to {message}"));
            if answer["id"] == json!(self.command_count) {
                assert!(answer.get("error").is_none(), "{message}: {answer}");
                return answer["result"].clone();
            }
            self.hear(&answer);
        }
    }

    async fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.answers.read_until(0, &mut bytes).await.unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended; is `chromium` installed?");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            _ => {}
        }
    }
}
