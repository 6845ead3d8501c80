//! Stream addresses by brand (`config/brands.toml`): lists that name brand and host get their addresses from here.

use crate::config::Fault as ConfigFault;
use crate::config::nearest::nearest;
use crate::config::reader::{self, Section};
use crate::domain::point::{StreamUrl, StreamUrlError};
use crate::inventory::fault::Wrong;

/// The templates that are built in.
const BUILT_IN: &str = include_str!("../../config/brands.toml");

/// The place of the channel number in a path.
const CHANNEL: &str = "{channel}";

/// Templates of every known brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brands(Vec<Brand>);

/// Templates of one brand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Brand {
    names: Vec<String>,
    main: String,
    sub: Option<String>,
    port: u16,
}

/// What a list says instead of stream addresses.
#[derive(Debug)]
pub(crate) struct Shorthand<'a> {
    /// Brand.
    pub(crate) brand: &'a str,
    /// Host name or address.
    pub(crate) host: &'a str,
    /// Port, when not the brand's own.
    pub(crate) port: Option<u16>,
    /// Channel number.
    pub(crate) channel: u32,
}

impl Brands {
    /// The built-in templates.
    pub fn built_in() -> Result<Self, Vec<ConfigFault>> {
        Self::parse(BUILT_IN)
    }

    /// Reads templates and tells everything that is wrong with them.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigFault>> {
        reader::read_document(text, |root| Self(root.sections("brand", read_brand)))
    }

    /// Main and sub-stream of a device.
    pub(crate) fn expand(&self, short: &Shorthand<'_>) -> Result<(StreamUrl, Option<StreamUrl>), Wrong> {
        let wanted = short.brand.to_lowercase();
        let brand =
            self.0.iter().find(|brand| brand.names.contains(&wanted)).ok_or_else(|| self.unknown(&wanted))?;
        let address = |path: &str| {
            let host = if short.host.contains(':') && !short.host.starts_with('[') {
                format!("[{}]", short.host)
            } else {
                short.host.to_owned()
            };
            let port = short.port.unwrap_or(brand.port);
            let path = path.replace(CHANNEL, &short.channel.to_string());
            let is_host = !host.contains(['/', '@', '?', '#']);
            let parsed = if is_host {
                format!("rtsp://{host}:{port}{path}").parse()
            } else {
                Err(StreamUrlError::Host)
            };
            parsed.map_err(|_error: StreamUrlError| {
                Wrong::new("`host` is no host", "write a name or address as 10.1.2.3 in column `host`")
            })
        };
        Ok((address(&brand.main)?, brand.sub.as_deref().map(address).transpose()?))
    }

    fn unknown(&self, wanted: &str) -> Wrong {
        let names = || self.0.iter().flat_map(|brand| brand.names.iter().map(String::as_str));
        let right = nearest(wanted, names()).map_or_else(
            || {
                let first = self.0.iter().filter_map(|brand| brand.names.first().map(String::as_str));
                format!("write one of {}, or give the stream addresses", first.collect::<Vec<_>>().join(", "))
            },
            |near| format!("did you mean `{near}`?"),
        );
        Wrong::new("is an unknown brand", right)
    }
}

fn read_brand(section: &mut Section<'_>) -> Brand {
    let name = section.required("name", reader::text).unwrap_or_default();
    let also = section.optional("also", reader::texts).unwrap_or_default();
    let main = section.required("main", path).unwrap_or_default();
    let sub = section.optional("sub", path);
    let port = section.required("port", reader::whole(1..=u16::MAX)).unwrap_or_default();
    let _read_to_be_demanded: Option<String> = section.required("evidence", reader::text);
    let names = std::iter::once(name).chain(also).map(|name| name.to_lowercase()).collect();
    Brand { names, main, sub, port }
}

/// Takes a path that begins with a slash and has no other place than the channel's.
fn path(value: &reader::Value) -> Result<String, String> {
    let path = reader::text(value)?;
    if path.starts_with('/') && !path.replace(CHANNEL, "").contains(['{', '}', '@', ' ']) {
        Ok(path)
    } else {
        Err(format!("`{path}` must be a path that begins with / and has no place but {CHANNEL}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brand_and_host_become_addresses() {
        let brands = Brands::built_in().unwrap();
        let check = |brand: &str, host: &str, channel: u32, main: &str, sub: Option<&str>| {
            let (got_main, got_sub) = brands.expand(&Shorthand { brand, host, port: None, channel }).unwrap();
            assert_eq!((got_main.as_str(), got_sub.as_ref().map(StreamUrl::as_str)), (main, sub));
        };
        check(
            "海康威视",
            "10.1.2.3",
            1,
            "rtsp://10.1.2.3:554/Streaming/Channels/101",
            Some("rtsp://10.1.2.3:554/Streaming/Channels/102"),
        );
        check(
            "Dahua",
            "fd00::1",
            12,
            "rtsp://[fd00::1]:554/cam/realmonitor?channel=12&subtype=0",
            Some("rtsp://[fd00::1]:554/cam/realmonitor?channel=12&subtype=1"),
        );
        check("ezviz", "cam-1.local", 1, "rtsp://cam-1.local:554/h264_stream", None);
    }

    #[test]
    fn a_slip_in_a_brand_is_helped() {
        let brands = Brands::built_in().unwrap();
        let wrong =
            |brand, host| brands.expand(&Shorthand { brand, host, port: None, channel: 1 }).unwrap_err();
        assert_eq!(wrong("hikvison", "h").right, "did you mean `hikvision`?");
        assert!(wrong("Sonny", "h").right.starts_with("write one of hikvision, "));
        assert_eq!(wrong("dahua", "admin:pw@10.1.2.3").wrong, "`host` is no host");
    }

    #[test]
    fn every_fault_of_a_template_is_told() {
        let text = "[[brand]]\nname = \"x\"\nmain = \"stream\"\nport = 0\ncolour = 1\n";
        let keys: Vec<String> = Brands::parse(text).unwrap_err().into_iter().map(|fault| fault.key).collect();
        for key in ["brand.main", "brand.port", "brand.colour", "brand.evidence"] {
            assert!(keys.iter().any(|found| found == key), "{key} in {keys:?}");
        }
    }
}
