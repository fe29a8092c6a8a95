//! The built-in page of a denial, for an application that renders nothing itself, in the languages of the browser.

use incode_core::http::Brand;
use incode_core::{IdentityId, Subject};
use incode_sandbox::NewPerson;
use incode_tests::{Adapter, Plan, World, event};
use serde_json::json;

use crate::driver::Javascript;
use crate::in_a_browser;
use crate::visit::Visit;
use crate::webdriver::Browser;

#[tokio::test]
async fn of_axum_without_javascript() {
    read(Adapter::Axum, Javascript::Off).await;
}

#[tokio::test]
async fn of_axum_with_javascript() {
    read(Adapter::Axum, Javascript::On).await;
}

#[tokio::test]
async fn of_actix_without_javascript() {
    read(Adapter::Actix, Javascript::Off).await;
}

/// A user of each standing opens the vault in each language.
async fn read(adapter: Adapter, javascript: Javascript) {
    let plan = Plan::new(adapter).with_checks().incode(|builder| builder.brand(Brand::new("Example Bank")));
    let world = plan.start().await;
    prepare(&world).await;
    in_a_browser(&format!("denials-of-{adapter:?}-{javascript:?}"), javascript, async |browser| {
        let mut visit = if javascript == Javascript::On { Visit::new(browser) } else { None };
        browser.devtools("Network.enable", json!({})).await;
        for denial in DENIALS {
            for (language, (heading, detail)) in ["en-US", "es-MX", "pt-BR"].into_iter().zip(denial.texts) {
                shows(&world, browser, denial, language, heading, detail).await;
                let Some(visit) = &mut visit else { continue };
                let name = format!("denial-{}-{language}", denial.user);
                if (denial.user, language) == ("revoked", "es-MX") {
                    visit.show(&name).await;
                } else {
                    visit.check(&name).await;
                }
            }
        }
        browser.devtools("Network.setExtraHTTPHeaders", json!({ "headers": {} })).await;
        if let Some(visit) = visit {
            visit.end().await;
        }
    })
    .await;
}

async fn shows(world: &World, browser: &Browser, denial: Denial, language: &str, heading: &str, detail: &str) {
    let headers = json!({ "headers": { "x-user": denial.user, "accept-language": format!("{language},*;q=0.5") } });
    browser.devtools("Network.setExtraHTTPHeaders", headers).await;
    browser.open(&format!("http://{}/vault", world.address)).await;
    assert_eq!(browser.heading().await, heading);
    assert_eq!(browser.text("main p").await, detail);
    assert_eq!(browser.text("small").await, denial.code);
    assert_eq!(browser.text("header").await, "Example Bank");
    let tag = language.split('-').next().unwrap();
    assert!(browser.text(&format!("html[lang={tag}]")).await.contains(detail), "the page says its language");
}

/// One user for each denial, named after it.
async fn prepare(world: &World) {
    let person = |name: &str| world.sandbox.add_person(NewPerson::named(name));
    for (user, status) in [("revoked", "REVOKED"), ("suspended", "SUSPENDED")] {
        let id = person(user).identity_id;
        let verified = world.sandbox.verify(&id).unwrap();
        world.sandbox.update_person(&id, &json!({ "status": status })).unwrap();
        world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    }
    world.settles(2, 0, 0).await;
    for (at, user) in ["revoked", "suspended"].into_iter().enumerate() {
        let id = world.sandbox.people()[at].identity_id.clone();
        let (subject, identity) = (Subject::new(user).unwrap(), IdentityId::new(id.as_str()).unwrap());
        world.incode.link(&subject, &identity, &incode_core::Actor::unknown()).await.unwrap();
    }
    // Back from the vendor, and no event yet.
    let token = world.sandbox.issue_token(&person("pending").identity_id);
    let flow = world.start_flow("pending").await;
    assert_eq!(world.come_back("pending", &flow, &token).await.status, 303);
}

#[derive(Clone, Copy)]
struct Denial {
    user: &'static str,
    code: &'static str,
    /// Heading and text in English, Spanish and Portuguese.
    texts: [(&'static str, &'static str); 3],
}

const DENIALS: [Denial; 4] = [
    Denial {
        user: "newcomer",
        code: "verification_required",
        texts: [
            ("Verify your identity", "This page needs a verified identity."),
            ("Verifique su identidad", "Esta página requiere una identidad verificada."),
            ("Verifique sua identidade", "Esta página exige uma identidade verificada."),
        ],
    },
    Denial {
        user: "pending",
        code: "verification_pending",
        texts: [
            ("Verification pending", "We are confirming your verification. This page reloads by itself."),
            ("Verificación en curso", "Estamos confirmando su verificación. Esta página se actualiza sola."),
            ("Verificação em andamento", "Estamos confirmando sua verificação. Esta página se atualiza sozinha."),
        ],
    },
    Denial {
        user: "revoked",
        code: "identity_revoked",
        texts: [
            ("Identity revoked", "Your verified identity was revoked. Contact support."),
            ("Identidad revocada", "Su identidad verificada fue revocada. Contacte con soporte."),
            ("Identidade revogada", "Sua identidade verificada foi revogada. Fale com o suporte."),
        ],
    },
    Denial {
        user: "suspended",
        code: "identity_not_active",
        texts: [
            ("Identity not active", "Your identity is known, but it is not active."),
            ("Identidad no activa", "Su identidad es conocida, pero no está activa."),
            ("Identidade não ativa", "Sua identidade é conhecida, mas não está ativa."),
        ],
    },
];
