use std::error::Error;
use std::io;

use super::{ConfigError, ConfigErrorKind};
use crate::store::{StoreError, StoreErrorKind};

fn refused() -> ConfigError {
    let cause = StoreError::with_source(StoreErrorKind::Unavailable, "connection refused:\n  no server listens");
    ConfigError::store("INCODE_STORE", "the store can't be opened").with_source(cause)
}

#[test]
fn display_and_debug_print_the_causes_in_one_line() {
    let error = refused();
    for text in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
        assert!(text.starts_with("INCODE_STORE: the store can't be opened: "), "{text}");
        assert!(text.ends_with("connection refused: no server listens") && !text.contains('\n'), "{text}");
    }
    assert!(error.source().is_some());
    assert_eq!((error.kind(), error.setting()), (ConfigErrorKind::Store, "INCODE_STORE"));
}

#[test]
fn a_main_that_returns_an_io_error_can_use_the_question_mark() {
    fn main() -> io::Result<()> {
        Err(ConfigError::missing("PUBLIC_URL", "is not set"))?
    }
    let error = main().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "PUBLIC_URL: is not set");
    let store: io::Error = refused().into();
    assert_eq!(store.kind(), io::ErrorKind::Other);
}

#[test]
fn another_name_keeps_the_problem() {
    let error = ConfigError::insecure("public_url", "is http").named("PUBLIC_URL");
    assert_eq!(error.to_string(), "PUBLIC_URL: is http");
    assert_eq!(error.kind(), ConfigErrorKind::Insecure);
}
