//! Takes from the decoder process everything that it does not need, before it reads a byte that a stranger sent.
//!
//! The wall is a filter of system calls: what is left works on memory and on the files that are open already (three
//! pipes, and pairs of sockets between the process and itself, by which GStreamer wakes itself up), and no call that names a path, an address, another process or a new program is among it. So no namespaces
//! (often forbidden to services) and no rules about paths (there is no path to make a rule about) are needed. Behind it
//! stand limits of memory and CPU time, and no privileges. A forbidden call fails instead of killing: libraries that look
//! for a locale or a configuration file go on without.

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Memory of the process that is its own. A picture of the largest size has 25 MB and a decoder holds a few; one that
/// wants to hold all sixteen of the standard fails.
const MEMORY_BYTES: u64 = 512 * 1024 * 1024;
/// CPU time of the process, over its whole life: the last resort against a loop whose parent is gone. 240 000 sub-stream
/// pictures; the child ends by itself before (`RETIREMENT`).
const CPU_SECONDS: u64 = 600;
/// The CPU time after which a child asks to be replaced.
pub(super) const RETIREMENT: Duration = Duration::from_secs(CPU_SECONDS * 9 / 10);

/// Open files: buffer pools of GStreamer hold a pair of sockets each, and it complains for ever when it gets none. No
/// call that opens anything else is left.
const OPEN_FILES: u64 = 256;

/// Why the process could not be confined.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfineError {
    #[error("limit {0}")]
    Limit(&'static str, #[source] rustix::io::Errno),
    #[error("build the filter of system calls")]
    Build(#[source] seccompiler::BackendError),
    #[error("no filter of system calls is known for this kind of processor")]
    Processor,
    #[error("set the filter of system calls")]
    Filter(#[source] seccompiler::Error),
    #[error("the confined process could still {0}")]
    Loophole(&'static str),
}

/// Confines every thread of the process, for good, and proves it.
pub(super) fn confine() -> Result<(), ConfineError> {
    let program = filter()?;
    for (name, resource, limit) in [
        ("memory", Resource::Data, MEMORY_BYTES),
        ("CPU time", Resource::Cpu, CPU_SECONDS),
        ("core dumps", Resource::Core, 0),
        ("file size", Resource::Fsize, 0),
        ("open files", Resource::Nofile, OPEN_FILES),
        ("locked memory", Resource::Memlock, 0),
    ] {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).map_err(|error| ConfineError::Limit(name, error))?;
    }
    apply_filter_all_threads(&program).map_err(ConfineError::Filter)?;
    match loophole() {
        None => Ok(()),
        Some(loophole) => Err(ConfineError::Loophole(loophole)),
    }
}

/// What this process can do that a confined one cannot. Tries it, harmlessly.
pub(super) fn loophole() -> Option<&'static str> {
    type Try = fn() -> io::Result<()>;
    let tries: [(&str, Try); 6] = [
        ("open a file", || File::open("/proc/self/status").map(drop)),
        ("make a file", || File::create_new("/tmp/sharpeyes-loophole").map(drop)),
        ("open a TCP connection", || TcpStream::connect("127.0.0.1:9").map(drop)),
        ("open a UDP socket", || UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("open a UNIX socket", || UnixDatagram::unbound().map(drop)),
        ("start a thread", || std::thread::Builder::new().spawn(|| {}).map(drop)),
    ];
    // An error of another kind would mean that the call got through to the system.
    let is_denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    tries.into_iter().find_map(|(what, attempt)| (!attempt().is_err_and(is_denied)).then_some(what))
}

fn filter() -> Result<BpfProgram, ConfineError> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|_unknown: seccompiler::BackendError| ConfineError::Processor)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![never_executable().map_err(ConfineError::Build)?]);
    }
    rules.insert(libc::SYS_socketpair, vec![with_argument(0, libc::AF_UNIX)?]);
    let flags = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    let flags = flags.map(|command| with_argument(1, command));
    rules.insert(libc::SYS_fcntl, flags.into_iter().collect::<Result<_, _>>()?);
    let denied = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let filter =
        SeccompFilter::new(rules, denied, SeccompAction::Allow, arch).map_err(ConfineError::Build)?;
    filter.try_into().map_err(ConfineError::Build)
}

