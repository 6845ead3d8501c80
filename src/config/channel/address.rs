//! Addresses that channels send to.

use crate::domain::secret::has_password_key;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// An `http` or `https` address. Paths and queries of receivers are often secret, so it prints scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The address itself, for the request.
    pub const fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or(""))?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no address to send to. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// Another scheme, or nothing like an address.
    #[error("must be an address that begins with http:// or https://")]
    Form,
    /// It says who asks.
    #[error(
        "must hold no user and no password; they belong into a file that secret_file or token_file names"
    )]
    Secret,
}

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, HttpUrlError> {
        let url = text.parse::<Url>().map_err(|_any_error| HttpUrlError::Form)?;
        if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(HttpUrlError::Form);
        }
        if !url.username().is_empty() || url.password().is_some() || has_password_key(text) {
            return Err(HttpUrlError::Secret);
        }
        Ok(Self(url))
    }
}

/// Where syslog is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// Datagrams, RFC 5426: nobody tells whether they arrived.
    Udp(String, u16),
    /// A stream with octet counting, RFC 6587.
    Tcp(String, u16),
    /// A datagram socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(host, port) => write!(f, "udp://{host}:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A text that is no syslog address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be udp://host:port, tcp://host:port or unix:/path")]
pub struct SyslogAddressError;

impl FromStr for SyslogAddress {
    type Err = SyslogAddressError;

    fn from_str(text: &str) -> Result<Self, SyslogAddressError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (scheme, place) = text.split_once("://").ok_or(SyslogAddressError)?;
        let (host, port) = place.rsplit_once(':').ok_or(SyslogAddressError)?;
        let port = port.parse().map_err(|_not_a_port| SyslogAddressError)?;
        match (scheme, host) {
            (_, "") => Err(SyslogAddressError),
            ("udp", host) => Ok(Self::Udp(host.to_owned(), port)),
            ("tcp", host) => Ok(Self::Tcp(host.to_owned(), port)),
            _ => Err(SyslogAddressError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_neither_path_nor_query() {
        let url: HttpUrl = "https://hooks.example.org:8443/services/T0/hidden?token=hidden".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://hooks.example.org:8443 https://hooks.example.org:8443");
    }
}
