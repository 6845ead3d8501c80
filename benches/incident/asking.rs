//! What people ask of the API meanwhile, over the network and again and again; and how long they wait.

use crate::report::{say, share};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two questions of one kind.
const PAUSE: Duration = Duration::from_millis(20);

/// One kind of question.
#[derive(Clone, Copy, Debug)]
enum Question {
    Get(&'static str),
    /// Somebody adds a note to the incident of the one camera: over the desk, into the store, with an entry in the audit.
    Note,
}

const QUESTIONS: [(&str, Question); 4] = [
    ("incidents", Question::Get("/api/v1/incidents?ended=false&limit=100")),
    ("points", Question::Get("/api/v1/points?limit=100")),
    ("summary", Question::Get("/api/v1/summary")),
    ("a note", Question::Note),
];

/// People who ask until they are told to stop.
pub(crate) struct Askers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<anyhow::Result<Vec<Duration>>>>,
}

impl Askers {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ask = |(_, question)| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || ask(address, question, &stop))
        };
        let threads = QUESTIONS.into_iter().map(ask).collect();
        Self { stop, threads }
    }

    /// Tells how long they waited since they began.
    pub(crate) fn stop(self, when: &str) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for (thread, (what, _)) in self.threads.into_iter().zip(QUESTIONS) {
            let mut waited = thread.join().map_err(|_panic| anyhow::anyhow!("{what}: the asker died"))??;
            waited.sort();
            say(&format!(
                "  api {when}: {what}: {} times, p50 {:.1} p99 {:.1} max {:.1} ms",
                waited.len(),
                share(&waited, 50),
                share(&waited, 99),
                share(&waited, 100)
            ));
        }
        Ok(())
    }
}

fn ask(address: SocketAddr, question: Question, stop: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let agent = ureq::Agent::new_with_defaults();
    let mut waited = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut answer = match question {
            Question::Get(path) => agent.get(format!("http://{address}{path}")).call()?,
            Question::Note => agent
                .post(format!("http://{address}/api/v1/incidents/1/notes"))
                .send_json(serde_json::json!({ "note": "看到了" }))?,
        };
        answer.body_mut().read_to_string()?;
        waited.push(began.elapsed());
        std::thread::park_timeout(PAUSE);
    }
    Ok(waited)
}