/// New memory may be anything but code. Both calls have the protection as their third argument.
fn never_executable() -> Result<SeccompRule, seccompiler::BackendError> {
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let operator = SeccompCmpOp::MaskedEq(executable);
    SeccompRule::new(vec![SeccompCondition::new(2, SeccompCmpArgLen::Dword, operator, 0)?])
}

/// A call whose argument at a place is this number.
fn with_argument(place: u8, number: i32) -> Result<SeccompRule, ConfineError> {
    let number = u64::from(number.unsigned_abs());
    let condition = SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number);
    condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(ConfineError::Build)
}

/// Reading and writing what is open, waiting for it, memory, locks, time, randomness and the end.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_ppoll,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment;
    use std::fs;
    use std::io::Write;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    /// Tells the process that the test starts of itself to be the confined one.
    const INSIDE: &str = "SHARPEYES_TEST_INSIDE";
    const TEST: &str = "picture::confine::tests::a_confined_process_can_open_neither_file_nor_socket";

    /// What a decoder that was taken over would try, and whether it works.
    fn tried() -> [(&'static str, bool); 11] {
        let folder = std::env::temp_dir();
        [
            ("read a file", fs::read("/etc/passwd").is_ok()),
            ("read its own memory map", fs::read("/proc/self/maps").is_ok()),
            ("write a file", fs::write(folder.join(format!("loot-{}", std::process::id())), "x").is_ok()),
            ("list a folder", fs::read_dir("/").is_ok()),
            ("ask for a file's size", fs::metadata("/etc/passwd").is_ok()),
            ("listen on TCP", TcpListener::bind("127.0.0.1:0").is_ok()),
            (
                "reach a TCP server",
                TcpListener::bind("127.0.0.1:0")
                    .and_then(|own| TcpStream::connect(own.local_addr()?))
                    .is_ok(),
            ),
            ("open a UDP socket", UdpSocket::bind("127.0.0.1:0").is_ok()),
            (
                "listen on a UNIX socket",
                UnixListener::bind(folder.join(format!("door-{}", std::process::id()))).is_ok(),
            ),
            ("run a program", Command::new("/bin/true").status().is_ok()),
            ("start a thread", std::thread::Builder::new().spawn(|| {}).is_ok()),
        ]
    }

    /// The test runs itself in two processes that do the same; only the second one confines itself before.
    #[test]
    fn a_confined_process_can_open_neither_file_nor_socket() {
        match environment(INSIDE).as_deref() {
            None => {
                let outcomes = ["free", "confined"].map(|inside| {
                    let test = std::env::current_exe().unwrap();
                    let output = Command::new(test)
                        .args([TEST, "--exact", "--nocapture"])
                        .env(INSIDE, inside)
                        .output();
                    let said = String::from_utf8(output.unwrap().stdout).unwrap();
                    said.lines().find(|line| line.starts_with("[(")).unwrap_or(&said).to_owned()
                });
                let expected = |works| format!("{:?}", tried().map(|(what, _)| (what, works)));
                assert_eq!(outcomes, [expected(true), expected(false)]);
            }
            Some(inside) => {
                if inside == "confined" {
                    crate::child::drop_privileges().unwrap();
                    confine().unwrap();
                }
                write!(io::stdout(), "\n{:?}\n", tried()).unwrap();
                std::process::exit(0);
            }
        }
    }

    #[test]
    fn the_proof_finds_what_an_unconfined_process_can_do() {
        assert_eq!(loophole(), Some("open a file"));
    }

    #[test]
    fn the_filter_can_be_built_here() {
        assert!(filter().unwrap().len() > ALLOWED.len());
    }

    #[test]
    fn no_call_that_names_a_path_an_address_or_a_process_is_allowed() {
        for call in [
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_execve,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_kill,
            libc::SYS_tgkill,
            libc::SYS_ptrace,
            libc::SYS_ioctl,
            libc::SYS_prctl,
            libc::SYS_prlimit64,
            libc::SYS_memfd_create,
            libc::SYS_io_uring_setup,
            libc::SYS_process_vm_readv,
        ] {
            assert!(!ALLOWED.contains(&call), "{call}");
        }
    }
}
