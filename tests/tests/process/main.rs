//! The example apps as real processes: first run, restarts, sudden deaths under load, orderly ends, wrong settings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

/// Makes a `#[tokio::test]` for each example out of `async fn name(example: Example)`.
macro_rules! on_both_examples {
    ($($name:ident),+ $(,)?) => {
        mod axum {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(incode_tests::process::Example::Axum).await;
                }
            )+
        }
        mod actix {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(incode_tests::process::Example::Actix).await;
                }
            )+
        }
    };
}

mod disk;
mod ends;
mod first_run;
mod handlers;
mod kills;
mod load;
mod oauth;
mod replicas;
mod restarts;
mod settings;
mod spec;
