//! How this machine names itself to servers.

/// The host name, when it is one that protocols take: visible ASCII, at most 255 bytes.
pub(super) fn host_name() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?;
    let fits = !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| name.to_owned())
}
