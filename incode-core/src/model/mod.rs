//! The vendor's wire types (being written).
mod event;
pub use event::{EventKind, WebhookEvent};

macro_rules! stub { ($n:ident, $($v:ident = $s:literal),*) => {
    /// stub
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum $n { $(/// x
        $v,)* /// x
        Other(String) }
    impl $n { /// x
        pub fn as_str(&self) -> &str { match self { $(Self::$v => $s,)* Self::Other(s) => s } } }
    impl From<&str> for $n { fn from(s: &str) -> Self { $(if s.eq_ignore_ascii_case($s) { return Self::$v; })* Self::Other(s.into()) } }
    impl serde::Serialize for $n { fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) } }
} }
stub!(IdentityStatus, Active = "ACTIVE", Revoked = "REVOKED");
stub!(
    AttestationStatus,
    Ok = "OK",
    Warn = "WARN",
    Fail = "FAIL",
    Unknown = "UNKNOWN",
    Manual = "MANUAL",
    ManualOk = "MANUAL_OK",
    ManualFail = "MANUAL_FAIL",
    ManualPending = "MANUAL_PENDING"
);
