//! The time from SIGTERM to exit, shared out in one place.
//!
//! Each group is given a little more than its own last wait, so that it ends by itself and says what it lost. The
//! waits stand beside the code that waits; the build fails when they no longer fit.

use crate::health::examiner::task::KEEP_DEADLINE;
use crate::health::tracker::LAST_RECORDS_DEADLINE;
use crate::ingest::scheduler::SHUTDOWN_WAIT;
use crate::inventory::transport;
use crate::store::writer::LAST_FLUSH_DEADLINE;
use std::time::Duration;

/// Requests in flight are answered.
pub(super) const STOP_FACE: Duration = Duration::from_millis(500);
/// Looks are ended and their TEARDOWNs answered.
pub(super) const STOP_WATCHERS: Duration = Duration::from_millis(5_000);
/// What was found is decided and handed on.
pub(super) const STOP_TRACKER: Duration = Duration::from_millis(1_000);
/// What was decided is written.
pub(super) const STOP_KEEPERS: Duration = Duration::from_millis(2_500);
/// Connections to the database are closed.
pub(super) const CLOSE_STORE: Duration = Duration::from_millis(500);
/// Threads that are blocked, as by a disk or a name server that does not answer, are left behind.
pub(super) const LEAVE_THREADS: Duration = Duration::from_millis(200);

/// What an operator is promised; `docker stop` kills after as long.
const EXIT: Duration = Duration::from_secs(10);
/// Room between the end of one wait and the next one on a busy machine.
const SPARE: Duration = Duration::from_millis(250);

const TOGETHER: u128 = STOP_FACE.as_millis()
    + STOP_WATCHERS.as_millis()
    + STOP_TRACKER.as_millis()
    + STOP_KEEPERS.as_millis()
    + CLOSE_STORE.as_millis()
    + LEAVE_THREADS.as_millis();

const _: () = assert!(TOGETHER + SPARE.as_millis() <= EXIT.as_millis());
const _: () = assert!(SHUTDOWN_WAIT.as_millis() + SPARE.as_millis() <= STOP_WATCHERS.as_millis());
// What the examiner keeps when it is told to stop, and what it was keeping just then.
const _: () = assert!(2 * KEEP_DEADLINE.as_millis() + SPARE.as_millis() <= STOP_WATCHERS.as_millis());
const _: () = assert!(LAST_RECORDS_DEADLINE.as_millis() + SPARE.as_millis() <= STOP_TRACKER.as_millis());
// What was being kept just then, and what was learnt last.
const _: () =
    assert!(2 * transport::KEEP_DEADLINE.as_millis() + SPARE.as_millis() <= STOP_KEEPERS.as_millis());
const _: () = assert!(LAST_FLUSH_DEADLINE.as_millis() + SPARE.as_millis() <= STOP_KEEPERS.as_millis());
