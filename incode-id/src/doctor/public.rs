//! The public URL, tried as the vendor and browsers do.

use incode_core::adapter::Deployment;
use incode_core::webhook::RejectionKind;
use reqwest::{Method, StatusCode, Url};

use super::Report;
use crate::failure::Failure;
use crate::http;
use crate::sandbox;
use crate::send::{self, Auth, Control};

pub(super) async fn check(report: &mut Report<'_>, deployment: &Deployment, base: &Url) -> Result<(), Failure> {
    place(report, base)?;
    let client = http::client()?;
    let mut is_reached = true;
    for (path, _) in deployment.webhooks() {
        let url = below(base, path)?;
        is_reached = webhook(report, &client, &url, path).await?;
        if !is_reached {
            break;
        }
    }
    if !is_reached {
        return Ok(());
    }
    if let Some(path) = deployment.token_path() {
        token(report, &client, &below(base, path)?).await?;
    }
    if let Some(path) = deployment.callback_path() {
        callback(report, &client, &below(base, path)?).await?;
    }
    if let Some((path, _)) = deployment.webhooks().first() {
        secret(report, deployment, base, path).await?;
    }
    Ok(())
}

fn place(report: &mut Report<'_>, base: &Url) -> Result<(), Failure> {
    let host = base.host_str().unwrap_or_default();
    let is_here = host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || host.starts_with("127.");
    match base.scheme() {
        "https" if !is_here => report.pass("public URL", "is https"),
        _ if is_here => {
            let todo =
                "good for a sandbox on this machine; for the vendor set PUBLIC_URL to the https URL of the application";
            report.warn("public URL", "is this machine: the vendor can't reach it", todo)
        }
        _ => report.fail(
            "public URL",
            "is not https: the vendor delivers over HTTPS only",
            "write https:// and the host",
        ),
    }
}

/// False: nothing answers there, and what follows would say the same.
async fn webhook(report: &mut Report<'_>, client: &reqwest::Client, url: &Url, path: &str) -> Result<bool, Failure> {
    let name = format!("webhook {path}");
    let unsigned = client.post(url.clone()).header("content-type", "application/json").body("{}").send().await;
    let status = match unsigned {
        Ok(answer) => answer.status(),
        Err(error) => {
            let cause = http::cause(error);
            report.fail(&name, format!("does not answer: {cause}"), unreached(&cause))?;
            return Ok(false);
        }
    };
    match status {
        StatusCode::UNAUTHORIZED => report.pass(&name, "refuses a delivery without a secret (HTTP 401)")?,
        // fetch-back looks at the body alone, and this one is no event.
        StatusCode::BAD_REQUEST => report.pass(&name, "refuses what is no event (HTTP 400)")?,
        _ => report.fail(
            &name,
            format!("answers HTTP {} to a delivery without a secret", status.as_u16()),
            strange(status),
        )?,
    }
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::BAD_REQUEST {
        let status = asked(client, Method::GET, url).await?;
        match status {
            StatusCode::METHOD_NOT_ALLOWED => report.pass(&name, "refuses GET (HTTP 405)")?,
            _ => report.fail(&name, format!("answers HTTP {} to GET", status.as_u16()), strange(status))?,
        }
    }
    Ok(true)
}

/// What to do about a call that had no answer. TLS and the name come before the application.
fn unreached(cause: &str) -> &'static str {
    if cause.contains("certificate") {
        "let the proxy send a certificate for this name, with its chain, of an authority that this machine trusts; a file \
         with an authority of your own is named in SSL_CERT_FILE"
    } else if cause.contains("lookup") || cause.contains("dns") {
        "this machine's name server does not know the name: correct PUBLIC_URL, or the record of the name"
    } else {
        "start the application, and let the proxy in front pass requests on to it; or write --no-public"
    }
}

async fn token(report: &mut Report<'_>, client: &reqwest::Client, url: &Url) -> Result<(), Failure> {
    let form = "application/x-www-form-urlencoded";
    let request = client.post(url.clone()).header("content-type", form).body("grant_type=client_credentials");
    match status(request).await? {
        StatusCode::UNAUTHORIZED => report.pass("token endpoint", "refuses a client without a secret (HTTP 401)"),
        found => report.fail("token endpoint", format!("answers HTTP {}", found.as_u16()), strange(found)),
    }
}

/// Without its parameters no flow comes back: 400, or a login in front of it.
async fn callback(report: &mut Report<'_>, client: &reqwest::Client, url: &Url) -> Result<(), Failure> {
    match asked(client, Method::GET, url).await? {
        StatusCode::BAD_REQUEST => report.pass("callback", "is there (HTTP 400 without a flow)"),
        found if found == StatusCode::UNAUTHORIZED || found.is_redirection() => {
            let todo = "fine if the login sends people back to the callback with its query; try it with one real flow";
            report.warn("callback", format!("a login stands in front of it (HTTP {})", found.as_u16()), todo)
        }
        found => report.fail("callback", format!("answers HTTP {}", found.as_u16()), strange(found)),
    }
}

/// Whether the application has the secrets that these settings have: a delivery that is authentic and no event.
async fn secret(report: &mut Report<'_>, deployment: &Deployment, base: &Url, path: &str) -> Result<(), Failure> {
    let Ok(auth) = Auth::from_settings() else { return Ok(()) };
    if auth == Auth::None {
        return Ok(());
    }
    let to = below(base, path)?;
    let token_url = deployment.token_path().map(|path| below(base, path)).transpose()?;
    // A form that the sandbox can't sign is left out.
    let Ok(secrets) = send::webhook_secrets(auth, &to, token_url.as_ref()) else { return Ok(()) };
    let vendor = sandbox::start(([127, 0, 0, 1], 0).into()).await?;
    let control = Control::at(&vendor.url())?;
    control.aim(&to, &secrets).await?;
    let sent = control.post("deliveries", &serde_json::json!({"raw": {}})).await?;
    let number = sent.get("number").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let attempt = control.first_attempt(number).await?;
    vendor.stop().await;
    match attempt.status {
        Some(400) => report.pass("webhook secret", "is the application's"),
        _ => {
            report.fail("webhook secret", "a delivery that is signed with these settings is refused", attempt.advice())
        }
    }
}

fn strange(status: StatusCode) -> String {
    let kind = RejectionKind::Unauthentic.as_str();
    match status.as_u16() {
        404 => "the path is wrong: compare INCODE_WEBHOOK_PATH, the path of PUBLIC_URL, and what the proxy cuts off"
            .to_owned(),
        300..=399 => {
            "something redirects, and the vendor follows no redirect: take the login and the https redirect of the \
                      proxy off these paths"
                .to_owned()
        }
        403 => "something in front refuses (a firewall, a CSRF check): let these paths pass".to_owned(),
        502..=504 => "the proxy does not reach the application, or the application its store".to_owned(),
        200..=299 => {
            format!("something else answers here: incode would say {kind}. Is the layer around the whole application?")
        }
        _ => "look at the log of the application and of what is in front of it".to_owned(),
    }
}

async fn asked(client: &reqwest::Client, method: Method, url: &Url) -> Result<StatusCode, Failure> {
    status(client.request(method, url.clone())).await
}

async fn status(request: reqwest::RequestBuilder) -> Result<StatusCode, Failure> {
    let answer = request.send().await;
    Ok(answer.map_err(|error| Failure::unavailable(http::cause(error)))?.status())
}

/// A path of the application below the path of the public URL.
fn below(base: &Url, path: &str) -> Result<Url, Failure> {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    Ok(url)
}
