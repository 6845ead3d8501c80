//! The certificates in a PEM file: whose they are and when they end.

use crate::domain::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use x509_parser::pem::Pem;

/// A certificate: whose it is, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The last instant of its validity.
    pub not_after: Timestamp,
}

/// Why the certificates could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file could not be read.
    #[error("read the certificates in {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file holds no PEM.
    #[error("read the certificates in {} as PEM", .0.display())]
    Pem(PathBuf, #[source] x509_parser::error::PEMError),
    /// A block of it holds no certificate.
    #[error("read the {number}. certificate in {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: Box<x509_parser::nom::Err<x509_parser::error::X509Error>>,
    },
}

/// Every certificate of a file, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<Certificate>, CertificateError> {
    let text = std::fs::read(path).map_err(|source| CertificateError::File(path.to_owned(), source))?;
    let mut certificates = Vec::new();
    for block in Pem::iter_from_buffer(&text) {
        let block = block.map_err(|source| CertificateError::Pem(path.to_owned(), source))?;
        let parsed = block.parse_x509().map_err(|source| CertificateError::Certificate {
            path: path.to_owned(),
            number: certificates.len() + 1,
            source: Box::new(source),
        })?;
        certificates.push(Certificate {
            subject: parsed.subject().to_string(),
            not_after: Timestamp::from_seconds(parsed.validity().not_after.timestamp()),
        });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &str = include_str!("../ingest/pull/nobody.pem");

    fn read_text(text: &str) -> Result<Vec<Certificate>, CertificateError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authorities.pem");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn every_certificate_is_read_with_its_end() {
        let nobody = Certificate {
            subject: "CN=nobody".to_owned(),
            not_after: Timestamp::from_seconds(1_795_718_176),
        };
        let bundle = format!("# those of the county\n{NOBODY}\nand again\n{NOBODY}");
        assert_eq!(read_text(&bundle).unwrap(), [nobody.clone(), nobody]);
        assert_eq!(read_text("").unwrap(), []);
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let check = |text: &str, expected: &str| {
            let told = crate::child::chain(&read_text(text).unwrap_err());
            assert!(told.contains(expected), "{told}");
        };
        check(&NOBODY.replacen("MII", "MAA", 1), "read the 1. certificate in ");
        check(&NOBODY.replace("END", "STOP"), "as PEM: ");
        let nowhere = read(Path::new("/no/such.pem")).unwrap_err();
        assert_eq!(nowhere.to_string(), "read the certificates in /no/such.pem");
    }
}
