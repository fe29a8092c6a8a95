use incode_core::http::Reply;
use incode_core::identity::Identity;
use maud::html;

use crate::BasePath;

use super::{bar, page, sign, time};

/// `GET /vault` for a visitor that the gate let pass.
pub(crate) fn vault(base: &BasePath, identity: &Identity) -> Reply {
    let content = html! {
        (bar(base, None))
        main {
            div class="card" {
                (sign("good"))
                h1 { "The vault is open" }
                p class="soft" { "Incode vouches for you at this moment, so here you are." }
                dl class="facts" {
                    div { dt { "Identity" } dd { code { (identity.identity_id.masked().as_str()) } } }
                    @if let Some(at) = identity.verified_at { div { dt { "Verified" } dd { (time(at)) } } }
                }
                div class="actions" { a class="button" href=(base.link("/")) { "Back" } }
            }
        }
    };
    page(200, "The vault", "alone", &content)
}
