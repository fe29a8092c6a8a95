use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority of one's own, and a certificate of it that is good for `localhost` and no other name; made by `openssl`.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// A new authority, which only the tests trust.
    pub fn new() -> Self {
        let this = Self { folder: tempfile::Builder::new().prefix("incode-tls").tempdir().unwrap() };
        std::fs::write(this.file("names"), "subjectAltName=DNS:localhost").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        this.openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"));
        this.openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        let signed_by = "-CA ca.pem -CAkey ca.key -CAcreateserial";
        this.openssl(&format!("x509 -req -in server.csr {signed_by} -out server.pem -days 2 -extfile names"));
        this
    }

    /// The certificate of the authority: a client that trusts it trusts the server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Certificate and key of the server.
    pub(super) fn server(&self) -> [PathBuf; 2] {
        [self.file("server.pem"), self.file("server.key")]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, line: &str) {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(self.folder.path()).output().unwrap();
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies it to where a server finds it.
pub(super) fn place(from: &Path, folder: &Path) -> PathBuf {
    let to = folder.join(from.file_name().unwrap());
    std::fs::copy(from, &to).unwrap();
    to
}
