//! Texts that may hold a password although their place is not for one. Such a text is refused or withheld, never repeated.

/// What keys of passwords hold: `password`, `passwd`, `loginPwd`, `psw`; Xiongmai writes `/user=admin_password=..`.
const PARTS: [&str; 7] = ["passw", "passcode", "pwd", "psw", "authbasic", "密码", "口令"];
/// Keys of passwords that are too short to be looked for inside other words (`bypass`).
const WHOLE: [&str; 2] = ["pass", "pw"];
/// What stands between a key and its value.
const SEPARATORS: [char; 4] = ['=', ':', '＝', '：'];

/// Whether a text gives a value to a key that is used for passwords, in any case.
pub fn has_password_key(text: &str) -> bool {
    let text = text.to_lowercase().replace("%3d", "=");
    text.match_indices(SEPARATORS).filter_map(|(end, _)| text.get(..end)).any(|before| {
        let key = before.trim_end().rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or("");
        WHOLE.contains(&key) || PARTS.iter().any(|part| key.contains(part))
    })
}

/// Whether a text may hold a password: it has such a key, or it looks like `user:password@host`.
pub fn may_hold_password(text: &str) -> bool {
    text.contains(['@', '＠']) || has_password_key(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_key() {
        let check = |text: &str, expected| assert_eq!(has_password_key(text), expected, "{text}");
        check("/user=admin&password=x&channel=1&stream=0.sdp", true);
        check("/user=admin_password=x_channel=1_stream=0.sdp", true);
        check("/live?PassWd=x", true);
        check("/live?loginPwd=x", true);
        check("/live?psw=x", true);
        check("/live?pass=x", true);
        check("/live?pw%3Dx", true);
        check("密码：x", true);
        check("/cam/realmonitor?channel=1&subtype=0&bypass=1", false);
        check("/Streaming/Channels/101?transportmode=unicast", false);
        check("rtsp://10.1.2.3:554/pwd/1", false);
        check("", false);
    }

    #[test]
    fn a_user_before_a_host_may_be_a_password() {
        assert!(may_hold_password("admin:x@10.1.2.3") && may_hold_password("rtsp://admin:x＠h/"));
        assert!(!may_hold_password("rtsp://10.1.2.3/stream1"));
    }
}
