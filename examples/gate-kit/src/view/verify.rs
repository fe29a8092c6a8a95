use incode_core::http::Reply;
use maud::html;
use url::form_urlencoded;

use crate::BasePath;

use super::{bar, page, sign};

/// `GET /verify`: the account that is about to be verified, before the browser goes to the vendor.
///
/// Another person may have logged this browser in, by a link or on a shared computer. The identity would then be linked to
/// that person's account.
pub(crate) fn verify(base: &BasePath, user: &str, return_to: &str) -> Reply {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", return_to).finish();
    let content = html! {
        (bar(base, Some(user)))
        main {
            div class="card" {
                (sign("wait"))
                h1 { "Verify the account " strong { (user) } }
                p class="soft" {
                    "Your document and your face will be linked to this account. If it is not yours, log out first."
                }
                div class="actions" {
                    a class="button main" href={ (base.link("/incode/start?")) (query) } { "This is my account: verify me" }
                    a class="button" href=(base.link("/")) { "Back" }
                }
            }
        }
    };
    page(200, "Verify this account", "alone", &content)
}

/// The page that names the account, for a link that leads straight to the vendor.
pub(crate) fn verify_link(base: &BasePath, start: &str) -> String {
    match start.strip_prefix(&base.link("/incode/start")) {
        Some(query) => base.link(&format!("/verify{query}")),
        None => start.to_owned(),
    }
}
